//! The forking thread's side: who holds a lock, and for whom it is no use to wait.
//!
//! A holding that the forker stopped waiting for is *given*: until it ends, no fork waits for it. So a lock
//! that a thread never releases costs its budget once. A thread all of whose holdings are given is outside: it
//! waits at the closed gate like any other, wherever it is then.

use super::ledger::{Found, Holding, Ledger};
use super::{Kind, layout};
use crate::slot::{self, Slot};
use crate::sync::Ordering;
use crate::sys;

/// Whether a fork has to wait for locks that the thread of `slot` holds.
pub(crate) fn counts(slot: &Slot) -> bool {
    super::are_tracked()
        && slot.ledger().is_some_and(|ledger| ledger.holdings().any(|holding| !holding.given))
}

/// Stops waiting for what the thread of `slot` holds. False if that is nothing: it only waits for a lock that
/// it has a place for.
pub(crate) fn give_up(slot: &Slot) -> bool {
    let Some(ledger) = slot.ledger() else {
        return false;
    };
    let awaited = ledger.waiting().map(|waiting| waiting.lock);
    let others = ledger.holdings().filter(|holding| Some(holding.lock) != awaited);
    let holds = any_counts(others, slot.tid.load(Ordering::Relaxed));
    ledger.give();
    holds
}

/// Another thread's holding of a mutex that the calling thread is about to release for it.
pub(super) fn holding_of_another(mutex: usize) -> Option<Found<'static>> {
    let layout::Owner::Thread(owner) = layout::owner(mutex) else {
        return None;
    };
    let slot = slot::all().find(|slot| slot.tid.load(Ordering::Relaxed) == owner)?;
    slot.ledger()?.holding_of(mutex)
}

/// Whether the thread of `slot`, whose budget is over, has not had a processor for `allowed_ns` since. Asked
/// again and again during the wait that the number stands for.
pub(crate) fn is_short_of_time(slot: &Slot, wait: u64, allowed_ns: u64) -> bool {
    let tid = slot.tid.load(Ordering::Relaxed);
    let (Some(ledger), Some(used)) = (slot.ledger(), sys::processor_ns(tid)) else {
        return false;
    };
    used < ledger.allow(wait, used + allowed_ns)
}

/// Whether any of `holdings`, of thread `tid`, is real and waited for.
pub(super) fn any_counts(mut holdings: impl Iterator<Item = Holding>, tid: u32) -> bool {
    holdings.any(|holding| !holding.given && !is_stale(&holding, tid))
}

/// Whether the lock is not held by thread `tid`, because another one has released it or it is still wanted.
pub(super) fn is_stale(holding: &Holding, tid: u32) -> bool {
    match holding.kind {
        Kind::Mutex => !layout::owner(holding.lock).may_be(tid),
        Kind::Write => !layout::writer(holding.lock).may_be(tid),
        Kind::Read => {
            !layout::is_busy_rwlock(holding.lock)
                || layout::writer(holding.lock) != layout::Owner::Nobody
        }
        Kind::Spin => !layout::is_busy_spinlock(holding.lock),
        Kind::Guard | Kind::Once | Kind::Cond | Kind::Semaphore => false,
    }
}

/// Whether the thread of `slot`, which holds something, waits for a lock that nobody will release before the
/// fork: the forker `me` holds it, or a thread that is no longer waited for.
pub(crate) fn cannot_drain(me: &Slot, slot: &Slot) -> bool {
    let Some(ledger) = slot.ledger() else {
        return false;
    };
    let Some((lock, kind)) = wanted(ledger) else {
        return false;
    };
    let mut others = slot::all().filter(|other| !core::ptr::eq(*other, slot));
    others.any(|other| {
        let mine = core::ptr::eq(other, me);
        other.tid.load(Ordering::Relaxed) != 0
            && other.ledger().is_some_and(|ledger| {
                let mut holdings = ledger.holdings();
                holdings.any(|held| {
                    held.lock == lock
                        && (mine || held.given)
                        && excludes(held.kind, kind)
                        && !is_stale(&held, other.tid.load(Ordering::Relaxed))
                })
            })
    })
}

/// What a thread waits for, or is about to take: it may also hold it already.
fn wanted(ledger: &Ledger) -> Option<(usize, Kind)> {
    match ledger.waiting() {
        Some(waiting) => Some((waiting.lock, waiting.kind)),
        None => ledger.holdings().next().map(|top| (top.lock, top.kind)),
    }
}

/// Whether a lock that is held as `held` cannot be had as `wanted`.
fn excludes(held: Kind, wanted: Kind) -> bool {
    (held, wanted) != (Kind::Read, Kind::Read)
}
