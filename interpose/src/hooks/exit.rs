//! The end of the process: `exit`, `quick_exit`, and the return from `main`.
//!
//! From 2.41 on, glibc takes a lock in `exit` that it never gives back, and that fork does not make anew
//! (stdlib/exit.c, BZ 31997): a child that is forked while another thread is in `exit` cannot end. No drain
//! can help, since nobody leaves `exit`. So the lock is found when the first thread takes it, and
//! is free again in such a child. Its `exit` runs the handlers that had not begun yet.
//!
//! The thread in `exit` counts as inside, so that no fork finds the list of handlers locked, which libc
//! does between two of them; one that takes long is given up like any other.
//!
//! The lock is found by what it holds: the first handler that `exit` calls is ours, and looks through
//! libc's variables for a recursive lock that this thread holds now and did not hold before.

use core::ffi::{c_char, c_int, c_void};
use core::ptr;
use core::sync::atomic::{AtomicPtr, AtomicUsize, Ordering};

use crate::family::Family;
use crate::libc_data::{self, Recursive, this_thread};
use crate::reader::{self, Inside, Orphaned};
use crate::table::{exits, next};
use crate::{child, options, sys};

/// The glibc 2.N from which on it is kept.
const FIRST_KEPT: u32 = 41;

/// The thread that ends the process, as `pthread_self` names it; 0 if none.
#[unsafe(link_section = ".data.forkfix")]
static ENDING: AtomicUsize = AtomicUsize::new(0);

/// The lock, once a thread has taken it.
#[unsafe(link_section = ".data.forkfix")]
static LOCK: AtomicPtr<Recursive> = AtomicPtr::new(ptr::null_mut());

/// More locks than one thread holds: streams that it locked and never unlocked.
const HELD: usize = 8;

/// Locks that the thread held before.
static BEFORE: [AtomicUsize; HELD] = [const { AtomicUsize::new(0) }; HELD];

pub(crate) type Main =
    unsafe extern "C-unwind" fn(c_int, *mut *mut c_char, *mut *mut c_char) -> c_int;
pub(crate) type Function = unsafe extern "C-unwind" fn();

/// The hook for `exit`.
pub(crate) unsafe fn exit(status: c_int) -> ! {
    let _inside = begin(|| {
        // SAFETY: the handler lives as long as the process.
        unsafe { exits::__cxa_atexit.ensure()(find, ptr::null_mut(), ptr::null_mut()) };
    });
    // SAFETY: the caller's argument, passed on.
    unsafe { next::exit.ensure()(status) }
}

/// The hook for `quick_exit`.
pub(crate) unsafe fn quick_exit(status: c_int) -> ! {
    let _inside = begin(|| {
        // SAFETY: the handler lives as long as the process.
        unsafe { exits::__cxa_at_quick_exit.ensure()(find, ptr::null_mut()) };
    });
    // SAFETY: the caller's argument, passed on.
    unsafe { next::quick_exit.ensure()(status) }
}

static MAIN: AtomicPtr<()> = AtomicPtr::new(ptr::null_mut());

/// The hook for `__libc_start_main`: the return from `main` is a call of `exit` inside libc.
pub(crate) unsafe fn start_main(
    main: Main,
    argc: c_int,
    argv: *mut *mut c_char,
    init: Option<Function>,
    fini: Option<Function>,
    loaders: Option<Function>,
    stack_end: *mut c_void,
) -> c_int {
    let main = if options::off() {
        main
    } else {
        MAIN.store(main as *mut (), Ordering::Relaxed);
        run_main
    };
    // SAFETY: the caller's arguments, passed on; `run_main` is as good a `main`.
    unsafe { next::__libc_start_main.ensure()(main, argc, argv, init, fini, loaders, stack_end) }
}

unsafe extern "C-unwind" fn run_main(
    argc: c_int,
    argv: *mut *mut c_char,
    environ: *mut *mut c_char,
) -> c_int {
    // SAFETY: what `start_main` was given.
    let main: Main = unsafe { core::mem::transmute(MAIN.load(Ordering::Relaxed)) };
    // SAFETY: libc's arguments, passed on.
    let status = unsafe { main(argc, argv, environ) };
    // SAFETY: what libc does with the status.
    unsafe { exit(status) }
}

/// Enters, and has the lock found. A child of `vfork` does neither: it ends, but the thread goes on in the
/// parent, whose memory this is.
fn begin(register: impl FnOnce()) -> Option<Result<Inside, Orphaned>> {
    if !child::is_own_process() {
        return None;
    }
    let inside = reader::enter(Family::Exit);
    if !options::off() && sys::glibc_minor() >= FIRST_KEPT {
        look_for_lock(register);
    }
    Some(inside)
}

/// Notes that this thread ends the process, and has `register` make `find` the next handler to run.
fn look_for_lock(register: impl FnOnce()) {
    let first = ENDING.compare_exchange(0, this_thread(), Ordering::Relaxed, Ordering::Relaxed);
    if first.is_err() || !LOCK.load(Ordering::Relaxed).is_null() {
        return;
    }
    let mut places = BEFORE.iter();
    libc_data::locks_of_this_thread(|lock| {
        if let Some(place) = places.next() {
            place.store(lock.addr(), Ordering::Relaxed);
        }
    });
    register();
}

/// The first handler that `exit` calls.
unsafe extern "C-unwind" fn find(_: *mut c_void) {
    let mut found = ptr::null_mut();
    let mut count = 0;
    libc_data::locks_of_this_thread(|lock| {
        if BEFORE.iter().all(|before| before.load(Ordering::Relaxed) != lock.addr()) {
            found = lock;
            count += 1;
        }
    });
    if count == 1 {
        LOCK.store(found, Ordering::Release);
    } else {
        log::warn!("the lock of exit was not found; a child forked from now on may hang in exit");
    }
}

/// In a forked child: if the thread that was ending the process is gone, this process has not begun to.
pub(crate) fn repair() {
    let ending = ENDING.load(Ordering::Relaxed);
    if ending == 0 || ending == this_thread() {
        return;
    }
    ENDING.store(0, Ordering::Relaxed);
    let lock = LOCK.load(Ordering::Acquire);
    if !lock.is_null() {
        // SAFETY: libc's lock, whose holder is gone; there is no other thread.
        unsafe { lock.write(Recursive::FREE) };
    }
}
