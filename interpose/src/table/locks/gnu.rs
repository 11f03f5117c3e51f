//! Those that glibc has and musl has not, and glibc's other names for some.

use core::ffi::c_int;

use libc::{clockid_t, pthread_mutexattr_t, pthread_rwlockattr_t};

use super::{Cond, Init, Mutex, Rwlock, Sem, Time, next as libc_next, renew};
use crate::locks::Kind::{Read, Write};
use crate::locks::cond::Partner;
use crate::locks::mutex::PTHREAD;
use crate::locks::{once, rwlock, semaphore};
use crate::rows::routed;

routed! {
    bare pthread_mutex_clocklock(mutex: Mutex, clock: clockid_t, until: Time) -> c_int => |mutex, clock, until| PTHREAD.timedlock(mutex, || routed_next::pthread_mutex_clocklock.ensure()(mutex, clock, until));
    bare pthread_rwlock_clockrdlock(lock: Rwlock, clock: clockid_t, until: Time) -> c_int => |lock, clock, until| rwlock::lock_until(lock, Read, || routed_next::pthread_rwlock_clockrdlock.ensure()(lock, clock, until));
    bare pthread_rwlock_clockwrlock(lock: Rwlock, clock: clockid_t, until: Time) -> c_int => |lock, clock, until| rwlock::lock_until(lock, Write, || routed_next::pthread_rwlock_clockwrlock.ensure()(lock, clock, until));
    bare pthread_cond_clockwait(cond: Cond, mutex: Mutex, clock: clockid_t, until: Time) -> c_int => |cond, mutex, clock, until| Partner::of(mutex, &PTHREAD).wait(cond, || routed_next::pthread_cond_clockwait.ensure()(cond, mutex, clock, until));
    bare sem_clockwait(semaphore: Sem, clock: clockid_t, until: Time) -> c_int => |semaphore, clock, until| semaphore::take(semaphore, || routed_next::sem_clockwait.ensure()(semaphore, clock, until));
    bare __pthread_mutex_lock(mutex: Mutex) -> c_int => |mutex| PTHREAD.lock(mutex);
    bare __pthread_mutex_trylock(mutex: Mutex) -> c_int => |mutex| PTHREAD.trylock(mutex);
    bare __pthread_mutex_unlock(mutex: Mutex) -> c_int => |mutex| PTHREAD.unlock(mutex);
    bare __pthread_mutex_init(mutex: Mutex, attributes: *const pthread_mutexattr_t) -> c_int => |mutex, attributes| renew(mutex, || libc_next::pthread_mutex_init.ensure()(mutex, attributes));
    bare __pthread_mutex_destroy(mutex: Mutex) -> c_int => |mutex| renew(mutex, || libc_next::pthread_mutex_destroy.ensure()(mutex));
    bare __pthread_rwlock_rdlock(lock: Rwlock) -> c_int => |lock| rwlock::lock(lock, Read, libc_next::pthread_rwlock_rdlock);
    bare __pthread_rwlock_tryrdlock(lock: Rwlock) -> c_int => |lock| rwlock::trylock(lock, Read);
    bare __pthread_rwlock_wrlock(lock: Rwlock) -> c_int => |lock| rwlock::lock(lock, Write, libc_next::pthread_rwlock_wrlock);
    bare __pthread_rwlock_trywrlock(lock: Rwlock) -> c_int => |lock| rwlock::trylock(lock, Write);
    bare __pthread_rwlock_unlock(lock: Rwlock) -> c_int => |lock| rwlock::unlock(lock);
    bare __pthread_rwlock_init(lock: Rwlock, attributes: *const pthread_rwlockattr_t) -> c_int => |lock, attributes| renew(lock, || libc_next::pthread_rwlock_init.ensure()(lock, attributes));
    bare __pthread_rwlock_destroy(lock: Rwlock) -> c_int => |lock| renew(lock, || libc_next::pthread_rwlock_destroy.ensure()(lock));
    bare __pthread_once(control: *mut c_int, init: Init) -> c_int => |control, init| once::once(control, init, move || libc_next::pthread_once.ensure()(control, init));
}

pub(crate) use routed_next::GROUP;
