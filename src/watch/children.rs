//! The table of processes: which of them are forked children that have not become another program, and which of
//! those stand still.
//!
//! Invariant: its size is that of what lives, whatever the events say, and no child is said to hang that is not
//! [there](Candidate::is_there).

use std::collections::{BTreeMap, HashMap};
use std::thread;
use std::time::{Duration, Instant};

use super::candidate::Candidate;
use super::format::{Event, Kind};
use super::hung::{Standstill, Wait};
use super::journal::{Journal, say};
use super::{procs, unpadded};
use crate::report::model::{End, Entry, Fork, GaveUp, Process as Start};

/// A child that lives shorter costs nothing but its events.
const FIRST_LOOK: Duration = Duration::from_millis(200);
/// From one look at a child to the next.
const NEXT_LOOK: Duration = Duration::from_millis(250);
/// How often it is asked whether other processes still live, and forks still go on.
const NEXT_SWEEP: Duration = Duration::from_secs(2);
/// A fork of which nothing more was heard for so long has no child.
const FORK_ENDS_NS: u64 = 10_000_000_000;
/// More forks than that cannot go on at a time.
const MOST_FORKS: usize = 1000;
/// More threads are not listed for a fork.
const MOST_GAVE_UP: usize = 64;
/// The kernel gives no greater process ids (`PID_MAX_LIMIT`).
const MOST_PID: u32 = 1 << 22;

/// What lives.
pub(super) struct Table {
    /// When the run began, by `CLOCK_MONOTONIC`, in ns.
    begun_ns: u64,
    processes: HashMap<u32, Process>,
    /// Forks whose children are not ready, by their serial numbers.
    forks: BTreeMap<u64, Forking>,
    next_sweep: Instant,
    /// It was said that a child cannot be looked at.
    has_complained: bool,
}

/// A fork.
#[derive(Clone, Default)]
struct Forking {
    at_ns: u64,
    fork: Fork,
    forker: String,
    others: u32,
}

/// A process that the library is in.
struct Process {
    argv0: String,
    /// Where it came from, if that was a fork after which it did not become another program.
    child: Option<Child>,
    /// The program that it is about to become, and when it said so.
    exec: Option<(u64, String)>,
    /// When it said that it ends.
    exit_us: Option<u64>,
    next_look: Instant,
}

/// A forked child.
struct Child {
    ppid: u32,
    serial: u64,
    scene_address: u64,
    ready_ns: u64,
    forking: Forking,
    /// Since when it stands still, and how.
    still: Option<(Instant, Standstill)>,
    /// The waits that were reported last.
    reported: Vec<Wait>,
}

impl Table {
    /// Of a run that begins now.
    pub(super) fn new(now: Instant) -> Self {
        let begun_ns = procs::now(libc::CLOCK_MONOTONIC);
        Self {
            begun_ns,
            processes: HashMap::new(),
            forks: BTreeMap::new(),
            next_sweep: now,
            has_complained: false,
        }
    }

    /// How long after the beginning of the run this time is, in µs.
    fn at_us(&self, time_ns: u64) -> u64 {
        time_ns.saturating_sub(self.begun_ns) / 1000
    }

    /// The same for this moment.
    pub(super) fn now_us(&self) -> u64 {
        self.at_us(procs::now(libc::CLOCK_MONOTONIC))
    }

    /// Takes an event into account.
    pub(super) fn take(&mut self, event: &Event, now: Instant, journal: &mut Journal) {
        let at_us = self.at_us(event.time_ns);
        if event.pid == 0 || event.pid > MOST_PID {
            return;
        }
        match Kind::from_code(event.kind) {
            Some(Kind::Start) => self.start(event, at_us, now, journal),
            Some(Kind::Fork) => self.fork(event, at_us, journal),
            Some(Kind::Drain | Kind::GiveUp | Kind::Repair) => {
                if let Some(forking) = self.forks.get_mut(&event.serial) {
                    forking.add(event);
                }
            }
            Some(Kind::Ready) => self.ready(event, at_us, now, journal),
            Some(Kind::Failed) => {
                let failed = self.forks.remove(&event.serial).unwrap_or_default();
                journal.write(Entry::Fork(Fork { error: Some(event.code), ..failed.fork }));
            }
            Some(Kind::Exec) => {
                if let Some(process) = self.processes.get_mut(&event.pid) {
                    process.exec = Some((at_us, unpadded(&event.text)));
                }
            }
            Some(Kind::ExecFailed) => {
                if let Some(process) = self.processes.get_mut(&event.pid) {
                    process.exec = None;
                }
            }
            Some(Kind::Exit) => {
                if let Some(process) = self.processes.get_mut(&event.pid) {
                    process.exit_us = Some(at_us);
                }
            }
            None => {}
        }
    }

