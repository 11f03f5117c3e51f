//! `errno` and `h_errno` of the calling thread.

use libc::c_int;

#[cfg(target_os = "linux")]
use libc::__errno_location as location;
#[cfg(target_os = "macos")]
use libc::__error as location;

unsafe extern "C" {
    #[cfg(target_env = "gnu")]
    fn __h_errno_location() -> *mut c_int;
    /// One for all threads (netdb.h of macOS).
    #[cfg(target_os = "macos")]
    static mut h_errno: c_int;
}

#[cfg(target_os = "macos")]
unsafe fn __h_errno_location() -> *mut c_int {
    &raw mut h_errno
}

/// `errno` now.
pub(crate) fn get() -> c_int {
    // SAFETY: libc returns a valid pointer into the calling thread's storage.
    let place = unsafe { location() };
    // SAFETY: as above; nothing else accesses it meanwhile.
    unsafe { *place }
}

/// Sets `errno`.
pub(crate) fn set(value: c_int) {
    // SAFETY: libc returns a valid pointer into the calling thread's storage.
    let place = unsafe { location() };
    // SAFETY: as above; nothing else accesses it meanwhile.
    unsafe { *place = value };
}

/// Sets `h_errno`, the error of the resolver's functions (netdb.h).
#[cfg(not(target_env = "musl"))]
pub(crate) fn set_resolver(value: c_int) {
    // SAFETY: libc returns a valid pointer into the calling thread's storage.
    let place = unsafe { __h_errno_location() };
    // SAFETY: as above; nothing else accesses it meanwhile.
    unsafe { *place = value };
}

/// Sets `errno` and passes `value` on: the answer of a call that is not made.
pub(crate) fn with<T>(errno: c_int, value: T) -> T {
    set(errno);
    value
}

/// Sets `h_errno` to "try again" and passes `value` on.
#[cfg(not(target_env = "musl"))]
pub(crate) fn try_again<T>(value: T) -> T {
    set_resolver(2);
    with(libc::EAGAIN, value)
}
