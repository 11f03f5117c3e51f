//! The hooks for `pthread_once` and `call_once`.

use super::holder::{self, Me};
use super::{Kind, layout};

/// Calls `once`, which has the initialisation done that the variable at `control` stands for, or waits for
/// the thread that does it. May be left by an exception.
#[inline(always)]
pub(crate) unsafe fn once<T, R>(control: *mut T, once: impl FnOnce() -> R) -> R {
    let address = control.expose_provenance();
    // SAFETY: the caller's variable.
    if unsafe { layout::is_done(address) } {
        return once();
    }
    enter(address, once)
}

#[cold]
fn enter<R>(control: usize, once: impl FnOnce() -> R) -> R {
    let _at_it = Me::find().map(|me| {
        me.enter(control, Kind::Once);
        AtIt(control)
    });
    once()
}

struct AtIt(usize);

impl Drop for AtIt {
    fn drop(&mut self) {
        holder::give_up(self.0);
    }
}
