//! The forker's wait: until every other thread is out, within bounds.
//!
//! The wait is bounded by the [budget](Family::budget_ns) of each family. A thread that used up
//! its budget is *given up*: the fork goes on, and the child answers calls of that family instead
//! of making them. A thread that sleeps where it holds no lock is *waived*: nobody waits for it.

use core::ptr;
use core::sync::atomic::Ordering;

use crate::family::Family;
use crate::gate::{GATE, LINGERING};
#[cfg(target_os = "linux")]
use crate::hooks::processes;
#[cfg(target_env = "gnu")]
use crate::libc_data;
#[cfg(target_os = "linux")]
use crate::locks;
use crate::slot::{self, FORKING, GIVEN_UP, PASSED, Slot, WAIVED};
use crate::sync::{AtomicU32, fence};
use crate::sys::Activity;
use crate::{child, options, stats, sys};

/// Looks at the ticket before the forker sleeps: about 10 µs, what a short critical section takes.
const SPINS: u32 = 200;
/// How soon the forker looks again at threads that cannot tell it that they wait without a lock or
/// have died, in nanoseconds. Doubles up to the second figure.
const FIRST_LOOK_NS: u64 = 1_000_000;
const LAST_LOOK_NS: u64 = 50_000_000;
/// The budget of every family in a process that is not the gate's own, in nanoseconds.
const FOREIGN_BUDGET_NS: u64 = 100_000_000;

/// 1 if some thread has a mark that ends when the gate opens: [`WAIVED`] or [`PASSED`].
#[cfg_attr(target_os = "linux", unsafe(link_section = ".data.forkfix"))]
static MARKS: AtomicU32 = AtomicU32::new(0);

/// Which threads a closed gate must be free of.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Scope {
    /// Every thread but the caller.
    All,
    /// Threads inside calls of one family.
    Only(Family),
}

/// Notes that the thread of `slot`, which is the caller, goes through the closed gate.
pub(crate) fn let_pass(slot: &Slot) {
    slot.mark.fetch_or(PASSED, Ordering::SeqCst);
    MARKS.store(1, Ordering::SeqCst);
}

/// What one look at all the words found.
struct Survey {
    /// How many threads must still leave.
    inside: u32,
    /// When the first of them is given up, in nanoseconds since the drain began.
    deadline_ns: u64,
}

/// Looks at which nothing moved.
struct Quiet {
    /// The ticket at the last look.
    ticket: u32,
    /// How many in a row.
    looks: u32,
}

impl Quiet {
    /// So many of them show that nobody moves. One does not: each thread is looked at in another moment.
    const ENOUGH: u32 = 2;

    /// Looks whether a thread inside runs, or one has left since the last look.
    fn look(&mut self, drain: &Drain<'_>, ticket: u32) {
        let moves = self.ticket != ticket
            || drain.readers().any(|(slot, _)| activity(slot) == Activity::Running);
        self.ticket = ticket;
        self.looks = if moves { 0 } else { self.looks + 1 };
    }
}

/// Waits until every other thread in `scope` is out, waived or given up.
pub(crate) fn wait(me: &Slot, scope: Scope) {
    if readers(me, scope).next().is_none() {
        return;
    }
    // A child of `vfork` must not wait for long, and one of a raw `clone` would wait in vain.
    let most_ns = if child::is_own_process() { u64::MAX } else { FOREIGN_BUDGET_NS };
    let drain = Drain { me, scope, start_ns: sys::monotonic_ns(), most_ns };
    let mut ticket = GATE.ticket();
    let mut quiet = Quiet { ticket, looks: 0 };
    let mut found = drain.survey(&quiet);
    let mut look_ns = FIRST_LOOK_NS;
    let mut spun = false;
    loop {
        if found.inside == 0 && !reconsider_waivers() {
            break;
        }
        if !spun {
            spun = true;
            let mut spins = SPINS;
            while spins > 0 && GATE.ticket() == ticket {
                core::hint::spin_loop();
                spins -= 1;
            }
        } else {
            drain.excuse();
            let elapsed_ns = drain.elapsed_ns();
            // Most waits are over before, and a look costs as much as they do.
            if elapsed_ns >= FIRST_LOOK_NS {
                quiet.look(&drain, ticket);
            }
            let nap = look_ns.min(found.deadline_ns.saturating_sub(elapsed_ns));
            if nap > 0 && drain.survey(&quiet).inside > 0 {
                sys::futex_wait(GATE.wakeups_word(), ticket, nap);
            }
            look_ns = (look_ns * 2).min(LAST_LOOK_NS);
        }
        ticket = GATE.ticket();
        found = drain.survey(&quiet);
    }
    let waited_ns = drain.elapsed_ns();
    stats::waited(waited_ns / 1000);
    #[cfg(target_os = "linux")]
    crate::record::waited(waited_ns);
}

