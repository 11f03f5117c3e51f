//! macOS: the pthread key itself holds the pointer.
//!
//! A read is a call into libSystem and one load relative to the thread pointer; it neither allocates nor
//! locks (libpthread `src/pthread_tsd.c`). Thread-local variables of an image are out: their first use
//! in a thread allocates.

use core::ptr;
use core::sync::atomic::Ordering;

use super::KEY;
use crate::slot::Slot;

/// The calling thread's slot, or null.
#[inline(always)]
pub(crate) fn slot() -> *const Slot {
    let key = KEY.load(Ordering::Relaxed);
    if key == 0 {
        return ptr::null();
    }
    // SAFETY: a key that was made and is never deleted.
    unsafe { libc::pthread_getspecific((key - 1) as libc::pthread_key_t) }.cast_const().cast()
}

/// Makes `slot` the calling thread's slot, once there is a key.
pub(crate) fn set_slot(slot: *const Slot) {
    let key = KEY.load(Ordering::Relaxed);
    if key != 0 {
        // SAFETY: a key that was made and is never deleted; the value is only ever handed to its
        // destructor.
        unsafe { libc::pthread_setspecific((key - 1) as libc::pthread_key_t, slot.cast()) };
    }
}
