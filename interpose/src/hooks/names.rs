//! Answers and bodies of name look-ups.

use core::ffi::{c_char, c_int};
use core::ptr;

use libc::{EIO, sockaddr, socklen_t};

use crate::errno;
use crate::family::Family;
use crate::reader;
use crate::table::next;

/// The answer of an `_r` look-up: no result, and the error that its manual has for a failed read.
///
/// # Safety
///
/// `found` must be valid for a write.
pub(crate) unsafe fn none<T>(found: *mut *mut T) -> c_int {
    // SAFETY: the caller's word.
    unsafe { found.write(ptr::null_mut()) };
    errno::with(EIO, EIO)
}

/// The answer of an `_r` look-up in the resolver: no result, try again.
///
/// # Safety
///
/// `found` and `error` must be valid for a write.
pub(crate) unsafe fn unresolved<T>(found: *mut *mut T, error: *mut c_int) -> c_int {
    // SAFETY: the caller's word.
    unsafe { found.write(ptr::null_mut()) };
    // SAFETY: the caller's word.
    unsafe { error.write(2) };
    errno::with(libc::EAGAIN, libc::EAGAIN)
}

/// `getnameinfo`. With `NI_NOFQDN` it holds a lock while it asks DNS for the domain for the first
/// time (inet/getnameinfo.c), so then it belongs to a family whose DNS waits count.
pub(crate) unsafe fn getnameinfo(
    address: *const sockaddr,
    len: socklen_t,
    host: *mut c_char,
    host_size: socklen_t,
    service: *mut c_char,
    service_size: socklen_t,
    flags: c_int,
) -> c_int {
    let family = if flags & libc::NI_NOFQDN == 0 { Family::Hosts } else { Family::Names };
    let Ok(_inside) = reader::enter(family) else {
        return libc::EAI_AGAIN;
    };
    let next = next::getnameinfo.get();
    // SAFETY: the caller's arguments, passed on.
    unsafe { next(address, len, host, host_size, service, service_size, flags) }
}
