//! The figures of a run, in a small room however long the run is.

use std::collections::BTreeMap;

use crate::report::model::{Entry, Summary};

/// What the entries of a recording add up to.
#[derive(Default)]
pub(super) struct Figures {
    counts: Summary,
    /// How many forks waited for so many µs, which are rounded to about one in a hundred.
    drains: BTreeMap<u64, u64>,
}

impl Figures {
    /// Takes an entry into account.
    pub(super) fn add(&mut self, entry: &Entry) {
        self.counts.count(entry);
        if let Entry::Fork(fork) = entry
            && fork.drain_us > 0
        {
            *self.drains.entry(rounded(fork.drain_us)).or_default() += 1;
        }
    }

    /// Counts a process that was not known before.
    pub(super) fn add_process(&mut self) {
        self.counts.processes += 1;
    }

    /// How many children hung.
    pub(super) fn hangs(&self) -> u64 {
        self.counts.hangs
    }

    /// The counts, and the figures made of them. When the run ended, how, and what was lost of it, the caller
    /// adds.
    pub(super) fn summary(&self) -> Summary {
        Summary {
            drain_median_us: self.percentile(50),
            drain_p99_us: self.percentile(99),
            ..self.counts.clone()
        }
    }

    /// The time that `percent` of the forks which waited did not exceed.
    fn percentile(&self, percent: u64) -> u64 {
        let wanted = (self.counts.drains * percent).div_ceil(100);
        let mut seen = 0;
        let found = self.drains.iter().find(|(_, count)| {
            seen += **count;
            seen >= wanted
        });
        found.map_or(0, |(us, _)| *us)
    }
}

/// Keeps the seven highest bits.
fn rounded(us: u64) -> u64 {
    let low = (u64::BITS - us.leading_zeros()).saturating_sub(7);
    us >> low << low
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::model::Fork;

    #[test]
    fn times_are_known_to_one_in_sixty() {
        let mut figures = Figures::default();
        assert_eq!(figures.summary(), Summary::default());
        for drain_us in 0..=100_000 {
            figures.add(&Entry::Fork(Fork { drain_us, ..Fork::default() }));
        }
        let summary = figures.summary();
        assert_eq!((summary.forks, summary.drains), (100_001, 100_000));
        assert!((49_000..=50_000).contains(&summary.drain_median_us));
        assert!((97_000..=99_000).contains(&summary.drain_p99_us));
        assert_eq!(summary.drain_max_us, 100_000);
        assert!(figures.drains.len() < 1000);
    }
}