/// Threads that the forker has to wait for, with the family they are in.
pub(crate) fn readers(me: &Slot, scope: Scope) -> impl Iterator<Item = (&'static Slot, Family)> {
    slot::all().filter_map(move |slot| {
        let family = family_of(slot)?;
        let excused = slot.mark.load(Ordering::Relaxed) & (GIVEN_UP | WAIVED | FORKING) != 0;
        let wanted = scope == Scope::All || scope == Scope::Only(family);
        (wanted && !excused && !ptr::eq(slot, me)).then_some((slot, family))
    })
}

/// What the thread of `slot` is inside of.
fn family_of(slot: &Slot) -> Option<Family> {
    match slot.word.load(Ordering::Acquire) {
        #[cfg(target_os = "linux")]
        0 if slot.tid.load(Ordering::Relaxed) != 0 && locks::forker::counts(slot) => {
            Some(Family::Held)
        }
        code => Family::from_code(code),
    }
}

/// One wait of the forker.
struct Drain<'a> {
    me: &'a Slot,
    scope: Scope,
    start_ns: u64,
    /// No thread is waited for longer.
    most_ns: u64,
}

impl Drain<'_> {
    fn elapsed_ns(&self) -> u64 {
        sys::monotonic_ns() - self.start_ns
    }

    fn readers(&self) -> impl Iterator<Item = (&'static Slot, Family)> {
        readers(self.me, self.scope)
    }

    /// Finds threads that need not be waited for: those that have died, and those in a harmless wait.
    fn excuse(&self) {
        for (slot, family) in self.readers() {
            if is_in_harmless_wait(slot, family) {
                waive(slot, family);
            } else {
                slot::reap(slot);
            }
        }
    }

    /// Counts who is inside, waives those that are in a harmless wait when their budget is used up, and gives
    /// up the others.
    fn survey(&self, quiet: &Quiet) -> Survey {
        let elapsed_ns = self.elapsed_ns();
        let mut found = Survey { inside: 0, deadline_ns: u64::MAX };
        for (slot, family) in self.readers() {
            let mut budget = self.budget_ns(slot, family);
            if budget > 0 && elapsed_ns >= budget {
                budget = self.extended_ns(slot, family, quiet).min(self.most_ns);
            }
            if elapsed_ns < budget {
                found.inside += 1;
                found.deadline_ns = found.deadline_ns.min(budget);
            } else if is_in_harmless_wait(slot, family) {
                waive(slot, family);
            } else {
                give_up(slot, family, elapsed_ns);
            }
        }
        found
    }

    fn budget_ns(&self, slot: &Slot, family: Family) -> u64 {
        #[cfg(target_os = "linux")]
        if family == Family::Held
            && (locks::are_of_no_use() || locks::forker::cannot_drain(self.me, slot))
        {
            return 0;
        }
        family.budget_ns().min(self.most_ns)
    }

    /// How long, since the drain began, the forker waits for a thread whose budget is over: 0 unless it goes on.
    ///
    /// One that goes on may use so much time of a processor, and may wait for one for longer: a busy machine
    /// must not be taken for a call that waits for somebody outside of this process. So may one that waits for
    /// a lock, as long as another thread moves: it goes on, too, when it gets the lock.
    fn extended_ns(&self, slot: &Slot, family: Family, quiet: &Quiet) -> u64 {
        let most_ns = match activity(slot) {
            Activity::Unknown => options::bounded_ns(),
            Activity::Running => options::starved_ns(),
            Activity::LockWait if quiet.looks < Quiet::ENOUGH => options::starved_ns(),
            Activity::LockWait if family.passes() && waits_for_short_lock(slot) => {
                options::starved_ns()
            }
            Activity::LockWait | Activity::Blocked => 0,
        };
        #[cfg(target_os = "linux")]
        {
            let held = family == Family::Held;
            let allowed_ns = if held { options::locks_ns() } else { options::bounded_ns() };
            // A wait for a lock of the program and one for a call are not the same wait.
            let wait = self.start_ns.wrapping_add(u64::from(held));
            let starved = most_ns > 0 && locks::forker::is_short_of_time(slot, wait, allowed_ns);
            if starved { most_ns } else { 0 }
        }
        #[cfg(target_os = "macos")]
        most_ns.min(options::bounded_ns())
    }
}

