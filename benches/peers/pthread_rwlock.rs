//! A preload library whose gate is a `pthread_rwlock_t`: a reader around `random`.

mod next;

use core::cell::UnsafeCell;
use core::ffi::c_long;

struct Gate(UnsafeCell<libc::pthread_rwlock_t>);

// SAFETY: only libc touches the lock, and it is made for being shared by threads.
unsafe impl Sync for Gate {}

static GATE: Gate = Gate(UnsafeCell::new(libc::PTHREAD_RWLOCK_INITIALIZER));

#[unsafe(no_mangle)]
extern "C" fn random() -> c_long {
    // SAFETY: an initialised lock that lives as long as the process.
    unsafe { libc::pthread_rwlock_rdlock(GATE.0.get()) };
    let result = next::random();
    // SAFETY: locked by this thread above.
    unsafe { libc::pthread_rwlock_unlock(GATE.0.get()) };
    result
}
