//! A child that hangs: all that is known of it without a look into its memory.

use std::ops::RangeInclusive;
use std::time::Duration;

use super::hung::Wait;
use super::procs;
use crate::report::model::Fork;

/// A forked child that hangs.
#[derive(Debug)]
pub(crate) struct Candidate {
    pub(crate) pid: u32,
    /// The process that forked it.
    pub(crate) ppid: u32,
    /// Which fork made it; the scene in its memory has the same number.
    pub(crate) serial: u64,
    /// Where the scene is in its memory; 0 if there is none.
    pub(crate) scene_address: u64,
    pub(crate) argv0: String,
    /// The test that ran at the fork.
    pub(crate) test: Option<String>,
    /// For how long it has not moved.
    pub(crate) waited: Duration,
    /// What each of its threads waits for.
    pub(crate) waits: Vec<Wait>,
    /// The name of the thread that forked it.
    pub(crate) forker: String,
    /// How many other threads the library knew of then.
    pub(crate) others: u32,
    /// What was recorded of the fork.
    pub(crate) fork: Fork,
    /// It was made between these times of `CLOCK_MONOTONIC`, in ns.
    pub(super) made_ns: RangeInclusive<u64>,
}

impl Candidate {
    /// Whether there is such a process: a descendant of this one, made by that fork. Events may have said
    /// anything, and numbers of processes are used again.
    pub(super) fn is_there(&self) -> bool {
        let own = std::process::id().cast_signed();
        let (from, until) = (*self.made_ns.start(), *self.made_ns.end());
        procs::is_descendant_made(self.pid.cast_signed(), own, from, until)
    }
}
