//! The forker's side of the gate: one thread at a time closes it, waits until nobody else is
//! inside, and opens it again.
//!
//! The wait is bounded by the [budget](Family::budget_ns) of each family. A thread that used up
//! its budget is *given up*: the fork goes on, and the child answers calls of that family instead
//! of making them. While the gate is closed all signals but libc's own are blocked, so that no
//! handler runs with it closed.
//!
//! Invariant: between [`close`] and [`open`] only the thread in [`OWNER`] runs the code below and
//! writes the statics below.

use core::ptr;
use core::sync::atomic::{AtomicU64, Ordering};

use crate::family::Family;
use crate::gate::{CLOSED, FORKER, GATE, LINGERING};
#[cfg(target_os = "linux")]
use crate::hooks::processes;
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
/// How long a thread sleeps for its turn to fork before it looks whether the other is alive.
const TURN_NS: u64 = 50_000_000;

/// The budget of every family in a process that is not the gate's own, in nanoseconds.
const FOREIGN_BUDGET_NS: u64 = 10_000_000;

/// Set in [`OWNER`] when another thread sleeps until it is free.
const CONTENDED: u32 = 1 << 31;

/// The thread that closed the gate or is about to; 0 if none.
#[cfg_attr(target_os = "linux", unsafe(link_section = ".data.forkfix"))]
static OWNER: AtomicU32 = AtomicU32::new(0);
/// How many times the owner closed it (a handler of an allocator that forks).
#[cfg_attr(target_os = "linux", unsafe(link_section = ".data.forkfix"))]
static DEPTH: AtomicU32 = AtomicU32::new(0);
/// 1 while the gate is closed and the drain is over. Before, the owner sleeps on purpose.
#[cfg_attr(target_os = "linux", unsafe(link_section = ".data.forkfix"))]
static HELD: AtomicU32 = AtomicU32::new(0);
/// 1 if some thread has a mark that ends when the gate opens: [`WAIVED`] or [`PASSED`].
#[cfg_attr(target_os = "linux", unsafe(link_section = ".data.forkfix"))]
static MARKS: AtomicU32 = AtomicU32::new(0);
/// What the owner's word held before.
#[cfg_attr(target_os = "linux", unsafe(link_section = ".data.forkfix"))]
static BEFORE: AtomicU32 = AtomicU32::new(0);
/// The owner's signal mask before.
#[cfg_attr(target_os = "linux", unsafe(link_section = ".data.forkfix"))]
static MASK: AtomicU64 = AtomicU64::new(0);

/// Which threads a closed gate must be free of.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Scope {
    /// Every thread but the caller.
    All,
    /// Threads inside calls of one family.
    Only(Family),
}

/// Closes the gate and waits, within the budgets, until nobody in `scope` is inside.
///
/// False if it could not be closed: this is a child of `_Fork` or of a raw `clone` that copied the
/// gate while another thread held it.
pub(crate) fn close(scope: Scope) -> bool {
    let me = slot::mine();
    let mask = sys::block_signals();
    if !take_turn(me) {
        sys::restore_signals(mask);
        return false;
    }
    if DEPTH.fetch_add(1, Ordering::Relaxed) > 0 {
        // Already closed by this thread, signals already blocked by the outer call.
        return true;
    }
    MASK.store(mask, Ordering::Relaxed);
    BEFORE.store(me.word.load(Ordering::Relaxed), Ordering::Relaxed);
    me.word.store(FORKER, Ordering::Relaxed);
    HELD.store(0, Ordering::Relaxed);
    GATE.close();
    drain(me, scope);
    if scope == Scope::All {
        hold(me);
        // A thread of libc's own may have ended what a waived thread waited for.
        #[cfg(target_env = "gnu")]
        while crate::hooks::helpers::settle() && reconsider_waivers() {
            hold(me);
        }
        // A thread that was loading an object may have passed the gate meanwhile: its code runs with the
        // loader's lock held.
        #[cfg(target_env = "gnu")]
        if crate::loader::hold() {
            forget_passes();
            hold(me);
        }
    }
    true
}

