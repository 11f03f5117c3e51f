//! What all forms need of a recording at a glance.

use std::collections::BTreeSet;

use super::model::{Entry, Fork, Hang, Run, Summary};

/// A recording, sorted by kinds of entries.
pub(super) struct Overview<'a> {
    /// The run; empty if its line is missing.
    pub(super) run: Run,
    pub(super) hangs: Vec<&'a Hang>,
    /// The recording's own figures, or what its other entries add up to.
    pub(super) summary: Summary,
    /// The last line is there: the supervisor was not killed, and nothing was cut off.
    pub(super) is_whole: bool,
}

impl<'a> Overview<'a> {
    pub(super) fn of(entries: &'a [Entry]) -> Self {
        let run = entries.iter().find_map(|entry| match entry {
            Entry::Run(run) => Some(run.clone()),
            _ => None,
        });
        let hangs = entries.iter().filter_map(|entry| match entry {
            Entry::Hang(hang) => Some(&**hang),
            _ => None,
        });
        let summary = entries.iter().rev().find_map(|entry| match entry {
            Entry::Summary(summary) => Some(summary.clone()),
            _ => None,
        });
        Self {
            run: run.unwrap_or_default(),
            hangs: hangs.collect(),
            is_whole: summary.is_some(),
            summary: summary.unwrap_or_else(|| add_up(entries)),
        }
    }
}

/// The forks among `entries`.
pub(super) fn forks(entries: &[Entry]) -> impl Iterator<Item = &Fork> {
    entries.iter().filter_map(|entry| match entry {
        Entry::Fork(fork) => Some(fork),
        _ => None,
    })
}

/// When something happened, in µs since the run began.
pub(super) fn time(entry: &Entry) -> u64 {
    match entry {
        Entry::Run(_) => 0,
        Entry::Process(process) => process.at_us,
        Entry::Fork(fork) => fork.at_us,
        Entry::End(end) => end.at_us,
        Entry::Hang(hang) => hang.at_us,
        Entry::Summary(summary) => summary.at_us,
    }
}

impl Summary {
    /// Counts an entry. Processes and what half of the drains did not exceed take more than a count.
    pub(crate) fn count(&mut self, entry: &Entry) {
        match entry {
            Entry::Run(_) | Entry::Process(_) | Entry::Summary(_) => {}
            Entry::Fork(fork) => {
                self.forks += 1;
                self.failed_forks += u64::from(fork.error.is_some());
                self.gave_up += u64::from(!fork.gave_up.is_empty());
                self.repaired += u64::from(fork.repaired);
                self.drains += u64::from(fork.drain_us > 0);
                self.drain_max_us = self.drain_max_us.max(fork.drain_us);
            }
            Entry::End(end) => self.execs += u64::from(end.exec.is_some()),
            Entry::Hang(_) => self.hangs += 1,
        }
    }
}

/// The figures as far as the entries tell them; lost events and the status they do not.
fn add_up(entries: &[Entry]) -> Summary {
    let mut summary = Summary::default();
    let mut processes = BTreeSet::new();
    let mut drains = Vec::new();
    for entry in entries {
        summary.at_us = summary.at_us.max(time(entry));
        summary.count(entry);
        match entry {
            Entry::Process(process) => drop(processes.insert(process.pid)),
            Entry::Fork(fork) => {
                processes.extend(fork.child);
                drains.extend(Some(fork.drain_us).filter(|drain| *drain > 0));
            }
            _ => {}
        }
    }
    drains.sort_unstable();
    // The nearest rank: the value that so many of a hundred do not exceed.
    let rank = |percent: usize| drains.len().saturating_mul(percent).div_ceil(100);
    let at = |percent| drains.get(rank(percent).saturating_sub(1)).copied().unwrap_or_default();
    Summary {
        processes: processes.len() as u64,
        drain_median_us: at(50),
        drain_p99_us: at(99),
        ..summary
    }
}

#[cfg(test)]
mod tests {
    use super::super::model::{End, Process};
    use super::*;

    #[test]
    fn figures_are_counted_where_the_last_line_is_missing() {
        let fork = |at_us, drain_us| {
            Entry::Fork(Fork { at_us, drain_us, child: Some(7), ..Fork::default() })
        };
        let mut entries = vec![Entry::Process(Process { pid: 1, ..Process::default() })];
        entries.extend((0..=100).map(|us| fork(us, us)));
        entries.push(Entry::End(End { at_us: 900, pid: 7, exec: Some("ls".to_owned()) }));
        let overview = Overview::of(&entries);
        let summary = overview.summary;
        assert!(!overview.is_whole);
        assert_eq!((summary.processes, summary.forks, summary.drains), (2, 101, 100));
        let drains = (summary.drain_median_us, summary.drain_p99_us, summary.drain_max_us);
        assert_eq!(drains, (50, 99, 100));
        assert_eq!((summary.execs, summary.at_us), (1, 900));
    }
}
