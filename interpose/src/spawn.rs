//! `posix_spawn` and exec: the environment that new programs get.
//!
//! These share memory or exec at once, so no lock can be orphaned. What they race with is the
//! environment: `setenv` in another thread moves the array that the kernel is reading. So the
//! environment family is drained, and if they were given `environ` itself, the array of pointers is
//! copied and they run from the copy. The strings stay where they are, and so does an
//! array that a caller still holds: [`environment`] frees neither.
//!
//! They also carry `LD_PRELOAD` on (`follow=1`): a caller that passes an environment of its own
//! making would lose the library without noticing.
//!
//! Callable in signal handlers and in children of `fork`, `vfork` and `_Fork`: no `malloc`, no lock
//! but the gate's turn, which such children take with a bound.

use core::ffi::{c_char, c_int};
use core::mem::MaybeUninit;
use core::ptr::{self, NonNull};

use libc::{pid_t, posix_spawn_file_actions_t, posix_spawnattr_t};

use crate::family::Family;
use crate::forker::{self, Scope};
use crate::hooks::environment::{self, Strs};
use crate::preload;
use crate::table::next;
use crate::{options, sys, threads};

type Str = *const c_char;

/// Entries that need no mapping; most environments have fewer.
const INLINE: usize = 256;

/// A copy of an environment's array.
struct Snapshot {
    inline: [MaybeUninit<Str>; INLINE],
    mapped: Option<(NonNull<u8>, usize)>,
}

impl Snapshot {
    const fn new() -> Self {
        Self { inline: [const { MaybeUninit::uninit() }; INLINE], mapped: None }
    }

    /// Room for `count` pointers; `None` if the kernel has no memory.
    fn room(&mut self, count: usize) -> Option<*mut Str> {
        if count <= INLINE {
            return Some(self.inline.as_mut_ptr().cast());
        }
        let size = count.checked_mul(size_of::<Str>())?;
        let memory = sys::map(size)?;
        self.mapped = Some((memory, size));
        Some(memory.as_ptr().cast())
    }

    /// Copies `env` and leaves room for one more entry.
    ///
    /// # Safety
    ///
    /// `env` must be a null-terminated array that does not change meanwhile.
    unsafe fn copy(&mut self, env: Strs) -> Option<*mut Str> {
        // SAFETY: the caller's word.
        let len = unsafe { length(env) };
        let to = self.room(len + 2)?;
        if len > 0 {
            // SAFETY: `len` entries are there to read and there is room for them.
            unsafe { ptr::copy_nonoverlapping(env, to, len) };
        }
        // SAFETY: within the room.
        unsafe { to.wrapping_add(len).write(ptr::null()) };
        Some(to)
    }
}

impl Drop for Snapshot {
    fn drop(&mut self) {
        if let Some((memory, size)) = self.mapped.take() {
            // SAFETY: mapped by `room`; the call that read it is over.
            unsafe { sys::unmap(memory, size) };
        }
    }
}

/// How many entries `env` has; a null pointer has none, as the kernel sees it.
///
/// # Safety
///
/// `env` must be null or a null-terminated array.
unsafe fn length(env: Strs) -> usize {
    let mut len = 0;
    // SAFETY: up to its null entry the array may be read.
    while !env.is_null() && !unsafe { *env.wrapping_add(len) }.is_null() {
        len += 1;
    }
    len
}

/// Calls `start` with the environment that the new program shall get for `env`.
///
/// # Safety
///
/// `env` must be null or a null-terminated array of C strings.
unsafe fn with_environment(env: Strs, start: impl FnOnce(Strs) -> c_int) -> c_int {
    if options::off() {
        return start(env);
    }
    let mut snapshot = Snapshot::new();
    let mut env = env;
    if threads::may_be_many() {
        let closed = forker::close(Scope::Only(Family::Environment));
        // Only now: the array may have moved since the caller looked.
        if environment::is_current(env) {
            // SAFETY: no other thread is in a function that changes the array.
            let copy = unsafe { snapshot.copy(environment::current()) };
            env = copy.map_or(env, |copy| copy.cast_const());
        }
        if closed {
            forker::open();
        }
    }
    // SAFETY: the caller's array, or the copy of it.
    let Some(line) = (unsafe { preload::line_for(env) }) else {
        return start(env);
    };
    let mut with_line = Snapshot::new();
    // SAFETY: as above.
    match unsafe { with_line.copy(env) } {
        Some(copy) => {
            // SAFETY: the copy has room for one more entry, and `line` outlives the call.
            unsafe { preload::put(copy, &line) };
            start(copy)
        }
        None => start(env),
    }
}

/// Calls the next definition of `$name` with the environment made from `$env`, which stands where
/// the arguments say so.
macro_rules! start {
    ($name:ident, $env:expr, |$with:ident| ($($arg:expr),*)) => {{
        let next = next::$name.ensure();
        // SAFETY: the caller's arguments, with an environment made from theirs.
        let start = |$with: Strs| unsafe { next($($arg),*) };
        // SAFETY: the caller's environment.
        unsafe { with_environment($env, start) }
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
    start!(execve, env, |env| (path, argv, env))
}

/// The hook for `execv`: `execve` with `environ` (execv(3)).
pub(crate) unsafe fn execv(path: Str, argv: Strs) -> c_int {
    start!(execve, environment::current(), |env| (path, argv, env))
}

/// The hook for `execvpe`.
pub(crate) unsafe fn execvpe(file: Str, argv: Strs, env: Strs) -> c_int {
    start!(execvpe, env, |env| (file, argv, env))
}

/// The hook for `execvp`: `execvpe` with `environ` (posix/execvp.c).
pub(crate) unsafe fn execvp(file: Str, argv: Strs) -> c_int {
    start!(execvpe, environment::current(), |env| (file, argv, env))
}

/// The hook for `fexecve`, the only one that takes no environment for an error (posix/fexecve.c).
pub(crate) unsafe fn fexecve(fd: c_int, argv: Strs, env: Strs) -> c_int {
    if env.is_null() {
        // SAFETY: the caller's arguments.
        return unsafe { next::fexecve.ensure()(fd, argv, env) };
    }
    start!(fexecve, env, |env| (fd, argv, env))
}

/// The hook for `execveat`.
pub(crate) unsafe fn execveat(fd: c_int, path: Str, argv: Strs, env: Strs, flags: c_int) -> c_int {
    start!(execveat, env, |env| (fd, path, argv, env, flags))
}
