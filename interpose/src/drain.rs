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

/// Waits until every other thread in `scope` is out, waived or given up.
pub(crate) fn wait(me: &Slot, scope: Scope) {
    if readers(me, scope).next().is_none() {
        return;
    }
    // A child of `vfork` must not wait for long, and one of a raw `clone` would wait in vain.
    let most = if child::is_own_process() { u64::MAX } else { FOREIGN_BUDGET_NS };
    let start = sys::monotonic_ns();
    let mut ticket = GATE.ticket();
    let mut found = survey(me, scope, start, most);
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
            excuse(me, scope);
            let now = sys::monotonic_ns() - start;
            let nap = look_ns.min(found.deadline_ns.saturating_sub(now));
            if nap > 0 && survey(me, scope, start, most).inside > 0 {
                sys::futex_wait(GATE.wakeups_word(), ticket, nap);
            }
            look_ns = (look_ns * 2).min(LAST_LOOK_NS);
        }
        ticket = GATE.ticket();
        found = survey(me, scope, start, most);
    }
    let waited_ns = sys::monotonic_ns() - start;
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

/// Counts who is inside, and gives up those whose budget, at most `most_ns`, is used up.
fn survey(me: &Slot, scope: Scope, start_ns: u64, most_ns: u64) -> Survey {
    let elapsed_ns = sys::monotonic_ns() - start_ns;
    let mut found = Survey { inside: 0, deadline_ns: u64::MAX };
    for (slot, family) in readers(me, scope) {
        let mut budget = family.budget_ns().min(most_ns);
        #[cfg(target_os = "linux")]
        if family == Family::Held
            && (locks::are_of_no_use() || locks::forker::cannot_drain(me, slot))
        {
            budget = 0;
        }
        if budget > 0 && elapsed_ns >= budget && makes_progress(me, scope, slot, family) {
            budget = options::bounded_ns().min(most_ns);
            #[cfg(target_os = "linux")]
            if family == Family::Held && !locks::forker::is_short_of_time(slot, start_ns) {
                budget = 0;
            }
        }
        if elapsed_ns >= budget {
            give_up(slot, family, elapsed_ns);
        } else {
            found.inside += 1;
            found.deadline_ns = found.deadline_ns.min(budget);
        }
    }
    found
}

/// Whether the thread of `slot` runs, or waits for a lock while another thread inside runs: a busy
/// machine must not be taken for a call that waits for somebody outside of this process.
fn makes_progress(me: &Slot, scope: Scope, slot: &Slot, family: Family) -> bool {
    let activity = |slot: &Slot| sys::activity(slot.tid.load(Ordering::Relaxed));
    match activity(slot) {
        Activity::Running => true,
        // Where lock waits cannot be told from others, a stream that waits for input looks like one.
        Activity::LockWait if family.passes() && family != Family::Held => false,
        Activity::LockWait => {
            readers(me, scope).any(|(other, _)| activity(other) == Activity::Running)
        }
        Activity::Blocked => false,
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

/// Finds threads that need not be waited for: those that have died, and those in a harmless wait.
fn excuse(me: &Slot, scope: Scope) {
    for (slot, family) in readers(me, scope) {
        if is_in_harmless_wait(slot, family) {
            slot.mark.fetch_or(WAIVED, Ordering::Relaxed);
            MARKS.store(1, Ordering::Relaxed);
            stats::WAIVED.add();
            #[cfg(target_os = "linux")]
            if family == Family::System {
                processes::waive(true);
            }
        } else {
            slot::reap(slot);
        }
    }
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
