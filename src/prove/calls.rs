//! The libc calls of the hazard table.
//!
//! Invariant: each function here makes its libc call and nothing else, because it also runs in a
//! forked child of a process with threads: no allocation, no std, no panic. It returns whether the
//! call succeeded; the worker compares that with the same call's answer before there were threads.
//!
//! Nothing leaves the machine: look-ups go to local files only ([`files_only`]), and what is logged
//! is masked ([`mask_syslog`]).

#![cfg_attr(
    target_env = "musl",
    allow(dead_code, reason = "musl leaves few calls' locks to the child")
)]

#[cfg(target_env = "gnu")]
#[path = "calls/linux.rs"]
mod system;
#[cfg(target_os = "macos")]
#[path = "calls/macos.rs"]
mod system;
#[cfg(target_env = "musl")]
#[path = "calls/musl.rs"]
mod system;

use std::ffi::{CStr, c_char, c_void};
use std::mem;
use std::ptr;
use std::sync::atomic::{AtomicU32, Ordering};

#[cfg(target_env = "gnu")]
#[path = "calls/linux_first.rs"]
mod first;
#[cfg(target_env = "gnu")]
#[path = "calls/linux_more.rs"]
mod more;

#[cfg(target_env = "gnu")]
pub(super) use first::*;
#[cfg(target_env = "gnu")]
pub(super) use more::*;
pub(super) use system::*;

// What the `libc` crate does not declare. `safe` marks calls that take no pointer.
unsafe extern "C" {
    safe fn tzset();
    #[link_name = "gethostbyname"]
    fn libc_gethostbyname(name: *const c_char) -> *mut c_void;
}

/// 2001-09-09 01:46:40 UTC.
#[cfg_attr(
    target_env = "musl",
    allow(deprecated, reason = "time_t of the crate is not that of musl 1.1")
)]
const SECONDS: libc::time_t = 1_000_000_000;
const VARIABLE: &CStr = c"FORKFIX_PROVE";

/// A broken-down time for `mktime` and `strftime` to read.
fn broken_down() -> libc::tm {
    // SAFETY: `tm` is plain data; all zeroes are valid, also for its zone pointer (null).
    let mut tm: libc::tm = unsafe { mem::zeroed() };
    tm.tm_year = 101;
    tm.tm_mday = 9;
    tm
}

// Time zone: one lock around every conversion, and around reading /etc/localtime.

pub(super) fn localtime() -> bool {
    // SAFETY: the pointer is to a constant; the result, which all threads share, is not followed.
    !unsafe { libc::localtime(&SECONDS) }.is_null()
}

pub(super) fn localtime_r() -> bool {
    let mut tm = broken_down();
    // SAFETY: both pointers are to live objects of this frame or to constants.
    !unsafe { libc::localtime_r(&SECONDS, &mut tm) }.is_null()
}

pub(super) fn gmtime_r() -> bool {
    let mut tm = broken_down();
    // SAFETY: both pointers are to live objects of this frame or to constants.
    !unsafe { libc::gmtime_r(&SECONDS, &mut tm) }.is_null()
}

pub(super) fn mktime() -> bool {
    let mut tm = broken_down();
    // SAFETY: the pointer is to a live object of this frame.
    unsafe { libc::mktime(&mut tm) != -1 }
}

pub(super) fn tzset_again() -> bool {
    tzset();
    true
}

pub(super) fn strftime_zone() -> bool {
    let tm = broken_down();
    let mut text = [0; 64];
    // SAFETY: the buffer has the given length, the format ends with a NUL, `tm` is initialised.
    unsafe { libc::strftime(text.as_mut_ptr(), text.len(), c"[%Z]".as_ptr(), &tm) > 0 }
}

// Environment: one lock around every change.

pub(super) fn setenv() -> bool {
    // SAFETY: both strings end with a NUL. Nobody in this process reads the environment meanwhile.
    unsafe { libc::setenv(VARIABLE.as_ptr(), c"1".as_ptr(), 1) == 0 }
}

pub(super) fn unsetenv() -> bool {
    // SAFETY: the name ends with a NUL. Nobody in this process reads the environment meanwhile.
    unsafe { libc::unsetenv(VARIABLE.as_ptr()) == 0 }
}

pub(super) fn putenv() -> bool {
    // SAFETY: the string is static, as it becomes part of the environment; libc does not write to
    // it.
    unsafe { libc::putenv(c"FORKFIX_PROVE=1".as_ptr().cast_mut()) == 0 }
}

// Locale: one rwlock in glibc, a lock for each locale in libSystem.

pub(super) fn setlocale() -> bool {
    // SAFETY: the name ends with a NUL; the result, which all threads share, is not followed.
    !unsafe { libc::setlocale(libc::LC_ALL, c"C".as_ptr()) }.is_null()
}

/// A locale that is not plain "C", as that one is a constant object and takes no lock.
#[cfg(not(target_env = "musl"))]
pub(super) fn newlocale() -> bool {
    // SAFETY: the name ends with a NUL and there is no base locale.
    let locale =
        unsafe { libc::newlocale(libc::LC_ALL_MASK, UTF8_LOCALE.as_ptr(), ptr::null_mut()) };
    if locale.is_null() {
        return false;
    }
    // SAFETY: the locale was just made, is nobody else's, and is not used again.
    unsafe { libc::freelocale(locale) };
    true
}

// Syslog: one lock.

/// Lets nothing through to the log: the lock is taken before the mask is looked at.
pub(super) fn mask_syslog() {
    // SAFETY: any mask is allowed.
    unsafe { libc::setlogmask(1 << libc::LOG_EMERG) };
}

