//! The hooks on Linux.

use core::ffi::{c_char, c_int};

use libc::{pid_t, posix_spawn_file_actions_t, posix_spawnattr_t};

use super::{Str, with_environment};
use crate::environ::{self, Strs};
use crate::table::next;
use crate::{history, record};

/// Calls the next definition of `$name` with the environment made from `$env`, which stands where
/// the arguments say so.
macro_rules! start {
    ($name:ident, $env:expr, |$with:ident| ($($arg:expr),*)) => {{
        let next = next::$name.ensure();
        // SAFETY: the caller's arguments, with an environment made from theirs.
        let start = |$with: Strs| unsafe { next($($arg),*) };
        // An ELF loader leaves out a library that does not fit, and says so.
        // SAFETY: the caller's environment.
        unsafe { with_environment($env, || true, start) }
    }};
}

/// The same for exec of the program at `$path`.
macro_rules! exec {
    ($name:ident, $path:expr, $env:expr, |$with:ident| ($($arg:expr),*)) => {{
        let next = next::$name.ensure();
        let start = |$with: Strs| {
            record::exec($path);
            // SAFETY: the caller's arguments, with an environment made from theirs.
            let result = history::executing(|| unsafe { next($($arg),*) });
            record::exec_failed();
            result
        };
        // SAFETY: the caller's environment.
        unsafe { with_environment($env, || true, start) }
    }};
}

/// The hook for `posix_spawn`.
pub(crate) unsafe fn posix_spawn(
    pid: *mut pid_t,
    path: Str,
    actions: *const posix_spawn_file_actions_t,
    attr: *const posix_spawnattr_t,
    argv: *const *mut c_char,
    env: *const *mut c_char,
) -> c_int {
    start!(posix_spawn, env.cast(), |env| (pid, path, actions, attr, argv, env.cast()))
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
    start!(posix_spawnp, env.cast(), |env| (pid, file, actions, attr, argv, env.cast()))
}

/// The hook for `execve`.
pub(crate) unsafe fn execve(path: Str, argv: Strs, env: Strs) -> c_int {
    exec!(execve, path, env, |env| (path, argv, env))
}

/// The hook for `execv`: `execve` with `environ` (execv(3)).
pub(crate) unsafe fn execv(path: Str, argv: Strs) -> c_int {
    exec!(execve, path, environ::current(), |env| (path, argv, env))
}

/// The hook for `execvpe`.
pub(crate) unsafe fn execvpe(file: Str, argv: Strs, env: Strs) -> c_int {
    exec!(execvpe, file, env, |env| (file, argv, env))
}

/// The hook for `execvp`: `execvpe` with `environ` (posix/execvp.c).
pub(crate) unsafe fn execvp(file: Str, argv: Strs) -> c_int {
    exec!(execvpe, file, environ::current(), |env| (file, argv, env))
}

/// The hook for `fexecve`, the only one that takes no environment for an error (posix/fexecve.c).
pub(crate) unsafe fn fexecve(fd: c_int, argv: Strs, env: Strs) -> c_int {
    if env.is_null() {
        // SAFETY: the caller's arguments.
        return unsafe { next::fexecve.ensure()(fd, argv, env) };
    }
    exec!(fexecve, c"(a descriptor)".as_ptr(), env, |env| (fd, argv, env))
}

/// The hook for `execveat`.
#[cfg(target_env = "gnu")]
pub(crate) unsafe fn execveat(fd: c_int, path: Str, argv: Strs, env: Strs, flags: c_int) -> c_int {
    exec!(execveat, path, env, |env| (fd, path, argv, env, flags))
}
