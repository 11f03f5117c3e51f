//! What a worker tells its supervisor: one JSON object a line on the worker's standard output.
//!
//! Invariant: the first message is [`Message::Hello`] or [`Message::Error`], the last one is
//! [`Message::Report`] or [`Message::Error`]; between them comes [`Message::Progress`], often
//! enough that silence means a stall.

use serde::{Deserialize, Serialize};

/// One line of the protocol.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Message {
    /// The worker runs and has read its own memory map.
    Hello {
        /// Whether the library is mapped into the worker.
        library_mapped: bool,
    },
    /// How far the worker is.
    Progress(Counts),
    /// The worker is done.
    Report(Outcome),
    /// The worker cannot do its work, and why.
    Error(String),
}

/// What was counted on one side of a row.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
pub(super) struct Counts {
    /// Forks made, including those that only timed `fork` after the cut-off.
    pub(super) timed: u32,
    /// Forks whose child made the call.
    pub(super) forks: u32,
    /// Children that never came back from the call.
    pub(super) hangs: u32,
    /// Children that died by a signal, got another answer than the call gives without threads, or
    /// could not be started at all.
    pub(super) crashes: u32,
}

/// How long `fork` (or `posix_spawn`) took in the parent, in microseconds.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(super) struct Latency {
    pub(super) median: u64,
    pub(super) p99: u64,
    pub(super) max: u64,
}

impl Latency {
    /// Of a non-empty set of samples in microseconds; `None` of an empty one.
    pub(super) fn of(mut samples: Vec<u64>) -> Option<Self> {
        samples.sort_unstable();
        // The nearest-rank percentile: the smallest sample that at least `percent` of all reach.
        let rank = |percent: usize| (samples.len() * percent).div_ceil(100).max(1) - 1;
        Some(Self {
            median: *samples.get(rank(50))?,
            p99: *samples.get(rank(99))?,
            max: *samples.last()?,
        })
    }
}

/// How a worker ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Ended {
    /// It made all its forks and reported.
    Completed,
    /// It fell silent and was killed: the forking process itself hangs. Counted as one hang.
    Stalled,
    /// It ended without a report; how. Counted as one crash.
    Died(String),
}

/// One side of a row.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Outcome {
    #[serde(flatten)]
    pub(super) counts: Counts,
    pub(super) ended: Ended,
    /// The wait status of the first child that crashed. `exit status: 1` is a wrong answer.
    pub(super) first_crash: Option<String>,
    /// Absent if the worker did not live to report it.
    pub(super) fork_latency_us: Option<Latency>,
    /// Wall time of the worker's forks, in milliseconds.
    pub(super) wall_ms: u64,
}

impl Outcome {
    /// Whether nothing hung and nothing crashed in a run that was completed.
    pub(super) fn clean(&self) -> bool {
        self.counts.hangs == 0 && self.counts.crashes == 0 && self.ended == Ended::Completed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_nearest_rank() {
        let latency = Latency::of((1..=200).rev().collect()).unwrap();
        assert_eq!((latency.median, latency.p99, latency.max), (100, 198, 200));
        let latency = Latency::of(vec![7]).unwrap();
        assert_eq!((latency.median, latency.p99, latency.max), (7, 7, 7));
        assert!(Latency::of(Vec::new()).is_none());
    }
}
