//! The hooks for mutexes. C11's `mtx_t` is a `pthread_mutex_t`, and its functions return 0 when they
//! succeed and a number of their own, here `busy`, where the mutex is taken.

use core::ffi::c_int;

use super::holder::{self, Take};
use super::{Kind, forker, layout};
use crate::next::Next;
use crate::table::locks::next;

pub(crate) type Function<T> = unsafe extern "C-unwind" fn(*mut T) -> c_int;

/// A mutex, and how it is taken.
struct Mutex<T: 'static, F> {
    mutex: *mut T,
    wait: F,
    at_once: &'static Next<Function<T>>,
    release: &'static Next<Function<T>>,
    busy: c_int,
}

impl<T, F: Fn() -> c_int> Take for Mutex<T, F> {
    fn at_once(&self) -> c_int {
        // SAFETY: a mutex, as the caller of the hook vouches.
        let result = unsafe { self.at_once.get()(self.mutex) };
        if result == self.busy { libc::EBUSY } else { result }
    }

    fn wait(&self) -> c_int {
        (self.wait)()
    }

    fn release(&self) {
        // SAFETY: as above; the calling thread holds it.
        unsafe { self.release.ensure()(self.mutex) };
    }
}

/// What the functions of one kind of mutex are.
pub(crate) struct Functions<T: 'static> {
    /// Takes it, waiting.
    pub(crate) lock: &'static Next<Function<T>>,
    /// Takes it if it is free.
    pub(crate) trylock: &'static Next<Function<T>>,
    /// Gives it back.
    pub(crate) unlock: &'static Next<Function<T>>,
    /// What `trylock` returns if it is not free.
    pub(crate) busy: c_int,
}

impl<T> Functions<T> {
    /// The hook for `lock`.
    #[inline(always)]
    pub(crate) unsafe fn lock(&'static self, mutex: *mut T) -> c_int {
        let address = mutex.expose_provenance();
        // SAFETY: the caller's mutex.
        if unsafe { layout::is_free_mutex(address) } && holder::claim(address, Kind::Mutex) {
            // SAFETY: as above. Whoever was faster and holds it now is waited for.
            return unsafe { self.lock.get()(mutex) };
        }
        // SAFETY: as above.
        unsafe { self.lock_other(mutex) }
    }

    #[inline(never)]
    unsafe fn lock_other(&'static self, mutex: *mut T) -> c_int {
        // SAFETY: the caller's mutex.
        let wait = || unsafe { self.lock.ensure()(mutex) };
        // SAFETY: as above.
        unsafe { self.take(mutex, wait) }
    }

    unsafe fn take(&'static self, mutex: *mut T, wait: impl Fn() -> c_int) -> c_int {
        let address = mutex.expose_provenance();
        // SAFETY: the caller's mutex.
        if unsafe { layout::is_foreign_mutex(address) } {
            return wait();
        }
        self.take_own(mutex, wait)
    }

    #[inline(never)]
    fn take_own(&'static self, mutex: *mut T, wait: impl Fn() -> c_int) -> c_int {
        let address = mutex.expose_provenance();
        let Self { trylock: at_once, unlock: release, busy, .. } = *self;
        holder::acquire(address, Kind::Mutex, &Mutex { mutex, wait, at_once, release, busy })
    }

    /// The hooks that take it by `wait`, which ends at some time.
    #[inline(never)]
    pub(crate) unsafe fn timedlock(
        &'static self,
        mutex: *mut T,
        wait: impl Fn() -> c_int,
    ) -> c_int {
        // SAFETY: the caller's mutex.
        unsafe { self.take(mutex, wait) }
    }

    /// The hook for `trylock`.
    #[inline(always)]
    pub(crate) unsafe fn trylock(&'static self, mutex: *mut T) -> c_int {
        let address = mutex.expose_provenance();
        // SAFETY: the caller's mutex.
        if unsafe { layout::is_foreign_mutex(address) } {
            // SAFETY: as above.
            return unsafe { self.trylock.ensure()(mutex) };
        }
        holder::acquire_at_once(address, Kind::Mutex, mutex, self.trylock)
    }

    /// The hook for `unlock`.
    #[inline(always)]
    pub(crate) unsafe fn unlock(&'static self, mutex: *mut T) -> c_int {
        // SAFETY: the caller's mutex.
        let other = || unsafe { Self::unlock_other(mutex, self) };
        holder::release(mutex.expose_provenance(), mutex, self.unlock, other)
    }

    /// The mutex comes first, as in the hook: it can stay in its register.
    #[inline(never)]
    unsafe fn unlock_other(mutex: *mut T, functions: &'static Self) -> c_int {
        let address = mutex.expose_provenance();
        // SAFETY: the caller's mutex.
        let release = || unsafe { functions.unlock.ensure()(mutex) };
        // SAFETY: as above.
        if unsafe { layout::is_foreign_mutex(address) } {
            return release();
        }
        holder::release_other(address, release, || forker::holding_of_another(address))
    }
}

/// The functions of POSIX.
pub(crate) static PTHREAD: Functions<libc::pthread_mutex_t> = Functions {
    lock: next::pthread_mutex_lock,
    trylock: next::pthread_mutex_trylock,
    unlock: next::pthread_mutex_unlock,
    busy: libc::EBUSY,
};

/// The functions of C11. `thrd_busy` is 1 (`threads.h`).
pub(crate) static C11: Functions<Mtx> = Functions {
    lock: next::mtx_lock,
    trylock: next::mtx_trylock,
    unlock: next::mtx_unlock,
    busy: 1,
};

/// `mtx_t`.
#[repr(C)]
pub(crate) struct Mtx(libc::pthread_mutex_t);
