//! The hooks for spinlocks. Nothing in one tells whether it is shared with other processes: in a child that
//! is asked of the memory it is in.

use core::ffi::c_int;

use libc::pthread_spinlock_t;

use super::holder::{self, Take};
use super::{Kind, layout};
use crate::table::locks::next;

struct Spinlock(*mut pthread_spinlock_t);

impl Take for Spinlock {
    fn at_once(&self) -> c_int {
        // SAFETY: a lock, as the caller of the hook vouches.
        unsafe { next::pthread_spin_trylock.get()(self.0) }
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
#[inline(always)]
pub(crate) unsafe fn lock(lock: *mut pthread_spinlock_t) -> c_int {
    let address = lock.expose_provenance();
    // SAFETY: the caller's lock.
    if unsafe { layout::is_free_spinlock(address) } && holder::claim(address, Kind::Spin) {
        // SAFETY: as above. Whoever was faster and holds it now is waited for.
        return unsafe { next::pthread_spin_lock.get()(lock) };
    }
    lock_other(lock)
}

#[inline(never)]
fn lock_other(lock: *mut pthread_spinlock_t) -> c_int {
    holder::acquire(lock.expose_provenance(), Kind::Spin, &Spinlock(lock))
}

/// The hook for `pthread_spin_trylock`.
#[inline(always)]
pub(crate) unsafe fn trylock(lock: *mut pthread_spinlock_t) -> c_int {
    let address = lock.expose_provenance();
    holder::acquire_at_once(address, Kind::Spin, lock, next::pthread_spin_trylock)
}

/// The hook for `pthread_spin_unlock`.
#[inline(always)]
pub(crate) unsafe fn unlock(lock: *mut pthread_spinlock_t) -> c_int {
    let address = lock.expose_provenance();
    // SAFETY: the caller's lock.
    let other = || unsafe { unlock_other(lock) };
    holder::release(address, lock, next::pthread_spin_unlock, other)
}

#[inline(never)]
unsafe fn unlock_other(lock: *mut pthread_spinlock_t) -> c_int {
    // SAFETY: the caller's lock.
    let release = || unsafe { next::pthread_spin_unlock.ensure()(lock) };
    holder::release_other(lock.expose_provenance(), release, || None)
}
