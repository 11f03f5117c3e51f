//! The calls that only libSystem guards by a lock that a forked child finds held.

use std::ffi::{CStr, c_char, c_int};
use std::sync::atomic::{AtomicPtr, Ordering};

/// A locale that is not plain "C", which takes no lock.
pub(super) const UTF8_LOCALE: &CStr = c"en_US.UTF-8";

unsafe extern "C" {
    #[link_name = "fputs"]
    fn libc_fputs(text: *const c_char, stream: *mut libc::FILE) -> c_int;
}

/// Nothing: libSystem has no such switch. The names that are asked for (root, localhost, http, tcp) are
/// local ones, which its services look for in local files first.
pub(in crate::prove) fn files_only() {}

// Stdio: one lock for each stream.

/// A stream to nowhere that all threads share.
static STREAM: AtomicPtr<libc::FILE> = AtomicPtr::new(std::ptr::null_mut());

/// Opens the stream.
pub(in crate::prove) fn open_stream() {
    // SAFETY: both strings end with a NUL.
    let stream = unsafe { libc::fopen(c"/dev/null".as_ptr(), c"w".as_ptr()) };
    STREAM.store(stream, Ordering::Relaxed);
}

pub(in crate::prove) fn fputs() -> bool {
    let stream = STREAM.load(Ordering::Relaxed);
    // SAFETY: the text ends with a NUL; the stream was opened before there were threads and is never
    // closed.
    !stream.is_null() && unsafe { libc_fputs(c"forkfix".as_ptr(), stream) >= 0 }
}

/// The conventions of the current locale, read under that locale's lock.
pub(in crate::prove) fn localeconv() -> bool {
    // SAFETY: no precondition; the result, which all threads share, is not followed.
    !unsafe { libc::localeconv() }.is_null()
}
