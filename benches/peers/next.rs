//! The definition of `random` behind a peer's, looked up while the library is loaded: a peer
//! pays for its gate and for nothing else.

use core::ffi::{c_long, c_void};
use core::mem::transmute;
use core::ptr::null_mut;
use core::sync::atomic::{AtomicPtr, Ordering};

static NEXT: AtomicPtr<c_void> = AtomicPtr::new(null_mut());

#[used]
#[unsafe(link_section = ".init_array")]
static LOOK_UP: extern "C" fn() = look_up;

extern "C" fn look_up() {
    // SAFETY: a look-up by a literal name.
    let next = unsafe { libc::dlsym(libc::RTLD_NEXT, c"random".as_ptr()) };
    NEXT.store(next, Ordering::Relaxed);
}

/// Calls the next definition. Only for programs that do not call before this library is loaded.
#[inline(always)]
pub(crate) fn random() -> c_long {
    let next = NEXT.load(Ordering::Relaxed);
    // SAFETY: `look_up` ran, and what it stored is libc's function of this type.
    let next = unsafe { transmute::<*mut c_void, extern "C" fn() -> c_long>(next) };
    next()
}