/// Makes sure that nobody gets in any more, not even a signal handler on a thread that is about to
/// back off from the gate: its word is set for that moment, so the handler takes itself for nested.
/// From here on such a handler waits (see [`admits_nested`]); if one was faster, it is drained.
fn hold(me: &Slot) {
    loop {
        HELD.store(1, Ordering::SeqCst);
        // The handler has a fence of its own, so this needs no `membarrier(2)`.
        fence(Ordering::SeqCst);
        if readers(me, Scope::All).next().is_none() {
            return;
        }
        HELD.store(0, Ordering::SeqCst);
        drain(me, Scope::All);
    }
}

/// Whether a nested call on the thread of `slot` may be made now. Once the drain is over, only threads
/// with a mark are really inside.
pub(crate) fn admits_nested(slot: &Slot) -> bool {
    HELD.load(Ordering::SeqCst) == 0
        || GATE.flags() & CLOSED == 0
        || slot.word.load(Ordering::Relaxed) == FORKER
        || slot.mark.load(Ordering::SeqCst) & (GIVEN_UP | WAIVED | FORKING | PASSED) != 0
}

/// Undoes one [`close`]: opens the gate, wakes up who waits, puts back the signal mask.
pub(crate) fn open() {
    if DEPTH.fetch_sub(1, Ordering::Relaxed) > 1 {
        return;
    }
    let mask = MASK.load(Ordering::Relaxed);
    #[cfg(target_env = "gnu")]
    crate::loader::release();
    forget_marks();
    slot::mine().word.store(BEFORE.load(Ordering::Relaxed), Ordering::Relaxed);
    if GATE.open() {
        sys::futex_wake(GATE.flags_word(), i32::MAX);
    }
    if OWNER.swap(0, Ordering::Release) & CONTENDED != 0 {
        sys::futex_wake(&OWNER, i32::MAX);
    }
    sys::restore_signals(mask);
}

/// Whether the calling thread holds the gate closed.
pub(crate) fn is_mine() -> bool {
    DEPTH.load(Ordering::Relaxed) > 0 && owner() == slot::mine().tid.load(Ordering::Relaxed)
}

/// The thread that closed the gate or is about to.
fn owner() -> u32 {
    OWNER.load(Ordering::Acquire) & !CONTENDED
}

/// In a forked child: the gate belongs to the surviving thread under its new id.
pub(crate) fn adopt(tid: u32) {
    if DEPTH.load(Ordering::Relaxed) > 0 {
        OWNER.store(tid, Ordering::Relaxed);
    }
}

/// In a child that got here without libc's `fork`: the gate is open, and nobody holds it.
pub(crate) fn reset(mine: &Slot) {
    OWNER.store(0, Ordering::Relaxed);
    DEPTH.store(0, Ordering::Relaxed);
    HELD.store(0, Ordering::Relaxed);
    if mine.word.load(Ordering::Relaxed) == FORKER {
        mine.word.store(0, Ordering::Relaxed);
    }
    GATE.open();
}

/// Wakes the forker if there is one; called by a thread whose word changed.
pub(crate) fn wake() {
    if GATE.flags() & CLOSED != 0 {
        GATE.announce();
        sys::futex_wake(GATE.wakeups_word(), 1);
    }
}

/// Whether a thread parked at the gate would wait for ever: the forker has gone, belongs to another
/// process (this is a child of a raw `clone`), or waits for a lock itself, which a parked thread
/// may hold. That happens when libc locks every stream before it clones, while the parked thread
/// holds one with `flockfile`.
pub(crate) fn is_stuck() -> bool {
    let owner = owner();
    let pid = sys::getpid();
    if pid != child::pid() || (owner != 0 && !sys::thread_exists(pid, owner)) {
        return true;
    }
    HELD.load(Ordering::Relaxed) == 1 && sys::activity(owner) == Activity::LockWait
}

/// Notes that the thread of `slot`, which is the caller, goes through the closed gate.
pub(crate) fn let_pass(slot: &Slot) {
    slot.mark.fetch_or(PASSED, Ordering::SeqCst);
    MARKS.store(1, Ordering::SeqCst);
}

/// Makes the calling thread the owner, when it is its turn.
fn take_turn(me: &Slot) -> bool {
    let tid = me.tid.load(Ordering::Relaxed);
    owner() == tid || claim(0, tid) || wait_for_turn(me, tid)
}

