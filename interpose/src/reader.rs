//! The reader's side of the gate: what every gated hook runs.
//!
//! The fast path is [`AtOnce`]: two stores, four loads, no atomic read-modify-write, no fence. Everything else is cold.
//!
//! Callable from any thread, before the constructor, in signal handlers, and in a forked child.
//! Keeps `errno`. The guard is dropped when a cancellation, `pthread_exit` or a C++ exception
//! unwinds through the hook.

use core::mem::ManuallyDrop;
use core::sync::atomic::Ordering;

#[cfg(target_env = "gnu")]
use crate::errno;
use crate::family::Family;
use crate::gate::{CLOSED, GATE, ORPHANS, UNRESOLVED};
use crate::slot::{self, GIVEN_UP, PASSED, Slot};
use crate::sync::fence;
use crate::{child, drain, forker, next, stats, sys, tls};

/// How long a parked reader sleeps before it looks whether the forker is stuck, in nanoseconds.
const PATIENCE_NS: u64 = 10_000_000;

/// The calling thread is inside: a fork waits for it. Ends when dropped.
pub(crate) struct Inside {
    slot: &'static Slot,
    before: u32,
}

/// The calling thread is inside and was outside before: what the fast path of a hook holds. Ends
/// with [`leave`](Self::leave), or when dropped, which is what unwinding does.
pub(crate) struct AtOnce {
    slot: &'static Slot,
}

/// The call must not be made: a thread that vanished with the fork may hold its lock for ever.
pub(crate) struct Orphaned;

impl AtOnce {
    /// Enters if nothing stands in the way: this thread has a record, is outside, and no flag of
    /// the gate is set. Otherwise nothing has changed, and [`enter`] is the way in.
    ///
    /// Kept apart from `enter` so that a hook can jump to its cold half without having saved its
    /// arguments anywhere.
    #[inline(always)]
    pub(crate) fn enter(family: Family) -> Option<Self> {
        let slot = tls::slot();
        if slot.is_null() {
            return None;
        }
        // SAFETY: the TLS word holds null or a record that is never unmapped.
        let slot = unsafe { &*slot };
        if slot.word.load(Ordering::Relaxed) != 0 {
            return None;
        }
        if GATE.enter(&slot.word, family as u32, || doubts(family)) {
            return Some(Self { slot });
        }
        slot.word.store(0, Ordering::Release);
        None
    }

    /// Leaves.
    #[inline(always)]
    pub(crate) fn leave(self) {
        let this = ManuallyDrop::new(self);
        if !GATE.leave(&this.slot.word, 0) {
            settle(this.slot);
        }
    }
}

impl Drop for AtOnce {
    /// Does not look at `self`: a hook that had to keep the record's address for this would have
    /// to save one more register on the fast path.
    #[inline(always)]
    fn drop(&mut self) {
        unwound();
    }
}

/// A cancellation, `pthread_exit` or an exception leaves through the fast path of a hook.
#[cold]
#[inline(never)]
extern "C" fn unwound() {
    AtOnce { slot: slot::mine() }.leave();
}

impl Drop for Inside {
    fn drop(&mut self) {
        if !GATE.leave(&self.slot.word, self.before) && self.before == 0 {
            settle(self.slot);
        }
    }
}

#[cfg(target_os = "macos")]
impl Inside {
    /// Leaves the end of the call to [`resume`](Self::resume): for code in C.
    pub(crate) fn suspend(self) -> u32 {
        ManuallyDrop::new(self).before
    }

    /// The calling thread's innermost call, which was suspended.
    pub(crate) fn resume(before: u32) -> Self {
        Self { slot: slot::mine(), before }
    }
}

/// Not 0 if a hook has to look into calls of `family` first.
#[inline(always)]
fn doubts(family: Family) -> u32 {
    #[cfg(target_env = "gnu")]
    return crate::hooks::helpers::doubts(family);
    #[cfg(not(target_env = "gnu"))]
    {
        let _ = family;
        0
    }
}

/// Whether the calling thread is inside a call, or closes the gate.
pub(crate) fn is_inside() -> bool {
    slot::mine().word.load(Ordering::Relaxed) != 0
}

