//! The hooks for `pthread_once` and `call_once`.

use super::holder::{self, Me};
use super::{Kind, layout};
use crate::gate::{GATE, UNRESOLVED};
use crate::sync::{AtomicU32, Ordering};
use crate::sys;

/// Calls `once`, which has the initialisation done that the variable at `control` stands for by `init`, or
/// waits for the thread that does it. May be left by an exception.
#[inline(always)]
pub(crate) unsafe fn once<T, R: Default>(
    control: *mut T,
    init: unsafe extern "C-unwind" fn(),
    once: impl FnOnce() -> R,
) -> R {
    let address = control.expose_provenance();
    // SAFETY: the caller's variable.
    if unsafe { layout::is_done(address) } {
        return R::default();
    }
    // SAFETY: as above, and its function.
    unsafe { enter(address, init, once) }
}

#[cold]
unsafe fn enter<R: Default>(
    control: usize,
    init: unsafe extern "C-unwind" fn(),
    once: impl FnOnce() -> R,
) -> R {
    let me = Me::find();
    // SAFETY: as the caller vouches.
    if GATE.flags() & UNRESOLVED != 0 && unsafe { initialise(control, init) } {
        return R::default();
    }
    let _at_it = me.map(|me| {
        me.enter(control, Kind::Once);
        AtIt(control)
    });
    once()
}

/// Does it here, if nobody has begun: up to glibc 2.33 `dlsym` has something initialised when it is first
/// called, which is when this library looks up its symbols, `pthread_once` among them.
unsafe fn initialise(control: usize, init: unsafe extern "C-unwind" fn()) -> bool {
    const BEGUN: u32 = 1;
    const DONE: u32 = 2;
    // SAFETY: the caller's variable.
    let state = unsafe { AtomicU32::from_ptr(core::ptr::with_exposed_provenance_mut(control)) };
    if state.compare_exchange(0, BEGUN, Ordering::Acquire, Ordering::Relaxed).is_err() {
        return false;
    }
    // SAFETY: the caller's function.
    unsafe { init() };
    state.store(DONE, Ordering::Release);
    sys::futex_wake(state, i32::MAX);
    true
}

struct AtIt(usize);

impl Drop for AtIt {
    fn drop(&mut self) {
        holder::give_up(self.0);
    }
}
