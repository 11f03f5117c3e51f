//! `fflush`.
//!
//! `fflush(NULL)` of libc holds the lock of the list of all streams while it waits for the lock of each
//! (libio/genops.c). If one of them belongs to a thread that sits in `getc`, every `fork` of the process
//! then waits for that list, for as long as no input comes: no drain can help, since neither thread can
//! go on. So it is made here, without ever waiting for a stream with the list locked.

use core::ffi::c_int;
use core::ptr;

use libc::FILE;

use crate::family::Family;
use crate::reader::{self, AtOnce};
use crate::table::{next, streams};
use crate::{options, sys};

/// `PTHREAD_CANCEL_DISABLE` (pthread.h).
const PTHREAD_CANCEL_DISABLE: c_int = 1;

/// How long to nap before looking again at streams that another thread was using, in nanoseconds.
const NAP_NS: u64 = 1_000_000;

/// The hook for `fflush`.
pub(crate) unsafe fn fflush(stream: *mut FILE) -> c_int {
    let at_once = AtOnce::enter(Family::Stdio);
    let slow = at_once.is_none().then(|| reader::enter(Family::Stdio));
    let result = if stream.is_null() && !options::off() && streams::_IO_list_lock.exists() {
        flush_all()
    } else {
        // SAFETY: the caller's argument, passed on.
        unsafe { next::fflush.ensure()(stream) }
    };
    if let Some(inside) = at_once {
        inside.leave();
    }
    drop(slow);
    result
}

/// The hook for `fflush_unlocked`, which takes the same locks if it is given no stream.
pub(crate) unsafe fn fflush_unlocked(stream: *mut FILE) -> c_int {
    if stream.is_null() {
        // SAFETY: no stream.
        return unsafe { fflush(stream) };
    }
    // SAFETY: the caller's argument, passed on.
    unsafe { next::fflush_unlocked.ensure()(stream) }
}

/// Writes out what streams have buffered; `EOF` if one of them could not be.
fn flush_all() -> c_int {
    let mut before = 0;
    // A cancellation while the list is locked would leave it so.
    // SAFETY: a valid place.
    unsafe { streams::pthread_setcancelstate.get()(PTHREAD_CANCEL_DISABLE, &raw mut before) };
    let mut result = 0;
    loop {
        let (worst, busy) = flush_those_free();
        result = result.min(worst);
        if !busy {
            break;
        }
        sys::nap(NAP_NS);
    }
    // SAFETY: the state there was.
    unsafe { streams::pthread_setcancelstate.get()(before, ptr::null_mut()) };
    result
}

/// Writes out the streams that no other thread is using. Returns the worst result, and whether there are
/// others with something to write.
fn flush_those_free() -> (c_int, bool) {
    let (mut worst, mut busy) = (0, false);
    // SAFETY: locks the list for this thread, recursively (libio/genops.c).
    unsafe { streams::_IO_list_lock.get()() };
    // SAFETY: under the list's lock, as long as it is held, every stream it yields lives.
    let mut at = unsafe { streams::_IO_iter_begin.get()() };
    while !at.is_null() {
        // SAFETY: as above.
        let stream = unsafe { streams::_IO_iter_file.get()(at) };
        match flush_if_free(stream) {
            Some(result) => worst = worst.min(result),
            None => busy = true,
        }
        // SAFETY: as above.
        at = unsafe { streams::_IO_iter_next.get()(at) };
    }
    // SAFETY: locked above.
    unsafe { streams::_IO_list_unlock.get()() };
    (worst, busy)
}

/// `None` if another thread is using the stream and it has something to write.
fn flush_if_free(stream: *mut FILE) -> Option<c_int> {
    // SAFETY: a live stream; how much it has to write is read without its lock, which at worst misses what
    // another thread is just writing.
    if unsafe { streams::__fpending.get()(stream) } == 0 {
        return Some(0);
    }
    // SAFETY: a live stream.
    if unsafe { streams::ftrylockfile.get()(stream) } != 0 {
        return None;
    }
    // SAFETY: locked by this thread.
    let result = unsafe { next::fflush_unlocked.get()(stream) };
    // SAFETY: as above.
    unsafe { streams::funlockfile.get()(stream) };
    Some(result)
}
