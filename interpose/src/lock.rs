//! A lock for tables of ours.
//!
//! Held for a handful of instructions, never while foreign code runs. In a forked child whoever held
//! it may be gone, so the child frees it.

use core::mem::ManuallyDrop;
use core::sync::atomic::Ordering;

use crate::sync::AtomicU32;
use crate::sys::{self, SignalSet};

const FREE: u32 = 0;
const HELD: u32 = 1;
const CONTENDED: u32 = 2;

/// A futex lock with three states.
pub(crate) struct Lock(AtomicU32);

/// The lock is held; released when dropped.
pub(crate) struct Held<'a>(&'a Lock);

/// The lock is held and signals are blocked; both end when dropped.
pub(crate) struct HeldMasked<'a> {
    held: ManuallyDrop<Held<'a>>,
    mask: SignalSet,
}

impl Lock {
    /// A free lock.
    pub(crate) const fn new() -> Self {
        Self(AtomicU32::new(FREE))
    }

    /// Takes the lock. Not for code that signal handlers may call.
    pub(crate) fn hold(&self) -> Held<'_> {
        if self.0.compare_exchange(FREE, HELD, Ordering::Acquire, Ordering::Relaxed).is_err() {
            while self.0.swap(CONTENDED, Ordering::Acquire) != FREE {
                sys::futex_wait(&self.0, CONTENDED, u64::MAX / 2);
            }
        }
        Held(self)
    }

    /// Takes the lock and blocks signals, so that a handler on this thread never finds it taken.
    pub(crate) fn hold_masked(&self) -> HeldMasked<'_> {
        let mask = sys::block_signals();
        HeldMasked { held: ManuallyDrop::new(self.hold()), mask }
    }

    /// In a forked child: frees it.
    pub(crate) fn free_in_child(&self) {
        if self.0.load(Ordering::Relaxed) != FREE {
            self.0.store(FREE, Ordering::Relaxed);
        }
    }
}

impl Drop for Held<'_> {
    fn drop(&mut self) {
        if self.0.0.swap(FREE, Ordering::Release) == CONTENDED {
            sys::futex_wake(&self.0.0, 1);
        }
    }
}

impl Drop for HeldMasked<'_> {
    fn drop(&mut self) {
        // SAFETY: dropped here and nowhere else: before signals are let in again.
        unsafe { ManuallyDrop::drop(&mut self.held) };
        sys::restore_signals(self.mask);
    }
}
