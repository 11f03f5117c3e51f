//! The calls that musl guards by a lock which its fork leaves to the child: streams, directories, and
//! threads have one each.

use std::ffi::c_int;
use std::ptr;
use std::sync::atomic::{AtomicPtr, AtomicUsize, Ordering};

// What the `libc` crate does not declare.
unsafe extern "C" {
    fn flockfile(stream: *mut libc::FILE);
    fn funlockfile(stream: *mut libc::FILE);
}

/// A stream to nowhere that all threads share.
static STREAM: AtomicPtr<libc::FILE> = AtomicPtr::new(ptr::null_mut());
static DIRECTORY: AtomicPtr<libc::DIR> = AtomicPtr::new(ptr::null_mut());
static MAIN: AtomicUsize = AtomicUsize::new(0);

pub(in crate::prove) fn open_stream() {
    // SAFETY: both strings end with a NUL.
    let stream = unsafe { libc::fopen(c"/dev/null".as_ptr(), c"w".as_ptr()) };
    STREAM.store(stream, Ordering::Relaxed);
}

pub(in crate::prove) fn fputs() -> bool {
    // SAFETY: the text ends with a NUL; the stream stays open.
    unsafe { libc::fputs(c"forkfix".as_ptr(), STREAM.load(Ordering::Relaxed)) >= 0 }
}

pub(in crate::prove) fn hold_stream() -> bool {
    let stream = STREAM.load(Ordering::Relaxed);
    // SAFETY: the stream stays open.
    unsafe { flockfile(stream) };
    // SAFETY: held by this thread.
    unsafe { funlockfile(stream) };
    true
}

pub(in crate::prove) fn flush_all() -> bool {
    // SAFETY: null stands for all streams.
    unsafe { libc::fflush(ptr::null_mut()) == 0 }
}

pub(in crate::prove) fn open_directory() {
    // SAFETY: the path ends with a NUL.
    DIRECTORY.store(unsafe { libc::opendir(c"/".as_ptr()) }, Ordering::Relaxed);
}

pub(in crate::prove) fn rewinddir() -> bool {
    // SAFETY: the directory stays open.
    unsafe { libc::rewinddir(DIRECTORY.load(Ordering::Relaxed)) };
    true
}

pub(in crate::prove) fn remember_main() {
    // SAFETY: no precondition.
    MAIN.store(unsafe { libc::pthread_self() } as usize, Ordering::Relaxed);
}

pub(in crate::prove) fn priority_of_main() -> bool {
    let (mut policy, mut parameters): (c_int, libc::sched_param) =
        // SAFETY: `sched_param` is plain data, for which zeroes are valid.
        (0, unsafe { std::mem::zeroed() });
    let main = MAIN.load(Ordering::Relaxed) as libc::pthread_t;
    // SAFETY: the main thread, which forks, lives in the child too; both places are of this frame.
    unsafe { libc::pthread_getschedparam(main, &mut policy, &mut parameters) == 0 }
}
