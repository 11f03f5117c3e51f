//! A preload library with redhook's `hook!` for `random`, which only passes the call on.

#![expect(missing_docs, reason = "the macro documents nothing of what it makes")]

use core::ffi::c_long;

redhook::hook! {
    unsafe fn random() -> c_long => pass_on {
        // SAFETY: libc's function, which has no preconditions.
        unsafe { redhook::real!(random)() }
    }
}
