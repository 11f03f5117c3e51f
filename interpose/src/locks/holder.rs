//! A thread's side: how it takes a lock.
//!
//! The fast path is [`claim`]; all else is cold. Callable from any thread, before the constructor, in
//! signal handlers and in a forked child. Keeps `errno`.

use core::ffi::c_int;

use super::ledger::{Found, Holding, Ledger, Waiting};
use super::mutex::Function;
use super::{Kind, forker as locks};
use crate::gate::{CLOSED, FORKER, GATE, UNRESOLVED};
use crate::next::{self, Next};
use crate::slot::{self, PASSED, Slot};
use crate::sync::{Ordering, fence};
use crate::{barrier, forker, reader, tls};

/// Takes a place for `lock` if nothing stands in the way: the thread has a ledger with room, and no flag of
/// the gate is set. Otherwise nothing has changed.
#[inline(always)]
pub(super) fn claim(lock: usize, kind: Kind) -> bool {
    let Some(ledger) = tls::ledger() else {
        return false;
    };
    if !ledger.push(lock, kind) {
        return false;
    }
    barrier::light();
    if GATE.flags() == 0 {
        return true;
    }
    ledger.pop();
    false
}

/// The thread has given up a place: a forker may wait for that.
#[inline(always)]
fn left() {
    barrier::light();
    if GATE.flags() != 0 {
        settle();
    }
}

/// Tells a forker that waits; not if that is this thread, in whose hands an allocator may give back thousands
/// of locks.
#[cold]
#[inline(never)]
extern "C" fn settle() {
    fence(Ordering::SeqCst);
    if slot::mine().word.load(Ordering::Relaxed) != FORKER {
        forker::wake();
    }
}

/// The calling thread's records.
#[derive(Clone, Copy)]
pub(super) struct Me {
    slot: &'static Slot,
    pub(super) ledger: &'static Ledger,
}

impl Me {
    /// `None` if the thread's locks are not kept track of: there is no memory, libc's locks look unlike what
    /// is known, or the symbols are being looked up.
    pub(super) fn find() -> Option<Self> {
        if GATE.flags() & UNRESOLVED != 0 {
            next::resolve_all();
            if GATE.flags() & UNRESOLVED != 0 {
                return None;
            }
        }
        let slot = slot::mine();
        if !super::are_tracked() {
            return None;
        }
        Some(Self { slot, ledger: tls::ledger()? })
    }

    /// Takes a place for `lock`, when the gate lets the thread in.
    #[cold]
    pub(super) fn enter(&self, lock: usize, kind: Kind) {
        let mut stuck = 0;
        while !self.try_to_enter(lock, kind) {
            reader::sleep_at_gate(self.slot, &mut stuck);
        }
    }

    /// Waits until the gate is open, or the thread may pass it. It must hold nothing.
    pub(super) fn wait_at_gate(&self) {
        let mut stuck = 0;
        while GATE.flags() & CLOSED != 0 && self.slot.mark.load(Ordering::Relaxed) & PASSED == 0 {
            reader::sleep_at_gate(self.slot, &mut stuck);
        }
    }

    /// The same without waiting; false if the gate is closed to the thread.
    pub(super) fn try_to_enter(&self, lock: usize, kind: Kind) -> bool {
        if !self.push(lock, kind) {
            return true;
        }
        fence(Ordering::SeqCst);
        if GATE.flags() & CLOSED == 0 || self.may_pass() {
            return true;
        }
        give_up(lock);
        false
    }

    fn may_pass(&self) -> bool {
        let mark = self.slot.mark.load(Ordering::Relaxed);
        // The topmost place is that of the lock in question.
        let others = self.ledger.holdings().skip(1);
        mark & PASSED != 0
            || forker::admits_nested(self.slot)
                && (self.slot.word.load(Ordering::Relaxed) != 0
                    || locks::any_counts(others, self.tid()))
    }

    /// Waits for a lock that the thread has a place for. `None` if the gate closed meanwhile: the thread has
    /// neither the lock nor a place.
    #[cold]
    fn wait(&self, lock: usize, kind: Kind, take: &impl Take) -> Option<c_int> {
        let inside = self.ledger.depth() > 1 || self.slot.word.load(Ordering::Relaxed) != 0;
        let before = self.ledger.wait_for(Waiting { lock, kind, mutex: 0 });
        if !inside {
            give_up(lock);
        }
        let result = take.wait();
        let mut stays = true;
        if result != 0 && inside {
            give_up(lock);
        } else if result == 0 && !inside {
            stays = claim(lock, kind) || self.try_to_enter(lock, kind);
        }
        if !stays {
            // No code has run under the lock yet.
            take.release();
        }
        self.ledger.restore(before);
        stays.then_some(result)
    }

    /// A place for `lock`; false if there is none.
    fn push(&self, lock: usize, kind: Kind) -> bool {
        if self.ledger.push(lock, kind) {
            return true;
        }
        if self.ledger.depth().is_power_of_two() || self.ledger.is_full() {
            // Locks that other threads released have left their places here, most of them given.
            let keep = |holding: &Holding| !holding.given || !locks::is_stale(holding, self.tid());
            self.ledger.compact(keep);
        }
        let found = self.ledger.push(lock, kind) || self.ledger.push_further(lock, kind);
        if !found {
            log::error!("no memory to keep track of another lock; it is not protected");
        }
        found
    }

