//! `system` and `abort`.

use core::cell::UnsafeCell;
use core::ffi::{c_char, c_int};
use core::mem::MaybeUninit;
use core::ptr;
use core::sync::atomic::{AtomicU32, Ordering};

#[cfg(target_env = "gnu")]
use libc::SIGABRT;
use libc::{SIGINT, SIGQUIT, sigaction};

use crate::family::Family;
use crate::lock::Lock;
#[cfg(target_env = "gnu")]
use crate::sys;
use crate::table::next;
use crate::{errno, options, reader};

/// What SIGINT and SIGQUIT did before `system` had them ignored: it is libc that changes them, for the
/// whole process and for as long as any command runs (sysdeps/posix/system.c). A child that is forked
/// meanwhile would ignore them for ever.
struct Dispositions(UnsafeCell<[MaybeUninit<sigaction>; 2]>);

// SAFETY: written under `LOCK` when nobody is in `system`, and read in a child, which has one thread.
unsafe impl Sync for Dispositions {}

static BEFORE: Dispositions = Dispositions(UnsafeCell::new([MaybeUninit::uninit(); 2]));
const SIGNALS: [c_int; 2] = [SIGINT, SIGQUIT];

#[cfg_attr(target_os = "linux", unsafe(link_section = ".data.forkfix"))]
static LOCK: Lock = Lock::new();
/// How many threads are in `system`.
#[cfg_attr(target_os = "linux", unsafe(link_section = ".data.forkfix"))]
static CALLS: AtomicU32 = AtomicU32::new(0);

/// 1 if the fork in progress does not wait for a thread in `system`. The kernel copies the dispositions
/// before the memory (`copy_process` of Linux), so such a thread may count as gone in a child that ignores
/// the signals.
#[cfg_attr(target_os = "linux", unsafe(link_section = ".data.forkfix"))]
static WAIVED: AtomicU32 = AtomicU32::new(0);

/// Notes that the fork in progress does not wait for a thread in `system`, or that it is over.
pub(crate) fn waive(on: bool) {
    if on || WAIVED.load(Ordering::Relaxed) != 0 {
        WAIVED.store(on.into(), Ordering::Relaxed);
    }
}

/// One call of `system` in progress.
struct Call;

impl Call {
    fn begin() -> Self {
        let _held = LOCK.hold_masked();
        if CALLS.fetch_add(1, Ordering::Relaxed) == 0 {
            for (index, signal) in SIGNALS.into_iter().enumerate() {
                let place = BEFORE.0.get().cast::<sigaction>().wrapping_add(index);
                // SAFETY: a place for a disposition; nobody else uses it now.
                unsafe { sigaction(signal, ptr::null(), place) };
            }
        }
        Self
    }
}

impl Drop for Call {
    fn drop(&mut self) {
        let _held = LOCK.hold_masked();
        CALLS.fetch_sub(1, Ordering::Relaxed);
    }
}

/// The hook for `system`.
pub(crate) unsafe fn system(command: *const c_char) -> c_int {
    if command.is_null() || options::off() {
        // SAFETY: the caller's argument, passed on.
        return unsafe { next::system.ensure()(command) };
    }
    let Ok(_inside) = reader::enter(Family::System) else {
        return errno::with(libc::EAGAIN, -1);
    };
    let _call = Call::begin();
    // SAFETY: the caller's argument, passed on.
    unsafe { next::system.get()(command) }
}

/// In a forked child: our lock is free, and signals that are ignored only because a thread of the parent
/// was in `system` do again what they did before.
#[unsafe(link_section = ".text.hot.fork")]
pub(crate) fn repair() {
    LOCK.free_in_child();
    if CALLS.load(Ordering::Relaxed) + WAIVED.load(Ordering::Relaxed) == 0 {
        return;
    }
    CALLS.store(0, Ordering::Relaxed);
    WAIVED.store(0, Ordering::Relaxed);
    for (index, signal) in SIGNALS.into_iter().enumerate() {
        let before = BEFORE.0.get().cast::<sigaction>().wrapping_add(index);
        let mut now = MaybeUninit::<sigaction>::uninit();
        // SAFETY: a place for a disposition.
        if unsafe { sigaction(signal, ptr::null(), now.as_mut_ptr()) } != 0 {
            continue;
        }
        // SAFETY: filled in just now.
        if unsafe { now.assume_init_ref() }.sa_sigaction == libc::SIG_IGN {
            // SAFETY: filled in when the first of these calls began. `sigaction` takes no lock for these
            // signals and is async-signal-safe.
            unsafe { sigaction(signal, before, ptr::null_mut()) };
        }
    }
}

/// The hook for `abort`: the steps of libc's (stdlib/abort.c) without its lock, which a thread that is gone
/// may hold in a child (BZ 26275). The thread does not count as inside, since a handler may jump out of
/// here, and nothing would tell the forker.
#[cfg(target_env = "gnu")]
pub(crate) unsafe fn abort() -> ! {
    if !options::off() {
        sys::restore_signals(sys::block_signals() & !(1 << (SIGABRT - 1)));
        // SAFETY: no preconditions.
        unsafe { libc::raise(SIGABRT) };
        // There is no handler, or it has returned.
        // SAFETY: no preconditions.
        unsafe { libc::signal(SIGABRT, libc::SIG_DFL) };
        // SAFETY: no preconditions.
        unsafe { libc::raise(SIGABRT) };
    }
    // The first process of a container outlives that, and libc has other means.
    // SAFETY: no preconditions.
    unsafe { next::abort.ensure()() }
}