pub(super) fn syslog() -> bool {
    // SAFETY: the format ends with a NUL and takes no argument.
    unsafe { libc::syslog(libc::LOG_DEBUG, c"forkfix prove".as_ptr()) };
    true
}

pub(super) fn openlog() -> bool {
    // SAFETY: the name is static, as libc keeps the pointer.
    unsafe { libc::openlog(c"forkfix".as_ptr(), 0, libc::LOG_USER) };
    // SAFETY: no precondition.
    unsafe { libc::closelog() };
    true
}

// Name services and resolver: one lock for each function with a static result, held over the
// whole look-up, and locks around configuration that every look-up takes.

pub(super) fn getpwnam() -> bool {
    // SAFETY: the name ends with a NUL; the result, which all threads share, is not followed.
    !unsafe { libc::getpwnam(c"root".as_ptr()) }.is_null()
}

pub(super) fn getpwuid() -> bool {
    // SAFETY: any number is allowed; the result, which all threads share, is not followed.
    !unsafe { libc::getpwuid(0) }.is_null()
}

pub(super) fn getgrnam() -> bool {
    // SAFETY: the name ends with a NUL; the result, which all threads share, is not followed.
    !unsafe { libc::getgrnam(c"root".as_ptr()) }.is_null()
}

pub(super) fn getservbyname() -> bool {
    // SAFETY: both strings end with a NUL; the result, which all threads share, is not followed.
    !unsafe { libc::getservbyname(c"http".as_ptr(), c"tcp".as_ptr()) }.is_null()
}

pub(super) fn getprotobyname() -> bool {
    // SAFETY: the name ends with a NUL; the result, which all threads share, is not followed.
    !unsafe { libc::getprotobyname(c"tcp".as_ptr()) }.is_null()
}

/// The first entry of an enumeration. What it yields is not judged: parent and child share the open
/// file's offset, and another thread may have ended the enumeration meanwhile.
pub(super) fn getpwent() -> bool {
    // SAFETY: no precondition.
    unsafe { libc::setpwent() };
    // SAFETY: the result, which all threads share, is not followed.
    unsafe { libc::getpwent() };
    // SAFETY: no precondition.
    unsafe { libc::endpwent() };
    true
}

pub(super) fn gethostbyname() -> bool {
    // SAFETY: the name ends with a NUL; the result, which all threads share, is not followed.
    !unsafe { libc_gethostbyname(c"localhost".as_ptr()) }.is_null()
}

pub(super) fn getaddrinfo() -> bool {
    // SAFETY: `addrinfo` is plain data; all zeroes are "no wishes".
    let mut hints: libc::addrinfo = unsafe { mem::zeroed() };
    hints.ai_flags = libc::AI_ADDRCONFIG;
    hints.ai_socktype = libc::SOCK_STREAM;
    let mut found = ptr::null_mut();
    // SAFETY: the name ends with a NUL, there is no service, the other two point to this frame.
    let error =
        unsafe { libc::getaddrinfo(c"localhost".as_ptr(), ptr::null(), &hints, &mut found) };
    if error != 0 {
        return false;
    }
    // SAFETY: the call succeeded, so the list is ours to free, once.
    unsafe { libc::freeaddrinfo(found) };
    true
}

// Spawn: no lock, but a race. `posix_spawn` hands `environ` to the kernel while other threads move
// the array.

/// How many variables the spawned program must find; see [`fill_environment`].
pub(super) const KEPT_VARIABLES: u32 = 64;
/// The prefix of their names, followed by a number.
pub(super) const KEPT_PREFIX: &str = "FORKFIX_PROVE_KEPT_";

/// Sets the variables that must reach every spawned program.
pub(super) fn fill_environment() {
    for number in 0..KEPT_VARIABLES {
        // SAFETY: the worker has one thread as yet, so nobody reads the environment.
        unsafe { std::env::set_var(format!("{KEPT_PREFIX}{number}"), "1") };
    }
}

/// Sets, or removes again, one of 16 other variables, so that the array grows, shrinks and moves.
pub(super) fn change_environment() -> bool {
    const OTHERS: [&CStr; 16] = [
        c"FORKFIX_PROVE_0",
        c"FORKFIX_PROVE_1",
        c"FORKFIX_PROVE_2",
        c"FORKFIX_PROVE_3",
        c"FORKFIX_PROVE_4",
        c"FORKFIX_PROVE_5",
        c"FORKFIX_PROVE_6",
        c"FORKFIX_PROVE_7",
        c"FORKFIX_PROVE_8",
        c"FORKFIX_PROVE_9",
        c"FORKFIX_PROVE_10",
        c"FORKFIX_PROVE_11",
        c"FORKFIX_PROVE_12",
        c"FORKFIX_PROVE_13",
        c"FORKFIX_PROVE_14",
        c"FORKFIX_PROVE_15",
    ];
    static TURN: AtomicU32 = AtomicU32::new(0);
    let turn = TURN.fetch_add(1, Ordering::Relaxed) as usize;
    let name = OTHERS[turn % OTHERS.len()];
    let error = if (turn / OTHERS.len()).is_multiple_of(2) {
        // SAFETY: both strings end with a NUL; no Rust code reads the environment meanwhile.
        unsafe { libc::setenv(name.as_ptr(), c"1".as_ptr(), 1) }
    } else {
        // SAFETY: the name ends with a NUL; no Rust code reads the environment meanwhile.
        unsafe { libc::unsetenv(name.as_ptr()) }
    };
    error == 0
}
