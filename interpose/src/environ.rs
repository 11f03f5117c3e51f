//! Where the environment is.

use core::ffi::c_char;
use core::ptr;

/// An environment's array, ended by a null pointer.
pub(crate) type Strs = *const *const c_char;

/// The variable that holds the environment's array; the program may point it wherever it likes.
#[cfg(target_os = "linux")]
pub(crate) fn place() -> *mut Strs {
    unsafe extern "C" {
        static mut environ: Strs;
    }
    &raw mut environ
}

/// The variable that holds the environment's array; the program may point it wherever it likes.
#[cfg(target_os = "macos")]
pub(crate) fn place() -> *mut Strs {
    unsafe extern "C" {
        safe fn _NSGetEnviron() -> *mut Strs;
    }
    _NSGetEnviron()
}

/// Where the environment is now.
pub(crate) fn current() -> Strs {
    // SAFETY: libc's variable; a pointer is loaded at once.
    unsafe { *place() }
}

/// Whether `env` is the environment, and not an array of the caller's own making.
pub(crate) fn is_current(env: Strs) -> bool {
    !env.is_null() && ptr::eq(env, current())
}

/// The value of `PATH`, or where programs are searched for without it (execvp(3)).
#[cfg(target_os = "macos")]
pub(crate) fn path() -> &'static [u8] {
    // SAFETY: a literal string.
    let value = unsafe { libc::getenv(c"PATH".as_ptr()) };
    if value.is_null() {
        return b"/usr/bin:/bin";
    }
    // SAFETY: libc's pointer to a C string; the caller's next exec has the same race with `putenv`.
    unsafe { core::ffi::CStr::from_ptr(value) }.to_bytes()
}
