//! The forker's side of the gate: one thread at a time closes it, waits until nobody else is
//! inside (see [`drain`]), and opens it again.
//!
//! While the gate is closed all signals but libc's own are blocked, so that no handler runs with it closed.
//!
//! Invariant: between [`close`] and [`open`] only the thread in [`OWNER`] runs the code below and
//! writes the statics below, or those of `drain`.

use core::sync::atomic::{AtomicU64, Ordering};

use crate::drain::{self, Scope};
use crate::gate::{CLOSED, FORKER, GATE};
use crate::slot::{self, FORKING, GIVEN_UP, PASSED, Slot, WAIVED};
use crate::sync::{AtomicU32, fence};
use crate::sys::Activity;
use crate::{child, sys};

/// How long a thread sleeps for its turn to fork before it looks whether the other is alive.
const TURN_NS: u64 = 50_000_000;

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
/// What the owner's word held before.
#[cfg_attr(target_os = "linux", unsafe(link_section = ".data.forkfix"))]
static BEFORE: AtomicU32 = AtomicU32::new(0);
/// The owner's signal mask before.
#[cfg_attr(target_os = "linux", unsafe(link_section = ".data.forkfix"))]
static MASK: AtomicU64 = AtomicU64::new(0);

/// Closes the gate and waits, within the budgets, until nobody in `scope` is inside.
///
/// False if it could not be closed: this is a child of `_Fork` or of a raw `clone` that copied the
/// gate while another thread held it.
// `tests/arm64/ordering.rs` finds its code by its name.
#[inline(never)]
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
    #[cfg(target_os = "linux")]
    crate::record::closing();
    drain::wait(me, scope);
    if scope == Scope::All {
        hold(me);
        // A thread of libc's own may have ended what a waived thread waited for.
        #[cfg(target_env = "gnu")]
        while crate::hooks::helpers::settle() && drain::reconsider_waivers() {
            hold(me);
        }
        // A thread that was loading an object may have passed the gate meanwhile: its code runs with the
        // loader's lock held.
        #[cfg(target_env = "gnu")]
        if crate::loader::hold() {
            drain::forget_passes();
            hold(me);
        }
        #[cfg(target_os = "linux")]
        crate::locks::note(me);
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
        if drain::readers(me, Scope::All).next().is_none() {
            return;
        }
        HELD.store(0, Ordering::SeqCst);
        drain::wait(me, Scope::All);
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
#[cfg_attr(target_os = "linux", unsafe(link_section = ".text.hot.fork"))]
pub(crate) fn open() {
    if DEPTH.fetch_sub(1, Ordering::Relaxed) > 1 {
        return;
    }
    let mask = MASK.load(Ordering::Relaxed);
    #[cfg(target_env = "gnu")]
    crate::loader::release();
    drain::forget_marks();
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
