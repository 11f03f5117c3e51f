//! The hooks for spinlocks. Nothing in one tells whether it is shared with other processes: in a child that
//! is asked of the memory it is in.

use core::ffi::c_int;

use libc::pthread_spinlock_t;

use super::Kind;
use super::holder::{self, Take};
use crate::table::locks::next;

struct Spinlock(*mut pthread_spinlock_t);

impl Take for Spinlock {
    fn at_once(&self) -> c_int {
        // SAFETY: a lock, as the caller of the hook vouches.
        unsafe { next::pthread_spin_trylock.ensure()(self.0) }
    }

    fn wait(&self) -> c_int {
        // SAFETY: as above.
        unsafe { next::pthread_spin_lock.ensure()(self.0) }
    }

    fn release(&self) {
        // SAFETY: as above; the calling thread holds it.
        unsafe { next::pthread_spin_unlock.ensure()(self.0) };
    }
}

/// The hook for `pthread_spin_lock`.
pub(crate) unsafe fn lock(lock: *mut pthread_spinlock_t) -> c_int {
    holder::acquire(lock.expose_provenance(), Kind::Spin, &Spinlock(lock))
}

/// The hook for `pthread_spin_trylock`.
pub(crate) unsafe fn trylock(lock: *mut pthread_spinlock_t) -> c_int {
    holder::acquire_at_once(lock.expose_provenance(), Kind::Spin, || Spinlock(lock).at_once())
}

/// The hook for `pthread_spin_unlock`.
pub(crate) unsafe fn unlock(lock: *mut pthread_spinlock_t) -> c_int {
    holder::release(lock.expose_provenance(), lock, &next::pthread_spin_unlock, || None)
}
