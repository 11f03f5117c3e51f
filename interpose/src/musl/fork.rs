//! The hooks for functions that fork. See `crate::fork` for why nothing is registered with musl.

use core::ffi::{c_char, c_int};

use libc::{pid_t, termios, winsize};

use crate::table::next;
use crate::{errno, fork, stats};

/// Calls a function of libc's that forks once, with our handlers around it.
fn around(call: impl FnOnce() -> pid_t) -> pid_t {
    // SAFETY: called as libc would.
    unsafe { fork::prepare() };
    let pid = call();
    let failure = errno::get();
    if pid == 0 {
        // SAFETY: as above.
        unsafe { fork::child() };
    } else {
        // SAFETY: as above.
        unsafe { fork::parent() };
    }
    if pid < 0 {
        stats::FAILED.add();
        errno::set(failure);
    }
    pid
}

/// The hook for `fork`.
pub(crate) unsafe fn fork() -> pid_t {
    let next = next::fork.ensure();
    // SAFETY: libc's fork has no preconditions that the caller of ours does not have.
    around(|| unsafe { next() })
}

/// The hook for `forkpty`. In the child libc only makes the terminal its own before it returns.
pub(crate) unsafe fn forkpty(
    terminal: *mut c_int,
    name: *mut c_char,
    settings: *const termios,
    size: *const winsize,
) -> pid_t {
    let next = next::forkpty.ensure();
    // SAFETY: the caller's arguments, passed on.
    around(|| unsafe { next(terminal, name, settings, size) })
}

/// The hook for `daemon`, of which only the last child returns, or the caller if it failed.
pub(crate) unsafe fn daemon(keep_directory: c_int, keep_streams: c_int) -> c_int {
    let next = next::daemon.ensure();
    // SAFETY: the caller's arguments, passed on.
    around(|| unsafe { next(keep_directory, keep_streams) })
}