    fn start(&mut self, event: &Event, at_us: u64, now: Instant, journal: &mut Journal) {
        match self.processes.remove(&event.pid) {
            Some(before) => before.end(event.pid, at_us, journal),
            None => journal.figures.add_process(),
        }
        let argv0 = unpadded(&event.text);
        let ppid = event.numbers[0] as u32;
        journal.write(Entry::Process(Start { at_us, pid: event.pid, ppid, argv0: argv0.clone() }));
        self.processes.insert(event.pid, Process::new(argv0, now + NEXT_SWEEP));
    }

    fn fork(&mut self, event: &Event, at_us: u64, journal: &mut Journal) {
        if self.forks.len() >= MOST_FORKS
            && let Some((_, lost)) = self.forks.pop_first()
        {
            journal.write(Entry::Fork(lost.fork));
        }
        let test = Some(unpadded(&event.text)).filter(|test| !test.is_empty());
        let fork = Fork { at_us, pid: event.pid, tid: event.tid, test, ..Fork::default() };
        let forker = unpadded(&event.name);
        let forking = Forking { at_ns: event.time_ns, fork, forker, others: event.code };
        self.forks.insert(event.serial, forking);
    }

    fn ready(&mut self, event: &Event, at_us: u64, now: Instant, journal: &mut Journal) {
        let mut forking = self.forks.remove(&event.serial).unwrap_or_default();
        if forking.at_ns == 0 {
            // The fork's own event was lost.
            forking.at_ns = event.time_ns.saturating_sub(FORK_ENDS_NS);
            forking.fork.at_us = at_us;
            forking.fork.pid = (event.serial >> 32) as u32;
        }
        forking.fork.child = Some(event.pid);
        journal.write(Entry::Fork(forking.fork.clone()));
        match self.processes.remove(&event.pid) {
            // Another process had the number before.
            Some(before) => before.end(event.pid, at_us, journal),
            None => journal.figures.add_process(),
        }
        let ppid = event.numbers[0] as u32;
        let parent = self.processes.get(&forking.fork.pid);
        let argv0 = parent.map(|parent| parent.argv0.clone()).unwrap_or_default();
        let child = Child {
            ppid,
            serial: event.serial,
            scene_address: event.numbers[1],
            ready_ns: event.time_ns,
            forking,
            still: None,
            reported: Vec::new(),
        };
        let process = Process::new(argv0, now + FIRST_LOOK);
        self.processes.insert(event.pid, Process { child: Some(child), ..process });
    }

    /// Looks at those whose turn it is. Returns the children that have stood still for `hang_after`, each once
    /// for a wait.
    pub(super) fn look(
        &mut self,
        now: Instant,
        hang_after: Duration,
        journal: &mut Journal,
    ) -> Vec<Candidate> {
        let at_us = self.now_us();
        let mut hung = Vec::new();
        self.processes.retain(|pid, process| {
            if now < process.next_look {
                return true;
            }
            let exists = procs::exists(pid.cast_signed());
            if exists {
                hung.extend(process.look(*pid, now, hang_after));
                if !self.has_complained && process.is_hidden(*pid) {
                    self.has_complained = true;
                    say(&format!(
                        "warning: child {pid} cannot be looked at, because it has other privileges \
                         than this process or may not be traced; whether such children hang is not \
                         known"
                    ));
                }
            } else {
                process.end(*pid, at_us, journal);
            }
            exists
        });
        if now >= self.next_sweep {
            self.next_sweep = now + NEXT_SWEEP;
            let before = procs::now(libc::CLOCK_MONOTONIC).saturating_sub(FORK_ENDS_NS);
            self.forget_forks(before, journal);
        }
        hung
    }

    /// Looks at all children at once. Returns those that stand still at this moment and were not reported.
    pub(super) fn standing(&mut self) -> Vec<Candidate> {
        self.look_at_all(Duration::MAX);
        // The second look shows that nothing has moved since the first.
        thread::sleep(Duration::from_millis(20));
        self.look_at_all(Duration::from_millis(1))
    }

    fn look_at_all(&mut self, hang_after: Duration) -> Vec<Candidate> {
        let look =
            |(pid, process): (&u32, &mut Process)| process.look(*pid, Instant::now(), hang_after);
        self.processes.iter_mut().filter_map(look).collect()
    }

    /// Whether a child stands still of which it is not decided yet whether it hangs. Others may be left too.
    pub(super) fn is_undecided(&self) -> bool {
        self.processes
            .values()
            .filter_map(|process| process.child.as_ref())
            .any(Child::is_undecided)
    }

    /// Looks at all children anew, some of which may stand still.
    pub(super) fn begin_anew(&mut self) {
        let children = self.processes.values_mut().filter_map(|process| process.child.as_mut());
        children.for_each(|child| child.still = None);
        self.look_at_all(Duration::MAX);
    }