fn activity(slot: &Slot) -> Activity {
    sys::activity(slot.tid.load(Ordering::Relaxed))
}

/// Whether the thread of `slot` waits for a lock of libc's that will be free soon, or no more. It must not
/// be given up: who waits for a read-write lock is counted in it (`nptl/pthread_rwlock_common.c`), and a
/// child would wait for the one that it lacks; and it may hold other locks of libc's.
fn waits_for_short_lock(slot: &Slot) -> bool {
    #[cfg(target_env = "gnu")]
    return sys::futex_of(slot.tid.load(Ordering::Relaxed)).is_none_or(libc_data::is_short_lock);
    // Elsewhere locks cannot be told from each other.
    #[cfg(not(target_env = "gnu"))]
    {
        let _ = slot;
        false
    }
}

/// The thread stays inside; this fork and later ones no longer wait for it until it has left.
fn give_up(slot: &Slot, family: Family, elapsed_ns: u64) {
    #[cfg(target_os = "linux")]
    if family == Family::Held {
        // It may well be told of later, if it is still so when the fork goes on.
        if locks::forker::give_up(slot) && !locks::are_of_no_use() {
            stats::GAVE_UP.add();
        }
        return;
    }
    GATE.set(LINGERING, true);
    slot.mark.fetch_or(GIVEN_UP, Ordering::Relaxed);
    fence(Ordering::SeqCst);
    if slot.word.load(Ordering::Relaxed) == 0 {
        // It left this very moment, perhaps before it could see the mark.
        slot.mark.fetch_and(!GIVEN_UP, Ordering::Relaxed);
        return;
    }
    stats::GAVE_UP.add();
    log::warn!(
        "thread {} did not leave its call within {} ms (family {}); {}",
        slot.tid.load(Ordering::Relaxed),
        elapsed_ns / 1_000_000,
        family.name(),
        family.consequence()
    );
}

fn waive(slot: &Slot, family: Family) {
    slot.mark.fetch_or(WAIVED, Ordering::Relaxed);
    MARKS.store(1, Ordering::Relaxed);
    stats::WAIVED.add();
    #[cfg(target_os = "linux")]
    if family == Family::System {
        processes::waive(true);
    }
    #[cfg(target_os = "macos")]
    let _ = family;
}

fn is_in_harmless_wait(slot: &Slot, family: Family) -> bool {
    family.harmless_wait().is_some_and(|wait| sys::waits(slot.tid.load(Ordering::Relaxed), wait))
}

/// Looks again at the threads that were waived, right before the fork goes on. True if one has
/// moved on and must be waited for after all.
pub(crate) fn reconsider_waivers() -> bool {
    if MARKS.load(Ordering::Relaxed) == 0 {
        return false;
    }
    let mut moved = false;
    for slot in slot::all() {
        if slot.mark.load(Ordering::Relaxed) & WAIVED == 0 {
            continue;
        }
        let family = Family::from_code(slot.word.load(Ordering::Acquire));
        if !family.is_some_and(|family| is_in_harmless_wait(slot, family)) {
            slot.mark.fetch_and(!WAIVED, Ordering::Relaxed);
            moved |= slot.word.load(Ordering::Acquire) != 0;
        }
    }
    moved
}

/// Nobody passes the closed gate any more.
#[cfg(target_env = "gnu")]
pub(crate) fn forget_passes() {
    for slot in slot::all() {
        slot.mark.fetch_and(!PASSED, Ordering::SeqCst);
    }
}

/// Most marks hold for one fork; a thread that was given up stays so until it leaves.
pub(crate) fn forget_marks() {
    if MARKS.swap(0, Ordering::Relaxed) == 0 && GATE.flags() & LINGERING == 0 {
        return;
    }
    #[cfg(target_os = "linux")]
    processes::waive(false);
    let mut lingering = false;
    for slot in slot::all() {
        let mark = slot.mark.fetch_and(!(WAIVED | PASSED), Ordering::Relaxed);
        lingering |= mark & GIVEN_UP != 0;
    }
    GATE.set(LINGERING, lingering);
}
