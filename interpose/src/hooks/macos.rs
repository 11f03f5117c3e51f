//! Bodies and answers of hooks on macOS.

use core::ffi::{c_char, c_int};
use core::ptr;

use libc::{hostent, lconv};

use crate::environ::Strs;
use crate::errno;
use crate::family::Family;
use crate::reader::{self, Inside};
use crate::spawn;
use crate::table::next;

/// The hook for `exit`: the thread is inside until the process ends.
pub(crate) unsafe fn exit(status: c_int) -> ! {
    let _inside = reader::enter(Family::Exit);
    // SAFETY: the caller's argument, passed on.
    unsafe { next::exit.ensure()(status) }
}

/// `struct netent` (netdb.h), of which only pointers are passed on.
pub(crate) enum NetEntry {}

/// The answer of an `_r` look-up: no result, and the error that its manual has for a failed read.
///
/// # Safety
///
/// `found` must be valid for a write.
pub(crate) unsafe fn no_entry<T>(found: *mut *mut T) -> c_int {
    // SAFETY: the caller's word.
    unsafe { found.write(ptr::null_mut()) };
    libc::EIO
}

/// The answer of `getipnodebyname` and its kin: try again.
///
/// # Safety
///
/// `error` must be valid for a write.
pub(crate) unsafe fn no_node(error: *mut c_int) -> *mut hostent {
    // SAFETY: the caller's word. 2 is `TRY_AGAIN` (netdb.h).
    unsafe { error.write(2) };
    errno::with(libc::EAGAIN, ptr::null_mut())
}

struct Conventions(lconv);

// SAFETY: its strings are constants, and nobody may write to what `localeconv` returns.
unsafe impl Sync for Conventions {}

/// Those of the C locale (ISO C, 7.11.2.1): a point, and nothing else.
static PLAIN: Conventions = {
    const NONE: *mut c_char = c"".as_ptr().cast_mut();
    const UNKNOWN: c_char = c_char::MAX;
    Conventions(lconv {
        decimal_point: c".".as_ptr().cast_mut(),
        thousands_sep: NONE,
        grouping: NONE,
        int_curr_symbol: NONE,
        currency_symbol: NONE,
        mon_decimal_point: NONE,
        mon_thousands_sep: NONE,
        mon_grouping: NONE,
        positive_sign: NONE,
        negative_sign: NONE,
        int_frac_digits: UNKNOWN,
        frac_digits: UNKNOWN,
        p_cs_precedes: UNKNOWN,
        p_sep_by_space: UNKNOWN,
        n_cs_precedes: UNKNOWN,
        n_sep_by_space: UNKNOWN,
        p_sign_posn: UNKNOWN,
        n_sign_posn: UNKNOWN,
        int_p_cs_precedes: UNKNOWN,
        int_n_cs_precedes: UNKNOWN,
        int_p_sep_by_space: UNKNOWN,
        int_n_sep_by_space: UNKNOWN,
        int_p_sign_posn: UNKNOWN,
        int_n_sign_posn: UNKNOWN,
    })
};

/// The answer of `localeconv`, which callers use without looking.
pub(crate) fn plain_conventions() -> *mut lconv {
    (&raw const PLAIN.0).cast_mut()
}

// What the functions in `variadic_macos.c` call. They cannot go through the imports of this library,
// which lead past the hooks.

/// Enters a call that uses a stream; what it returns is for `forkfix_leave`.
#[unsafe(no_mangle)]
extern "C-unwind" fn forkfix_enter_stdio() -> u32 {
    reader::enter(Family::Stdio).map_or(0, Inside::suspend)
}

/// Enters a call of the syslog family. False if it must not be made.
///
/// # Safety
///
/// `before` must be valid for a write; `forkfix_leave` wants what is put there.
#[unsafe(no_mangle)]
unsafe extern "C-unwind" fn forkfix_enter_syslog(before: *mut u32) -> bool {
    let Ok(inside) = reader::enter(Family::Syslog) else {
        return false;
    };
    // SAFETY: the caller's word.
    unsafe { before.write(inside.suspend()) };
    true
}

/// Leaves what the calling thread entered last.
#[unsafe(no_mangle)]
extern "C-unwind" fn forkfix_leave(before: u32) {
    drop(Inside::resume(before));
}

/// The hook for `execv`, by a name that C can call.
///
/// # Safety
///
/// As for `execv`.
#[unsafe(no_mangle)]
unsafe extern "C-unwind" fn forkfix_execv(path: *const c_char, argv: Strs) -> c_int {
    // SAFETY: the caller's arguments, passed on.
    unsafe { spawn::execv(path, argv) }
}

/// The hook for `execvp`, by a name that C can call.
///
/// # Safety
///
/// As for `execvp`.
#[unsafe(no_mangle)]
unsafe extern "C-unwind" fn forkfix_execvp(file: *const c_char, argv: Strs) -> c_int {
    // SAFETY: the caller's arguments, passed on.
    unsafe { spawn::execvp(file, argv) }
}

/// The hook for `execve`, by a name that C can call.
///
/// # Safety
///
/// As for `execve`.
#[unsafe(no_mangle)]
unsafe extern "C-unwind" fn forkfix_execve(path: *const c_char, argv: Strs, env: Strs) -> c_int {
    // SAFETY: the caller's arguments, passed on.
    unsafe { spawn::execve(path, argv, env) }
}
