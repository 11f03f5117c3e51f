//! The processes of a run, put together from its entries.

use std::collections::HashMap;

use crate::report::model::{Entry, Fork, Hang};

/// One process, from its fork to its end.
pub(super) struct Life<'a> {
    pub(super) pid: u32,
    /// Its parent's index, which is lower than its own; `None` for those that nobody of the run forked.
    pub(super) parent: Option<usize>,
    /// Indices of its children.
    pub(super) children: Vec<usize>,
    /// The program that it runs, the last one if it ran several.
    pub(super) program: &'a str,
    /// In µs since the run began.
    pub(super) begin: u64,
    /// `None` if it was there when the recording ended.
    pub(super) end: Option<u64>,
    pub(super) hang: Option<&'a Hang>,
}

/// A fork that made a child.
pub(super) struct Birth<'a> {
    pub(super) parent: usize,
    pub(super) child: usize,
    pub(super) fork: &'a Fork,
}

/// All processes and forks. Ids of processes come round again, so each is looked up as of its time.
#[derive(Default)]
pub(super) struct History<'a> {
    pub(super) lives: Vec<Life<'a>>,
    pub(super) births: Vec<Birth<'a>>,
    /// The last process that had this id.
    latest: HashMap<u32, usize>,
}

impl<'a> History<'a> {
    pub(super) fn of(entries: &'a [Entry]) -> Self {
        let mut history = Self::default();
        for entry in entries {
            match entry {
                Entry::Run(_) | Entry::Summary(_) => {}
                Entry::Process(process) => {
                    let parent = history.latest.get(&process.ppid).copied();
                    let index = history.at(process.pid, process.at_us, parent);
                    history.change(index, |life| life.program = &process.argv0);
                }
                Entry::Fork(fork) => history.fork(fork),
                Entry::End(end) => {
                    let index = history.at(end.pid, end.at_us, None);
                    history.change(index, |life| match &end.exec {
                        Some(program) => life.program = program,
                        None => life.end = Some(end.at_us.max(life.begin)),
                    });
                }
                Entry::Hang(hang) => {
                    let parent = history.latest.get(&hang.ppid).copied();
                    let index = history.at(hang.pid, hang.at_us, parent);
                    history.change(index, |life| life.hang = Some(hang));
                }
            }
        }
        history
    }

    fn fork(&mut self, fork: &'a Fork) {
        let parent = self.at(fork.pid, fork.at_us, None);
        if let Some(pid) = fork.child {
            let child = self.begin(pid, fork.at_us, Some(parent));
            self.births.push(Birth { parent, child, fork });
        }
    }

    /// The process that has the id `pid` at `time`; a new child of `parent` if none is known.
    fn at(&mut self, pid: u32, time: u64, parent: Option<usize>) -> usize {
        let known = self.latest.get(&pid).copied();
        let alive = known.filter(|index| {
            let end = self.lives.get(*index).and_then(|life| life.end);
            end.is_none_or(|end| time <= end)
        });
        alive.unwrap_or_else(|| self.begin(pid, time, parent))
    }

    fn begin(&mut self, pid: u32, begin: u64, parent: Option<usize>) -> usize {
        let index = self.lives.len();
        let program =
            parent.and_then(|parent| self.lives.get(parent)).map_or("", |life| life.program);
        if let Some(parent) = parent {
            self.change(parent, |life| life.children.push(index));
        }
        let life =
            Life { pid, parent, children: Vec::new(), program, begin, end: None, hang: None };
        self.lives.push(life);
        self.latest.insert(pid, index);
        index
    }

    fn change(&mut self, index: usize, change: impl FnOnce(&mut Life<'a>)) {
        if let Some(life) = self.lives.get_mut(index) {
            change(life);
        }
    }

    /// The processes that nobody of the run forked.
    pub(super) fn roots(&self) -> impl Iterator<Item = usize> {
        self.lives
            .iter()
            .enumerate()
            .filter(|(_, life)| life.parent.is_none())
            .map(|(index, _)| index)
    }
}

impl Life<'_> {
    /// The program's file name.
    pub(super) fn name(&self) -> &str {
        match self.program.rsplit('/').next() {
            Some(name) if !name.is_empty() => name,
            _ => "?",
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::report::model::{End, Process};

    use super::*;

    #[test]
    fn an_id_that_comes_round_again_is_another_process() {
        let fork = |at_us| Entry::Fork(Fork { at_us, pid: 1, child: Some(2), ..Fork::default() });
        let end = |at_us| Entry::End(End { at_us, pid: 2, exec: None });
        let main = Process { pid: 1, argv0: "bin/main".to_owned(), ..Process::default() };
        let entries = [Entry::Process(main), fork(10), end(20), fork(30), end(40)];
        let history = History::of(&entries);
        let lives: Vec<_> =
            history.lives.iter().map(|life| (life.pid, life.begin, life.end)).collect();
        assert_eq!(lives, [(1, 0, None), (2, 10, Some(20)), (2, 30, Some(40))]);
        assert_eq!(history.lives[0].children, [1, 2]);
        assert_eq!(history.lives[2].name(), "main");
        assert_eq!(history.roots().collect::<Vec<_>>(), [0]);
    }

    #[test]
    fn a_fork_that_is_told_after_its_parent_s_end_has_that_parent() {
        let end = Entry::End(End { at_us: 50, pid: 1, exec: None });
        let fork = Entry::Fork(Fork { at_us: 40, pid: 1, child: Some(2), ..Fork::default() });
        let entries = [Entry::Process(Process { pid: 1, ..Process::default() }), end, fork];
        let history = History::of(&entries);
        assert_eq!(history.lives.len(), 2);
        assert_eq!(history.lives[1].parent, Some(0));
    }
}
