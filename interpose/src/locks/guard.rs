//! What a C++ compiler calls around the first use of a static variable inside a function.
//!
//! The three functions are made here rather than passed on: their next definition may be in a libstdc++
//! that only some libraries see (`dlopen` without `RTLD_GLOBAL`), or in none. Guards look as in libstdc++
//! (`libsupc++/guard.cc`), so that objects that have it linked in agree: its first byte says
//! "done", which compiled code looks at, the second "someone is at it", the third "someone waits".

use core::ffi::c_int;

use super::Kind;
use super::holder::{self, Me};
use super::layout;
use crate::sync::{AtomicU32, Ordering};
use crate::sys;

const DONE: u32 = 1;
const PENDING: u32 = 1 << 8;
const WAITED_FOR: u32 = 1 << 16;

/// `__guard` of the C++ ABI for 64-bit processors.
pub(crate) type Guard = u64;

unsafe fn state<'a>(guard: *mut Guard) -> &'a AtomicU32 {
    // SAFETY: the caller has a guard, which is longer than this, aligned, and lives as long as the program's
    // object, or forever.
    unsafe { AtomicU32::from_ptr(guard.cast()) }
}

/// The hook for `__cxa_guard_acquire`: 1 if the caller has to initialise the variable.
pub(crate) unsafe fn acquire(guard: *mut Guard) -> c_int {
    // SAFETY: the caller's guard.
    let state = unsafe { state(guard) };
    let lock = guard.expose_provenance();
    let me = Me::find();
    loop {
        let seen = state.load(Ordering::Acquire);
        if seen & DONE != 0 {
            return 0;
        }
        if seen == 0 {
            if let Some(me) = me {
                me.enter(lock, Kind::Guard);
            }
            let mine = state.compare_exchange(0, PENDING, Ordering::Acquire, Ordering::Relaxed);
            if mine.is_ok() {
                return 1;
            }
            holder::give_up(lock);
            continue;
        }
        let waited_for = seen | WAITED_FOR;
        let said = state.compare_exchange(seen, waited_for, Ordering::Relaxed, Ordering::Relaxed);
        if said.is_ok() {
            sys::futex_wait(state, waited_for, u64::MAX / 2);
        }
    }
}

/// The hook for `__cxa_guard_release`: the variable is initialised.
pub(crate) unsafe fn release(guard: *mut Guard) {
    // SAFETY: the caller's guard.
    unsafe { end(guard, DONE) }
}

/// The hook for `__cxa_guard_abort`: an exception came instead.
pub(crate) unsafe fn abort(guard: *mut Guard) {
    // SAFETY: the caller's guard.
    unsafe { end(guard, 0) }
}

unsafe fn end(guard: *mut Guard, now: u32) {
    // SAFETY: the caller's guard.
    let state = unsafe { state(guard) };
    if state.swap(now, Ordering::AcqRel) & WAITED_FOR != 0 {
        sys::futex_wake(state, i32::MAX);
    }
    holder::give_up(guard.expose_provenance());
}

/// In a child: nobody is at it any more. False if nobody was.
pub(super) fn reset(guard: usize) -> bool {
    let pending = layout::read::<1>(guard).is_some_and(|[state]| state & PENDING != 0);
    if pending {
        // SAFETY: readable, and marked as only a guard is; there is no other thread.
        unsafe { state(core::ptr::with_exposed_provenance_mut(guard)) }.store(0, Ordering::Relaxed);
    }
    pending
}