    /// Tells of what has ended meanwhile.
    pub(super) fn finish(&mut self, journal: &mut Journal) {
        let at_us = self.now_us();
        self.forget_forks(u64::MAX, journal);
        for (pid, process) in &self.processes {
            let has_ended = process.exit_us.is_some() || !procs::exists(pid.cast_signed());
            if has_ended || process.exec.is_some() {
                process.end(*pid, at_us, journal);
            }
        }
    }

    /// Tells of the forks that began before `before_ns`, of which no more will be heard.
    fn forget_forks(&mut self, before_ns: u64, journal: &mut Journal) {
        self.forks.retain(|_, forking| {
            let goes_on = forking.at_ns >= before_ns;
            if !goes_on {
                journal.write(Entry::Fork(forking.fork.clone()));
            }
            goes_on
        });
    }
}

impl Forking {
    /// Takes into account what `event` says of it.
    fn add(&mut self, event: &Event) {
        match Kind::from_code(event.kind) {
            Some(Kind::Drain) => self.fork.drain_us = event.numbers[0].div_ceil(1000),
            Some(Kind::Repair) => self.fork.repaired = event.code,
            _ if self.fork.gave_up.len() < MOST_GAVE_UP => self.fork.gave_up.push(GaveUp {
                tid: event.tid,
                name: unpadded(&event.name),
                inside: unpadded(&event.text),
                inside_us: event.numbers[1] / 1000,
            }),
            _ => {}
        }
    }
}

impl Process {
    /// One that was not forked, or of which that is added.
    fn new(argv0: String, next_look: Instant) -> Self {
        Self { argv0, child: None, exec: None, exit_us: None, next_look }
    }

    /// Tells that it is gone, since `at_us` unless it has said so itself.
    fn end(&self, pid: u32, at_us: u64, journal: &mut Journal) {
        let (at_us, exec) = match (&self.exec, self.exit_us) {
            (Some((at_us, path)), _) => (*at_us, Some(path.clone())),
            (None, exit_us) => (exit_us.unwrap_or(at_us), None),
        };
        journal.write(Entry::End(End { at_us, pid, exec }));
    }

    /// Whether it would have to be looked at, but cannot be.
    fn is_hidden(&self, pid: u32) -> bool {
        let pid = pid.cast_signed();
        let is_child = self.exec.is_none() && self.child.is_some();
        is_child && Standstill::is_hidden(pid) && !procs::has_ended(pid)
    }

    /// Looks whether it hangs, if it is a forked child.
    fn look(&mut self, pid: u32, now: Instant, hang_after: Duration) -> Option<Candidate> {
        self.next_look = now + NEXT_SWEEP;
        let child = self.child.as_mut().filter(|_| self.exec.is_none())?;
        let since = child.stands_still(pid, now);
        let ends = since.and_then(|since| since.checked_add(hang_after));
        self.next_look = match ends {
            Some(ends) if child.is_undecided() && ends > now => ends.min(now + NEXT_LOOK),
            _ => now + NEXT_LOOK,
        };
        if ends.is_none_or(|ends| now < ends) || !child.is_undecided() {
            return None;
        }
        let candidate = child.candidate(pid, &self.argv0, now);
        child.reported = candidate.waits.clone();
        candidate.is_there().then_some(candidate)
    }
}

impl Child {
    /// Since when it has stood still, if it does.
    fn stands_still(&mut self, pid: u32, now: Instant) -> Option<Instant> {
        let Some(found) = Standstill::of(pid.cast_signed()) else {
            self.still = None;
            self.reported.clear();
            return None;
        };
        match &self.still {
            Some((since, before)) if *before == found => Some(*since),
            _ => {
                self.still = Some((now, found));
                Some(now)
            }
        }
    }

    /// Whether it stands still and was not reported for that. To be looked into makes its threads stir, but
    /// they go back to the same waits.
    fn is_undecided(&self) -> bool {
        self.still.as_ref().is_some_and(|(_, still)| still.waits() != self.reported)
    }

    fn candidate(&self, pid: u32, argv0: &str, now: Instant) -> Candidate {
        let (waited, waits) = match &self.still {
            Some((since, still)) => (now.saturating_duration_since(*since), still.waits()),
            None => Default::default(),
        };
        let Forking { at_ns, fork, forker, others } = self.forking.clone();
        Candidate {
            pid,
            ppid: self.ppid,
            serial: self.serial,
            scene_address: self.scene_address,
            argv0: argv0.to_owned(),
            test: fork.test.clone(),
            waited,
            waits,
            forker,
            others,
            fork,
            made_ns: at_ns..=self.ready_ns,
        }
    }
}

#[cfg(test)]
mod tests;
