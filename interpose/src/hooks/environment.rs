//! Changes of the environment, and the arrays that it has lived in.
//!
//! A caller of `posix_spawn` or `execve` loads `environ` before our hook runs; if another thread's
//! `setenv` moves the array in between, the hook is given an array that libc has freed. So the
//! places where `environ` has been lately are remembered: an unreadable array at one of them is
//! taken for `environ` itself (see [`snapshot`](crate::spawn)).

use core::ffi::c_char;
use core::ptr;
use core::sync::atomic::{AtomicPtr, AtomicUsize, Ordering};

use crate::sys;

/// An environment's array, ended by a null pointer.
pub(crate) type Strs = *const *const c_char;

unsafe extern "C" {
    static environ: Strs;
}

/// How many past places are remembered. A caller holds a stale one for the time between two
/// instructions, or for a time slice if it is interrupted there.
const REMEMBERED: usize = 64;

static PLACES: [AtomicPtr<*const c_char>; REMEMBERED] =
    [const { AtomicPtr::new(ptr::null_mut()) }; REMEMBERED];
/// How many places were remembered.
static COUNT: AtomicUsize = AtomicUsize::new(0);
/// The place remembered last.
static LATEST: AtomicPtr<*const c_char> = AtomicPtr::new(ptr::null_mut());

/// Where the environment is now.
pub(crate) fn current() -> Strs {
    // SAFETY: libc's variable; a pointer is loaded at once.
    unsafe { environ }
}

/// Remembers where the environment is now: after each change, still inside the gate. Where it was
/// before is known, or is an array of the program's own, which libc does not free.
#[inline(always)]
pub(crate) fn remember() {
    let now = current().cast_mut();
    if !ptr::eq(now, LATEST.load(Ordering::Relaxed)) {
        add_place(now);
    }
}

#[cold]
#[inline(never)]
fn add_place(now: *mut *const c_char) {
    LATEST.store(now, Ordering::Relaxed);
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    if let Some(place) = PLACES.get(count % REMEMBERED) {
        place.store(now, Ordering::Relaxed);
    }
}

/// Whether `env` is the environment, or where it was before a change that its caller did not see.
pub(crate) fn is_current_or_stale(env: Strs) -> bool {
    if env.is_null() {
        return false;
    }
    ptr::eq(env, current())
        || PLACES
            .iter()
            .any(|place| ptr::eq(place.load(Ordering::Relaxed), env))
            && !is_readable(env)
}

/// Whether `env` is an array of strings with an equals sign each, read without trusting it.
fn is_readable(env: Strs) -> bool {
    let mut at = env;
    loop {
        let mut entry = 0usize;
        // SAFETY: `entry` is a local of this size.
        let known = unsafe { sys::peek(at.addr(), (&raw mut entry).cast(), size_of::<usize>()) };
        if !known {
            return false;
        }
        if entry == 0 {
            return true;
        }
        if !is_assignment(entry) {
            return false;
        }
        at = at.wrapping_add(1);
    }
}

/// Whether a string at `address` begins with a name and an equals sign.
fn is_assignment(address: usize) -> bool {
    /// Names longer than this are taken for garbage.
    const LONGEST_NAME: usize = 256;
    for offset in 0..LONGEST_NAME {
        let mut byte = 0u8;
        // SAFETY: `byte` is a local of this size.
        let known = unsafe { sys::peek(address.wrapping_add(offset), (&raw mut byte).cast(), 1) };
        match byte {
            b'=' if known => return true,
            0 => return false,
            _ if !known => return false,
            _ => {}
        }
    }
    false
}