    pub(super) fn tid(&self) -> u32 {
        self.slot.tid.load(Ordering::Relaxed)
    }
}

/// How one kind of lock is taken.
pub(super) trait Take {
    /// Takes it if it is free: 0, `EBUSY`, or another error. Only for who has a place, and so has seen that
    /// all symbols are known.
    fn at_once(&self) -> c_int;
    /// Takes it, waiting: 0 or an error.
    fn wait(&self) -> c_int;
    /// Gives it back.
    fn release(&self);
}

/// Takes the lock at the address `lock` by `take`.
#[inline(always)]
pub(super) fn acquire(lock: usize, kind: Kind, take: &impl Take) -> c_int {
    let result = claim(lock, kind).then(|| take.at_once());
    if result == Some(0) { 0 } else { acquire_slow(lock, kind, take, result) }
}

/// The same, after the first try for the lock had this `result`; `None`: there was none, because the
/// thread has no place yet.
#[cold]
#[inline(never)]
fn acquire_slow(lock: usize, kind: Kind, take: &impl Take, result: Option<c_int>) -> c_int {
    let Some(me) = Me::find() else {
        // Not twice: libc itself may answer otherwise then (`nptl/tpp.c` keeps what a failed try changed).
        let failed = result.filter(|result| *result != libc::EBUSY);
        let result = failed.unwrap_or_else(|| take.wait());
        if result != 0 {
            give_up(lock);
        }
        return result;
    };
    let enter = || {
        me.enter(lock, kind);
        take.at_once()
    };
    let mut result = result.unwrap_or_else(enter);
    while result == libc::EBUSY {
        if let Some(result) = me.wait(lock, kind, take) {
            return result;
        }
        result = enter();
    }
    if result != 0 {
        give_up(lock);
    }
    result
}

/// Takes a lock by `take`, which does not wait.
#[inline(always)]
pub(super) fn acquire_at_once<T>(
    address: usize,
    kind: Kind,
    lock: *mut T,
    take: &Next<Function<T>>,
) -> c_int {
    if !claim(address, kind) {
        return acquire_at_once_slow(address, kind, lock, take);
    }
    // SAFETY: the caller's lock; who has a place has seen that all symbols are known.
    let result = unsafe { take.get()(lock) };
    if result != 0 {
        give_up(address);
    }
    result
}

/// The same, when the gate lets the thread in.
#[cold]
#[inline(never)]
fn acquire_at_once_slow<T>(
    address: usize,
    kind: Kind,
    lock: *mut T,
    take: &Next<Function<T>>,
) -> c_int {
    // SAFETY: the caller's lock.
    let take = || unsafe { take.ensure()(lock) };
    let Some(me) = Me::find() else {
        return take();
    };
    me.enter(address, kind);
    let result = take();
    if result != 0 {
        give_up(address);
    }
    result
}

/// Gives a lock back by `next`, a function that takes it as `lock`; by `other` if it is not the one that the
/// thread took last.
#[inline(always)]
pub(super) fn release<T>(
    address: usize,
    lock: *mut T,
    next: &Next<Function<T>>,
    other: impl FnOnce() -> c_int,
) -> c_int {
    let Some(ledger) = tls::ledger().filter(|ledger| ledger.is_top(address)) else {
        return other();
    };
    // SAFETY: the caller's lock; who has a place has seen that all symbols are known.
    let result = unsafe { next.get()(lock) };
    if result == 0 {
        ledger.pop();
        left();
    }
    result
}

/// Gives back a lock that is not the one that the thread took last. If it has no place for it, `of_another`
/// finds that of the thread that took it.
#[inline(always)]
pub(super) fn release_other(
    address: usize,
    release: impl FnOnce() -> c_int,
    of_another: impl FnOnce() -> Option<Found<'static>>,
) -> c_int {
    let mine = tls::ledger().and_then(|ledger| Some((ledger, ledger.index_of(address)?)));
    // Afterwards anybody may take the lock.
    let theirs = if mine.is_none() { of_another() } else { None };
    let result = release();
    if result != 0 {
        return result;
    }
    if let Some((ledger, index)) = mine {
        ledger.vacate(index);
        left();
    } else if let Some(theirs) = theirs {
        theirs.give();
        settle();
    }
    result
}

/// Gives up the place of `lock`, if there is one.
#[cold]
#[inline(never)]
pub(super) fn give_up(lock: usize) {
    if let Some(ledger) = tls::ledger()
        && ledger.remove(lock)
    {
        left();
    }
}

/// Forgets what is known about a lock that was just initialised or destroyed.
#[inline(always)]
pub(crate) fn forget(lock: usize) {
    if let Some(ledger) = tls::ledger()
        && ledger.depth() != 0
    {
        forget_in(ledger, lock);
    }
}

#[cold]
#[inline(never)]
fn forget_in(ledger: &Ledger, lock: usize) {
    while ledger.remove(lock) {}
    left();
}

/// Whether the calling thread, whose record is `slot`, holds a lock that a fork waits for.
pub(crate) fn is_inside(slot: &Slot) -> bool {
    let tid = slot.tid.load(Ordering::Relaxed);
    super::are_tracked()
        && tls::ledger().is_some_and(|ledger| locks::any_counts(ledger.holdings(), tid))
}
