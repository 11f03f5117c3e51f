//! The hooks on macOS.

use core::ffi::{CStr, c_char, c_int};

use libc::{pid_t, posix_spawn_file_actions_t, posix_spawnattr_t};

use super::{Str, target, with_environment};
use crate::environ::{self, Strs};
use crate::table::next;

/// The hook for `posix_spawn`.
pub(crate) unsafe fn posix_spawn(
    pid: *mut pid_t,
    path: Str,
    actions: *const posix_spawn_file_actions_t,
    attr: *const posix_spawnattr_t,
    argv: *const *mut c_char,
    env: *const *mut c_char,
) -> c_int {
    let next = next::posix_spawn.ensure();
    // SAFETY: the caller's arguments, with an environment made from theirs.
    let start = |env: Strs| unsafe { next(pid, path, actions, attr, argv, env.cast()) };
    // SAFETY: the caller passes a C string.
    let fits = || unsafe { target::fits(path) };
    // SAFETY: the caller's environment.
    unsafe { with_environment(or_current(env.cast()), fits, start) }
}

/// The hook for `posix_spawnp`.
pub(crate) unsafe fn posix_spawnp(
    pid: *mut pid_t,
    file: Str,
    actions: *const posix_spawn_file_actions_t,
    attr: *const posix_spawnattr_t,
    argv: *const *mut c_char,
    env: *const *mut c_char,
) -> c_int {
    let next = next::posix_spawnp.ensure();
    // SAFETY: the caller's arguments, with an environment made from theirs.
    let start = |env: Strs| unsafe { next(pid, file, actions, attr, argv, env.cast()) };
    // SAFETY: the caller passes a C string.
    let fits = || unsafe { target::found_in_path_fits(file) };
    // SAFETY: the caller's environment.
    unsafe { with_environment(or_current(env.cast()), fits, start) }
}

/// A null pointer stands for the caller's own environment (posix_spawn(2)).
fn or_current(env: Strs) -> Strs {
    if env.is_null() { environ::current() } else { env }
}

/// The hook for `execve`.
pub(crate) unsafe fn execve(path: Str, argv: Strs, env: Strs) -> c_int {
    let next = next::execve.ensure();
    // SAFETY: the caller's arguments, with an environment made from theirs.
    let start = |env: Strs| unsafe { next(path, argv, env) };
    // SAFETY: the caller passes a C string.
    let fits = || unsafe { target::fits(path) };
    // SAFETY: the caller's environment.
    unsafe { with_environment(env, fits, start) }
}

/// The hook for `execv`: `execve` with `environ` (execv(3)).
pub(crate) unsafe fn execv(path: Str, argv: Strs) -> c_int {
    // SAFETY: the caller's arguments, passed on.
    unsafe { execve(path, argv, environ::current()) }
}

/// The hook for `execvp`.
pub(crate) unsafe fn execvp(file: Str, argv: Strs) -> c_int {
    let next = next::execvp.ensure();
    // SAFETY: the caller passes a C string.
    let fits = || unsafe { target::found_in_path_fits(file) };
    // SAFETY: the caller's arguments, passed on.
    unsafe { through_environ(fits, || next(file, argv)) }
}

/// The hook for `execvP`, which is given where to search.
#[expect(non_snake_case, reason = "it is called what the symbol is called")]
pub(crate) unsafe fn execvP(file: Str, search: Str, argv: Strs) -> c_int {
    let next = next::execvP.ensure();
    // SAFETY: the caller passes C strings.
    let fits = || unsafe { target::found_in_fits(CStr::from_ptr(search).to_bytes(), file) };
    // SAFETY: the caller's arguments, passed on.
    unsafe { through_environ(fits, || next(file, search, argv)) }
}

/// For functions that take no environment but use `environ`: points that to ours for the call. If the
/// call fails, another thread may have read the pointer; the array it found has the same strings, but is
/// gone by and by, as is an array that `setenv` replaces.
///
/// # Safety
///
/// `call` must be an exec.
unsafe fn through_environ(fits: impl FnOnce() -> bool, call: impl FnOnce() -> c_int) -> c_int {
    let theirs = environ::current();
    let start = |env: Strs| {
        // SAFETY: libc's variable.
        unsafe { environ::place().write(env) };
        let result = call();
        // SAFETY: as above.
        unsafe { environ::place().write(theirs) };
        result
    };
    // SAFETY: the program's environment.
    unsafe { with_environment(theirs, fits, start) }
}
