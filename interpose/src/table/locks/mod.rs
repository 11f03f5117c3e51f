//! The rows for locks of the program (`locks`), on any Linux.

use core::ffi::{c_int, c_uint};

use libc::{
    pthread_cond_t, pthread_mutex_t, pthread_mutexattr_t, pthread_rwlock_t, pthread_rwlockattr_t,
    pthread_spinlock_t, sem_t, timespec,
};

use crate::locks::Kind::{Read, Write};
use crate::locks::cond::Partner;
use crate::locks::holder::forget;
use crate::locks::mutex::{C11, Mtx, PTHREAD};
use crate::locks::{guard, once, rwlock, semaphore, spinlock};
use crate::rows::routed;

#[cfg(target_env = "gnu")]
mod gnu;
#[cfg(target_env = "gnu")]
pub(crate) use gnu::GROUP as GNU_GROUP;

type Mutex = *mut pthread_mutex_t;
type Rwlock = *mut pthread_rwlock_t;
type Spin = *mut pthread_spinlock_t;
type Cond = *mut pthread_cond_t;
type Sem = *mut sem_t;
type Time = *const timespec;
type Guard = *mut guard::Guard;
type Init = unsafe extern "C-unwind" fn();

routed! {
    libc pthread_mutex_lock(mutex: Mutex) -> c_int => |mutex| PTHREAD.lock(mutex);
    libc pthread_mutex_trylock(mutex: Mutex) -> c_int => |mutex| PTHREAD.trylock(mutex);
    libc pthread_mutex_timedlock(mutex: Mutex, until: Time) -> c_int => |mutex, until| PTHREAD.timedlock(mutex, || next::pthread_mutex_timedlock.ensure()(mutex, until));
    libc pthread_mutex_unlock(mutex: Mutex) -> c_int => |mutex| PTHREAD.unlock(mutex);
    libc pthread_mutex_init(mutex: Mutex, attributes: *const pthread_mutexattr_t) -> c_int => |mutex, attributes| renew(mutex, || next::pthread_mutex_init.ensure()(mutex, attributes));
    libc pthread_mutex_destroy(mutex: Mutex) -> c_int => |mutex| renew(mutex, || next::pthread_mutex_destroy.ensure()(mutex));
    bare mtx_lock(mutex: *mut Mtx) -> c_int => |mutex| C11.lock(mutex);
    bare mtx_trylock(mutex: *mut Mtx) -> c_int => |mutex| C11.trylock(mutex);
    bare mtx_timedlock(mutex: *mut Mtx, until: Time) -> c_int => |mutex, until| C11.timedlock(mutex, || next::mtx_timedlock.ensure()(mutex, until));
    bare mtx_unlock(mutex: *mut Mtx) -> c_int => |mutex| C11.unlock(mutex);
    bare mtx_init(mutex: *mut Mtx, kind: c_int) -> c_int => |mutex, kind| renew(mutex, || next::mtx_init.ensure()(mutex, kind));
    bare mtx_destroy(mutex: *mut Mtx) => |mutex| renew(mutex, || next::mtx_destroy.ensure()(mutex));

    libc pthread_rwlock_rdlock(lock: Rwlock) -> c_int => |lock| rwlock::lock(lock, Read, next::pthread_rwlock_rdlock);
    libc pthread_rwlock_tryrdlock(lock: Rwlock) -> c_int => |lock| rwlock::trylock(lock, Read);
    bare pthread_rwlock_timedrdlock(lock: Rwlock, until: Time) -> c_int => |lock, until| rwlock::lock_until(lock, Read, || next::pthread_rwlock_timedrdlock.ensure()(lock, until));
    libc pthread_rwlock_wrlock(lock: Rwlock) -> c_int => |lock| rwlock::lock(lock, Write, next::pthread_rwlock_wrlock);
    libc pthread_rwlock_trywrlock(lock: Rwlock) -> c_int => |lock| rwlock::trylock(lock, Write);
    bare pthread_rwlock_timedwrlock(lock: Rwlock, until: Time) -> c_int => |lock, until| rwlock::lock_until(lock, Write, || next::pthread_rwlock_timedwrlock.ensure()(lock, until));
    libc pthread_rwlock_unlock(lock: Rwlock) -> c_int => |lock| rwlock::unlock(lock);
    libc pthread_rwlock_init(lock: Rwlock, attributes: *const pthread_rwlockattr_t) -> c_int => |lock, attributes| renew(lock, || next::pthread_rwlock_init.ensure()(lock, attributes));
    libc pthread_rwlock_destroy(lock: Rwlock) -> c_int => |lock| renew(lock, || next::pthread_rwlock_destroy.ensure()(lock));

    libc pthread_spin_lock(lock: Spin) -> c_int => |lock| spinlock::lock(lock);
    libc pthread_spin_trylock(lock: Spin) -> c_int => |lock| spinlock::trylock(lock);
    libc pthread_spin_unlock(lock: Spin) -> c_int => |lock| spinlock::unlock(lock);
    libc pthread_spin_init(lock: Spin, shared: c_int) -> c_int => |lock, shared| renew(lock, || next::pthread_spin_init.ensure()(lock, shared));
    libc pthread_spin_destroy(lock: Spin) -> c_int => |lock| renew(lock, || next::pthread_spin_destroy.ensure()(lock));

    libc pthread_cond_wait(cond: Cond, mutex: Mutex) -> c_int => |cond, mutex| Partner::of(mutex, &PTHREAD).wait(cond, || next::pthread_cond_wait.ensure()(cond, mutex)), c"GLIBC_2.3.2";
    libc pthread_cond_timedwait(cond: Cond, mutex: Mutex, until: Time) -> c_int => |cond, mutex, until| Partner::of(mutex, &PTHREAD).wait(cond, || next::pthread_cond_timedwait.ensure()(cond, mutex, until)), c"GLIBC_2.3.2";
    bare cnd_wait(cond: Cond, mutex: *mut Mtx) -> c_int => |cond, mutex| Partner::of(mutex, &C11).wait(cond, || next::cnd_wait.ensure()(cond, mutex));
    bare cnd_timedwait(cond: Cond, mutex: *mut Mtx, until: Time) -> c_int => |cond, mutex, until| Partner::of(mutex, &C11).wait(cond, || next::cnd_timedwait.ensure()(cond, mutex, until));

    libc sem_init(semaphore: Sem, shared: c_int, value: c_uint) -> c_int => |semaphore, shared, value| semaphore::init(semaphore, shared, value);
    libc sem_destroy(semaphore: Sem) -> c_int => |semaphore| semaphore::destroy(semaphore);
    libc sem_wait(semaphore: Sem) -> c_int => |semaphore| semaphore::take(semaphore, || next::sem_wait.ensure()(semaphore));
    libc sem_timedwait(semaphore: Sem, until: Time) -> c_int => |semaphore, until| semaphore::take(semaphore, || next::sem_timedwait.ensure()(semaphore, until));
    libc sem_trywait(semaphore: Sem) -> c_int => |semaphore| semaphore::take(semaphore, || next::sem_trywait.ensure()(semaphore));
    libc sem_post(semaphore: Sem) -> c_int => |semaphore| semaphore::post(semaphore);

    bare pthread_once(control: *mut c_int, init: Init) -> c_int => |control, init| once::once(control, init, move || next::pthread_once.ensure()(control, init));
    bare call_once(control: *mut c_int, init: Init) => |control, init| once::once(control, init, move || next::call_once.ensure()(control, init));
    bare __cxa_guard_acquire(guard: Guard) -> c_int => |guard| guard::acquire(guard);
    bare __cxa_guard_release(guard: Guard) => |guard| guard::release(guard);
    bare __cxa_guard_abort(guard: Guard) => |guard| guard::abort(guard);
}

/// The next definitions, by the names of the symbols.
pub(crate) use routed_next as next;

/// Initialises or destroys a lock by `make`: nobody holds it from then on.
#[inline(always)]
fn renew<T, R>(lock: *mut T, make: impl FnOnce() -> R) -> R {
    let result = make();
    forget(lock.expose_provenance());
    result
}
