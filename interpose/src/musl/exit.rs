//! `exit` in a child that was forked while the process was in `exit`.
//!
//! Since musl 1.2.6 the first thread that calls `exit` writes its id into a word that nobody ever clears,
//! and whoever calls it later waits for the end of the process (`src/exit/exit.c`). In a child that was
//! forked meanwhile, by another thread or by an exit handler, that end does not come.
//!
//! The word is in libc's own data, where no other word has a reason to hold that id once the fork is
//! over. So it is found by its value, in the child, and only if exactly one word has it.
//!
//! `exit` also waits for libraries' constructors in progress (`ldso/dynlink.c`); of a vanished thread they
//! never end. Such a child runs its exit handlers, writes its streams out, and ends without the
//! destructors.

use core::ffi::{c_char, c_int, c_void};
use core::mem;
use core::ptr;
use core::sync::atomic::{AtomicBool, AtomicI32, AtomicPtr, AtomicU32, Ordering};

use crate::table::next;
use crate::{libc_data, sys};

/// The program's `main`.
pub(crate) type Main = unsafe extern "C-unwind" fn(c_int, Strs, Strs) -> c_int;
type Strs = *const *const c_char;

/// The thread that is in `exit`; 0 if none.
static THREAD: AtomicU32 = AtomicU32::new(0);
/// What it called `exit` with.
static STATUS: AtomicI32 = AtomicI32::new(0);
/// A constructor in progress will never end.
static CUT_SHORT: AtomicBool = AtomicBool::new(false);
/// The program's `main`.
static MAIN: AtomicPtr<()> = AtomicPtr::new(ptr::null_mut());

/// The hook for `exit`.
pub(crate) unsafe fn exit(status: c_int) -> ! {
    if THREAD.compare_exchange(0, sys::gettid(), Ordering::Relaxed, Ordering::Relaxed).is_ok() {
        STATUS.store(status, Ordering::Relaxed);
    }
    // SAFETY: the caller's argument, passed on.
    unsafe { next::exit.ensure()(status) }
}

/// The hook for `__libc_start_main`, from which libc's own `exit` would be called with what `main` returns.
/// No constructor has run yet.
pub(crate) unsafe fn start(
    main: Main,
    count: c_int,
    arguments: Strs,
    init: *mut c_void,
    fini: *mut c_void,
    loader: *mut c_void,
) -> c_int {
    MAIN.store(main as *mut (), Ordering::Relaxed);
    // The first that is registered is the last to run.
    // SAFETY: the function lives as long as the process.
    unsafe { libc::atexit(last) };
    let next = next::__libc_start_main.ensure();
    // SAFETY: the caller's arguments, but for a function of the same kind.
    unsafe { next(main_and_exit, count, arguments, init, fini, loader) }
}

unsafe extern "C-unwind" fn main_and_exit(count: c_int, arguments: Strs, env: Strs) -> c_int {
    // SAFETY: stored by `start`, which libc has called this function from.
    let main: Main = unsafe { mem::transmute(MAIN.load(Ordering::Relaxed)) };
    // SAFETY: libc's arguments for it.
    let status = unsafe { main(count, arguments, env) };
    // SAFETY: what libc does.
    unsafe { exit(status) }
}

/// Runs after all exit handlers.
extern "C" fn last() {
    if CUT_SHORT.load(Ordering::Relaxed) {
        // SAFETY: all streams.
        unsafe { libc::fflush(ptr::null_mut()) };
        sys::exit_now(STATUS.load(Ordering::Relaxed));
    }
}

/// In a child: nobody is in `exit`. `loading` says that a constructor in progress will never end.
pub(super) fn repair(loading: bool) {
    if loading {
        CUT_SHORT.store(true, Ordering::Relaxed);
    }
    let thread = THREAD.load(Ordering::Relaxed);
    if thread == 0 {
        return;
    }
    THREAD.store(0, Ordering::Relaxed);
    let places = libc_data::range().step_by(size_of::<u32>());
    let places = places.map(ptr::with_exposed_provenance_mut::<u32>);
    // SAFETY: libc's data, which no other thread writes.
    let mut found = places.filter(|place| unsafe { place.read_volatile() } == thread);
    // None before 1.2.6.
    match (found.next(), found.next()) {
        // SAFETY: as above.
        (Some(lock), None) => unsafe { lock.write_volatile(0) },
        (None, _) => {}
        _ => log::error!(
            "another thread was in exit() when this process was forked, and which lock it holds cannot be \
             told; a child that calls exit() may hang"
        ),
    }
}
