//! The hooks for read-write locks.

use core::ffi::c_int;

use libc::pthread_rwlock_t;

use super::holder::{self, Take};
use super::mutex::Function;
use super::{Kind, layout};
use crate::next::Next;
use crate::table::locks::next;

/// A lock, and one of the two ways to take it.
struct Way<F> {
    lock: *mut pthread_rwlock_t,
    wait: F,
    at_once: &'static Next<Function<pthread_rwlock_t>>,
}

impl<F: Fn() -> c_int> Take for Way<F> {
    fn at_once(&self) -> c_int {
        // SAFETY: a lock, as the caller of the hook vouches.
        unsafe { self.at_once.get()(self.lock) }
    }

    fn wait(&self) -> c_int {
        (self.wait)()
    }

    fn release(&self) {
        // SAFETY: as above; the calling thread holds it.
        unsafe { next::pthread_rwlock_unlock.ensure()(self.lock) };
    }
}

fn at_once(kind: Kind) -> &'static Next<Function<pthread_rwlock_t>> {
    match kind {
        Kind::Read => next::pthread_rwlock_tryrdlock,
        _ => next::pthread_rwlock_trywrlock,
    }
}

/// The hooks that take it by `next` as long as that takes, for reading or writing.
#[inline(always)]
pub(crate) unsafe fn lock(
    lock: *mut pthread_rwlock_t,
    kind: Kind,
    next: &'static Next<Function<pthread_rwlock_t>>,
) -> c_int {
    let address = lock.expose_provenance();
    // SAFETY: the caller's lock.
    if unsafe { layout::is_free_rwlock(address, kind) } && holder::claim(address, kind) {
        // SAFETY: as above. Whoever was faster and holds it now is waited for.
        return unsafe { next.get()(lock) };
    }
    // SAFETY: as above.
    let wait = || unsafe { next.ensure()(lock) };
    // SAFETY: as above.
    unsafe { lock_until(lock, kind, wait) }
}

/// The hooks that take it by `wait`, for reading or writing.
#[inline(never)]
pub(crate) unsafe fn lock_until(
    lock: *mut pthread_rwlock_t,
    kind: Kind,
    wait: impl Fn() -> c_int,
) -> c_int {
    let address = lock.expose_provenance();
    // SAFETY: the caller's lock.
    if unsafe { layout::is_foreign_rwlock(address) } {
        return wait();
    }
    holder::acquire(address, kind, &Way { lock, wait, at_once: at_once(kind) })
}

/// The hooks that do not wait.
#[inline(always)]
pub(crate) unsafe fn trylock(lock: *mut pthread_rwlock_t, kind: Kind) -> c_int {
    let address = lock.expose_provenance();
    // SAFETY: the caller's lock.
    if unsafe { layout::is_foreign_rwlock(address) } {
        // SAFETY: as above.
        return unsafe { at_once(kind).ensure()(lock) };
    }
    holder::acquire_at_once(address, kind, lock, at_once(kind))
}

/// The hook for `pthread_rwlock_unlock`.
#[inline(always)]
pub(crate) unsafe fn unlock(lock: *mut pthread_rwlock_t) -> c_int {
    let address = lock.expose_provenance();
    // SAFETY: the caller's lock.
    let other = || unsafe { unlock_other(lock) };
    holder::release(address, lock, next::pthread_rwlock_unlock, other)
}

#[inline(never)]
unsafe fn unlock_other(lock: *mut pthread_rwlock_t) -> c_int {
    // SAFETY: the caller's lock.
    let release = || unsafe { next::pthread_rwlock_unlock.ensure()(lock) };
    holder::release_other(lock.expose_provenance(), release, || None)
}
