//! Where a thread finds its [record](crate::slot), and on Linux its ledger of locks.
//!
//! A pointer each: null until the thread has a record. Readable before any constructor, in signal
//! handlers, and in a forked child. `thread_local!` will not do: it may allocate on a thread's first
//! touch.

use core::ffi::c_void;
use core::sync::atomic::{AtomicUsize, Ordering};

#[cfg(target_os = "linux")]
mod initial_exec;
#[cfg(target_os = "macos")]
mod specific;

#[cfg(target_os = "linux")]
pub(crate) use initial_exec::{ledger, set_ledger, set_slot, slot};
#[cfg(target_os = "macos")]
pub(crate) use specific::{set_slot, slot};

/// Whether a thread without a pthread key has no place for its record.
pub(crate) const NEEDS_KEY: bool = cfg!(target_os = "macos");

/// The pthread key whose destructor gives a record back, plus one; 0 before it was made.
static KEY: AtomicUsize = AtomicUsize::new(0);

/// The pthread key whose destructor is `destructor`, which is always the same; made on first use.
/// `None` if the program has used up all keys.
pub(crate) fn key(destructor: unsafe extern "C" fn(*mut c_void)) -> Option<libc::pthread_key_t> {
    let made = KEY.load(Ordering::Acquire);
    if made != 0 {
        return Some((made - 1) as libc::pthread_key_t);
    }
    let mut key = 0;
    // SAFETY: `key` is a valid place; the destructor has the right signature and never unwinds.
    if unsafe { libc::pthread_key_create(&raw mut key, Some(destructor)) } != 0 {
        return None;
    }
    match KEY.compare_exchange(0, key as usize + 1, Ordering::AcqRel, Ordering::Acquire) {
        Ok(_) => Some(key),
        Err(first) => {
            // SAFETY: just made, known to nobody else.
            unsafe { libc::pthread_key_delete(key) };
            Some((first - 1) as libc::pthread_key_t)
        }
    }
}
