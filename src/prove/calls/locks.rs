//! Locks of the program, each of which all threads share.

use std::cell::UnsafeCell;
use std::ffi::c_int;

/// A lock that all threads use as libc's functions do: by its address.
struct Shared<T>(UnsafeCell<T>);

// SAFETY: locks are made to be used by several threads at a time, and nothing else is done to them.
unsafe impl<T> Sync for Shared<T> {}

impl<T> Shared<T> {
    const fn new(lock: T) -> Self {
        Self(UnsafeCell::new(lock))
    }
}

static MUTEX: Shared<libc::pthread_mutex_t> = Shared::new(libc::PTHREAD_MUTEX_INITIALIZER);
static RWLOCK: Shared<libc::pthread_rwlock_t> = Shared::new(libc::PTHREAD_RWLOCK_INITIALIZER);
static SPINLOCK: Shared<libc::pthread_spinlock_t> = Shared::new(0);
// SAFETY: plain numbers, initialised before any thread exists.
static SEMAPHORE: Shared<libc::sem_t> = Shared::new(unsafe { std::mem::zeroed() });

/// Takes a lock and gives it back.
fn pair<T>(
    lock: &Shared<T>,
    take: unsafe extern "C" fn(*mut T) -> c_int,
    release: unsafe extern "C" fn(*mut T) -> c_int,
) -> bool {
    // SAFETY: a lock that was initialised.
    let taken = unsafe { take(lock.0.get()) } == 0;
    // SAFETY: taken just now.
    taken && unsafe { release(lock.0.get()) } == 0
}

pub(in crate::prove) fn mutex() -> bool {
    pair(&MUTEX, libc::pthread_mutex_lock, libc::pthread_mutex_unlock)
}

/// Makes the mutex one that its holder may take again.
pub(in crate::prove) fn make_recursive() {
    let mut attributes = std::mem::MaybeUninit::uninit();
    // SAFETY: a place for attributes.
    unsafe { libc::pthread_mutexattr_init(attributes.as_mut_ptr()) };
    let recursive = libc::PTHREAD_MUTEX_RECURSIVE;
    // SAFETY: initialised above.
    unsafe { libc::pthread_mutexattr_settype(attributes.as_mut_ptr(), recursive) };
    // SAFETY: no thread uses the mutex yet.
    unsafe { libc::pthread_mutex_init(MUTEX.0.get(), attributes.as_ptr()) };
}

pub(in crate::prove) fn read() -> bool {
    pair(&RWLOCK, libc::pthread_rwlock_rdlock, libc::pthread_rwlock_unlock)
}

pub(in crate::prove) fn write() -> bool {
    pair(&RWLOCK, libc::pthread_rwlock_wrlock, libc::pthread_rwlock_unlock)
}

pub(in crate::prove) fn make_spinlock() {
    // SAFETY: no thread uses it yet.
    unsafe { libc::pthread_spin_init(SPINLOCK.0.get(), libc::PTHREAD_PROCESS_PRIVATE) };
}

pub(in crate::prove) fn spinlock() -> bool {
    pair(&SPINLOCK, libc::pthread_spin_lock, libc::pthread_spin_unlock)
}

/// A semaphore that is used as a lock.
pub(in crate::prove) fn make_semaphore() {
    // SAFETY: no thread uses it yet.
    unsafe { libc::sem_init(SEMAPHORE.0.get(), 0, 1) };
}

pub(in crate::prove) fn semaphore() -> bool {
    pair(&SEMAPHORE, libc::sem_wait, libc::sem_post)
}
