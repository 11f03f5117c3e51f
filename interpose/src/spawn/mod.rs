//! `posix_spawn` and exec: the environment that new programs get.
//!
//! These share memory or exec at once, so no lock can be orphaned. What they race with is the
//! environment: `setenv` in another thread moves the array that the kernel is reading. So the
//! environment family is drained, and if they were given `environ` itself, the array of pointers is
//! copied and they run from the copy. On Linux the strings stay where they are, and so does an array that
//! a caller still holds: our `setenv` frees neither.
//!
//! They also carry our entry in `LD_PRELOAD` or `DYLD_INSERT_LIBRARIES` on (`follow=1`): a caller that
//! passes an environment of its own making would lose the library without noticing.
//!
//! Callable in signal handlers and in children of `fork`, `vfork` and `_Fork`: no `malloc`, no lock
//! but the gate's turn, which such children take with a bound.

use core::ffi::{c_char, c_int};
use core::mem::MaybeUninit;
use core::ptr::{self, NonNull};

use crate::drain::Scope;
use crate::environ::{self, Strs};
use crate::family::Family;
use crate::preload::{self, Change};
use crate::{forker, options, reader, sys, threads};

#[cfg(target_os = "linux")]
mod linux;
#[cfg(target_os = "macos")]
mod macos;
#[cfg(target_os = "macos")]
mod target;

#[cfg(target_os = "linux")]
pub(crate) use linux::*;
#[cfg(target_os = "macos")]
pub(crate) use macos::*;

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

/// Calls `start` with the environment that the new program shall get for `env`. `fits` tells whether
/// that program can have the library.
///
/// # Safety
///
/// `env` must be null or a null-terminated array of C strings.
unsafe fn with_environment(
    env: Strs,
    fits: impl FnOnce() -> bool,
    start: impl FnOnce(Strs) -> c_int,
) -> c_int {
    if options::off() {
        return start(env);
    }
    let mut snapshot = Snapshot::new();
    let mut env = env;
    // A thread inside a call (libSystem's `popen` comes through here, or a module of NSS) holds libc's locks.
    // It must not wait for another forker, which would wait for it or go on without: no snapshot then.
    if threads::may_be_many() && !reader::is_inside() {
        let closed = forker::close(Scope::Only(Family::Environment));
        // Only now: the array may have moved since the caller looked.
        if environ::is_current(env) {
            // SAFETY: no other thread is in a function that changes the array.
            let copy = unsafe { snapshot.copy(environ::current()) };
            env = copy.map_or(env, |copy| copy.cast_const());
        }
        if closed {
            forker::open();
        }
    }
    // SAFETY: the caller's array, or the copy of it.
    let change = unsafe { preload::change_for(env, fits) };
    if matches!(change, Change::None) {
        return start(env);
    }
    let mut changed = Snapshot::new();
    // SAFETY: as above.
    match unsafe { changed.copy(env) } {
        Some(copy) => {
            // SAFETY: the copy has room for one more entry, and the change outlives the call.
            unsafe { preload::apply(copy, &change) };
            start(copy)
        }
        None => start(env),
    }
}