/// Enters a call of `family`, waiting while the gate is closed.
#[cold]
#[inline(never)]
pub(crate) fn enter(family: Family) -> Result<Inside, Orphaned> {
    let slot = slot::mine();
    let before = slot.word.load(Ordering::Relaxed);
    if before != 0 {
        wait_nested(slot);
    }
    GATE.enter(&slot.word, family as u32, || 0);
    let inside = Inside { slot, before };
    if GATE.flags() & UNRESOLVED != 0 {
        next::resolve_all();
    }
    if before == 0 {
        wait_at_gate(slot, family);
    }
    if GATE.flags() & ORPHANS != 0 && child::is_orphaned(family) {
        stats::ANSWERS.add();
        log::warn!(
            "a call is answered with an error (family {}): a thread that was lost in the fork may hold its lock",
            family.name()
        );
        return Err(Orphaned);
    }
    Ok(inside)
}

/// Waits until the gate is open and this thread's word is seen by the next forker.
fn wait_at_gate(slot: &Slot, family: Family) {
    fence(Ordering::SeqCst);
    let must_wait = || {
        GATE.flags() & CLOSED != 0
            && slot.mark.load(Ordering::Relaxed) & PASSED == 0
            && !passes_with_lock(slot)
    };
    if !must_wait() {
        return;
    }
    stats::PARKED.add();
    let mut stuck = 0;
    while must_wait() {
        slot.word.store(0, Ordering::Release);
        fence(Ordering::SeqCst);
        forker::wake();
        sleep_at_gate(slot, &mut stuck);
        slot.word.store(family as u32, Ordering::Relaxed);
        fence(Ordering::SeqCst);
    }
}

/// Whether the thread holds a lock of the program that the forker still waits for.
fn passes_with_lock(slot: &Slot) -> bool {
    #[cfg(target_os = "linux")]
    return crate::locks::is_inside(slot) && forker::admits_nested(slot);
    #[cfg(target_os = "macos")]
    {
        let _ = slot;
        false
    }
}

/// Sleeps until the gate opens, or for a while. `stuck` counts how often in a row the forker was seen
/// stuck.
///
/// Passing a closed gate is the lesser evil only if it would never open: at the second look, since the
/// forker may have to wait for a lock of libc for a moment, the thread gets leave to pass.
pub(crate) fn sleep_at_gate(slot: &Slot, stuck: &mut u32) {
    let timed_out = GATE.expect_sleep().is_some_and(|flags| {
        sys::futex_wait(GATE.flags_word(), flags, PATIENCE_NS) == sys::Wait::TimedOut
    });
    *stuck = if timed_out && forker::is_stuck() { *stuck + 1 } else { 0 };
    if *stuck == 2 {
        drain::let_pass(slot);
    }
}

/// Waits while the gate is closed, for a call that takes care of itself once it has begun. Not if the
/// thread is inside. Then `next` is known: an allocator that `dlsym` calls may come here meanwhile.
#[cfg(target_env = "gnu")]
#[cfg_attr(test, expect(dead_code, reason = "no hooks in tests"))]
pub(crate) extern "C" fn wait_outside(next: &next::Definition) {
    let before = errno::get();
    if GATE.flags() & UNRESOLVED != 0 {
        next::resolve_all();
        next.resolve();
    }
    let slot = slot::mine();
    let mut stuck = 0;
    while GATE.flags() & CLOSED != 0
        && slot.word.load(Ordering::Relaxed) == 0
        && slot.mark.load(Ordering::Relaxed) & PASSED == 0
        && !passes_with_lock(slot)
    {
        sleep_at_gate(slot, &mut stuck);
    }
    errno::set(before);
}

/// Waits while a nested call may not be made, which only happens to a signal handler that interrupted
/// its thread between publishing itself and backing off from the gate.
fn wait_nested(slot: &Slot) {
    fence(Ordering::SeqCst);
    let mut stuck = 0;
    while !forker::admits_nested(slot) {
        sleep_at_gate(slot, &mut stuck);
    }
}

/// What a thread that left owes the forkers if the gate has a flag set.
#[cold]
#[inline(never)]
fn settle(slot: &Slot) {
    fence(Ordering::SeqCst);
    if slot.mark.load(Ordering::Relaxed) & GIVEN_UP != 0 {
        slot.mark.fetch_and(!GIVEN_UP, Ordering::Relaxed);
    }
    forker::wake();
}