fn claim(from: u32, tid: u32) -> bool {
    OWNER.compare_exchange(from, tid, Ordering::AcqRel, Ordering::Relaxed).is_ok()
}

#[cold]
fn wait_for_turn(me: &Slot, tid: u32) -> bool {
    let pid = sys::getpid();
    // A thread that is inside cannot leave while it waits here: the other forker must not wait.
    me.mark.fetch_or(FORKING, Ordering::SeqCst);
    fence(Ordering::SeqCst);
    wake();
    let mut turn = true;
    while !claim(0, tid) {
        let seen = OWNER.fetch_or(CONTENDED, Ordering::AcqRel) | CONTENDED;
        if seen == CONTENDED {
            // Free after all: the bit stands for nobody, and whoever comes next must not see it.
            OWNER.compare_exchange(seen, 0, Ordering::AcqRel, Ordering::Relaxed).ok();
            continue;
        }
        if sys::futex_wait(&OWNER, seen, TURN_NS) == sys::Wait::Look {
            continue;
        }
        if pid != child::pid() {
            turn = false;
            break;
        }
        if !sys::thread_exists(pid, seen & !CONTENDED) && claim(seen, tid) {
            DEPTH.store(0, Ordering::Relaxed);
            break;
        }
    }
    me.mark.fetch_and(!FORKING, Ordering::SeqCst);
    turn
}

/// What one look at all the words found.
struct Survey {
    /// How many threads must still leave.
    inside: u32,
    /// When the first of them is given up, in nanoseconds since the drain began.
    deadline_ns: u64,
}

/// Waits until every other thread in `scope` is out, waived or given up.
fn drain(me: &Slot, scope: Scope) {
    if readers(me, scope).next().is_none() {
        return;
    }
    // A child of `vfork` must not wait for long, and one of a raw `clone` would wait in vain.
    let most = if sys::getpid() == child::pid() { u64::MAX } else { FOREIGN_BUDGET_NS };
    let start = sys::monotonic_ns();
    let mut ticket = GATE.ticket();
    let mut found = survey(me, scope, 0, most);
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
            if nap > 0 && survey(me, scope, now, most).inside > 0 {
                sys::futex_wait(GATE.wakeups_word(), ticket, nap);
            }
            look_ns = (look_ns * 2).min(LAST_LOOK_NS);
        }
        ticket = GATE.ticket();
        found = survey(me, scope, sys::monotonic_ns() - start, most);
    }
    stats::WAITS.record((sys::monotonic_ns() - start) / 1000);
}

/// Threads that the forker has to wait for, with the family they are in.
fn readers(me: &Slot, scope: Scope) -> impl Iterator<Item = (&'static Slot, Family)> {
    slot::all().filter_map(move |slot| {
        let family = Family::from_code(slot.word.load(Ordering::Acquire))?;
        let excused = slot.mark.load(Ordering::Relaxed) & (GIVEN_UP | WAIVED | FORKING) != 0;
        let wanted = scope == Scope::All || scope == Scope::Only(family);
        (wanted && !excused && !ptr::eq(slot, me)).then_some((slot, family))
    })
}

/// Counts who is inside, and gives up those whose budget, at most `most_ns`, is used up.
fn survey(me: &Slot, scope: Scope, elapsed_ns: u64, most_ns: u64) -> Survey {
    let mut found = Survey { inside: 0, deadline_ns: u64::MAX };
    for (slot, family) in readers(me, scope) {
        let mut budget = family.budget_ns().min(most_ns);
        if elapsed_ns >= budget && makes_progress(me, scope, slot, family) {
            budget = options::bounded_ns().min(most_ns);
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
        Activity::LockWait if family.passes() => false,
        Activity::LockWait => {
            readers(me, scope).any(|(other, _)| activity(other) == Activity::Running)
        }
        Activity::Blocked => false,
    }
}

/// The thread stays inside; this fork and later ones no longer wait for it until it has left.
fn give_up(slot: &Slot, family: Family, elapsed_ns: u64) {
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
fn reconsider_waivers() -> bool {
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
fn forget_passes() {
    for slot in slot::all() {
        slot.mark.fetch_and(!PASSED, Ordering::SeqCst);
    }
}

/// Most marks hold for one fork; a thread that was given up stays so until it leaves.
fn forget_marks() {
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
