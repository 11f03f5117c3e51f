//! Who calls the sequence of `fork`: libc, by a triple of handlers that is registered with it, or the hooks,
//! around libc's fork.
//!
//! glibc before 2.36 (BZ 24595) and musl (`src/thread/pthread_atfork.c`) keep the lock of their handlers while
//! these run. A thread in `__cxa_finalize` wants it and cannot come out of the gate; a handler that forks
//! waits for itself. There the hooks do it, and the triple only for forks inside libc that no hook sees. musl
//! has none, and would take its lock at each fork if there were a triple.

use core::sync::atomic::{AtomicBool, Ordering};

#[cfg(not(target_env = "musl"))]
use libc::c_int;

use crate::fork;
#[cfg(not(target_env = "musl"))]
use crate::table;
#[cfg(target_os = "linux")]
use crate::{errno, slot, sys};

static INSTALLED: AtomicBool = AtomicBool::new(false);

/// The glibc 2.N that calls fork handlers without a lock (nptl/register-atfork.c).
#[cfg(target_env = "gnu")]
const FIRST_WITHOUT_LOCK: u32 = 36;

/// The hooks run the handlers.
#[cfg(target_os = "linux")]
static AROUND: AtomicBool = AtomicBool::new(false);

/// Makes sure that each fork comes through here: at load, or before the program's first own registration.
pub(crate) fn install() {
    // Looked at first: a write would cost every fork a page of its own.
    if INSTALLED.load(Ordering::Relaxed) || INSTALLED.swap(true, Ordering::Relaxed) {
        return;
    }
    #[cfg(target_env = "musl")]
    AROUND.store(true, Ordering::Relaxed);
    #[cfg(not(target_env = "musl"))]
    if register() != 0 {
        log::error!("libc has no memory for a fork handler; forks are not protected");
        return;
    }
    #[cfg(target_env = "gnu")]
    AROUND.store(sys::glibc_minor() < FIRST_WITHOUT_LOCK, Ordering::Relaxed);
}

#[cfg(target_env = "gnu")]
fn register() -> c_int {
    let register = table::next::__register_atfork.ensure();
    // Without an object handle no `dlclose` and no `exit` removes it (nptl/register-atfork.c).
    // SAFETY: the handlers live as long as the process: a preloaded library is never unloaded.
    unsafe { register(Some(prepare), Some(parent), Some(child), core::ptr::null_mut()) }
}

#[cfg(target_os = "macos")]
fn register() -> c_int {
    let register = table::next::pthread_atfork.ensure();
    // SAFETY: the handlers live as long as the process: an inserted library is never unloaded.
    unsafe { register(Some(prepare), Some(parent), Some(child)) }
}

/// Whether the hook that called libc runs the handlers.
#[cfg(not(target_env = "musl"))]
fn is_around() -> bool {
    #[cfg(target_os = "linux")]
    return AROUND.load(Ordering::Relaxed) && slot::mine().forks.are_outside();
    #[cfg(target_os = "macos")]
    false
}

#[cfg(not(target_env = "musl"))]
unsafe extern "C-unwind" fn prepare() {
    if !is_around() {
        fork::prepare();
    }
}

#[cfg(not(target_env = "musl"))]
unsafe extern "C-unwind" fn parent() {
    if !is_around() {
        fork::parent();
    }
}

#[cfg(not(target_env = "musl"))]
#[cfg_attr(target_os = "linux", unsafe(link_section = ".text.hot.fork"))]
unsafe extern "C-unwind" fn child() {
    if !is_around() {
        fork::child();
    }
}

/// Makes `call`, which forks.
pub(crate) fn forking<R>(call: impl FnOnce() -> R) -> R {
    install();
    #[cfg(target_os = "linux")]
    if AROUND.load(Ordering::Relaxed) {
        return around(call);
    }
    call()
}

/// The parent of `daemon` ends in libc, without parent handlers.
#[cfg(target_os = "linux")]
fn around<R>(call: impl FnOnce() -> R) -> R {
    fork::prepare();
    let forks = &slot::mine().forks;
    let before = sys::getpid();
    forks.outside(true);
    let result = call();
    forks.outside(false);
    let error = errno::get();
    if sys::getpid() == before {
        fork::parent();
    } else {
        fork::child();
    }
    errno::set(error);
    result
}
