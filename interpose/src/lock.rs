//! A lock for tables of ours, safe in signal handlers and after fork.
//!
//! All signals are blocked while it is held, so a handler on the same thread never finds it taken,
//! and it is held for a handful of instructions only. Never held while foreign code runs.

use core::sync::atomic::Ordering;

use crate::sync::AtomicU32;
use crate::sys::{self, SignalSet};

const FREE: u32 = 0;
const HELD: u32 = 1;
const CONTENDED: u32 = 2;

/// A futex lock with three states.
pub(crate) struct Lock(AtomicU32);

/// The lock is held; released when dropped.
pub(crate) struct Held<'a> {
    lock: &'a Lock,
    mask: SignalSet,
}

impl Lock {
    /// A free lock.
    pub(crate) const fn new() -> Self {
        Self(AtomicU32::new(FREE))
    }

    /// Takes the lock.
    pub(crate) fn hold(&self) -> Held<'_> {
        let mask = sys::block_signals();
        if self
            .0
            .compare_exchange(FREE, HELD, Ordering::Acquire, Ordering::Relaxed)
            .is_err()
        {
            while self.0.swap(CONTENDED, Ordering::Acquire) != FREE {
                sys::futex_wait(&self.0, CONTENDED, u64::MAX / 2);
            }
        }
        Held { lock: self, mask }
    }

    /// In a forked child, where its holder may be gone: frees it.
    pub(crate) fn free_in_child(&self) {
        self.0.store(FREE, Ordering::Relaxed);
    }
}

impl Drop for Held<'_> {
    fn drop(&mut self) {
        if self.lock.0.swap(FREE, Ordering::Release) == CONTENDED {
            sys::futex_wake(&self.lock.0, 1);
        }
        sys::restore_signals(self.mask);
    }
}
