//! macOS: functions of libSystem, in their variants that are no cancellation points.
//!
//! All are imported directly, never looked up: what `dlsym` finds is interposed too, even for the
//! library that interposes it. The exceptions are the functions that make a thread sleep until a word
//! changes: macOS 14.4 has public ones, older systems a private one, and without either a thread naps.

use core::cell::UnsafeCell;
use core::ffi::CStr;
use core::ptr;
use core::sync::atomic::{AtomicU32, AtomicUsize, Ordering};

use libc::{c_int, c_void, mode_t, size_t, ssize_t, thread_basic_info};

use super::{Activity, Wait};
use crate::errno;
use crate::family::HarmlessWait;

/// A signal set. Darwin has 31 signals, in the low bits.
pub(crate) type SignalSet = u64;

unsafe extern "C" {
    #[link_name = "write$NOCANCEL"]
    fn write_nocancel(fd: c_int, bytes: *const c_void, len: size_t) -> ssize_t;
    #[link_name = "read$NOCANCEL"]
    fn read_nocancel(fd: c_int, bytes: *mut c_void, len: size_t) -> ssize_t;
    #[link_name = "open$NOCANCEL"]
    fn open_nocancel(path: *const libc::c_char, flags: c_int, ...) -> c_int;
    #[link_name = "close$NOCANCEL"]
    fn close_nocancel(fd: c_int) -> c_int;
    #[link_name = "nanosleep$NOCANCEL"]
    fn nanosleep_nocancel(time: *const libc::timespec, rest: *mut libc::timespec) -> c_int;
    fn clock_gettime_nsec_np(clock: libc::clockid_t) -> u64;
}

/// Makes a call that may fail, and keeps `errno`.
fn quietly<T>(call: impl FnOnce() -> T) -> T {
    let before = errno::get();
    let result = call();
    errno::set(before);
    result
}

/// `os_sync_wait_on_address_with_timeout` (os/os_sync_wait_on_address.h, macOS 14.4): address, value,
/// size, flags, clock, nanoseconds.
type WaitOnAddress = unsafe extern "C" fn(*mut c_void, u64, size_t, u32, u32, u64) -> c_int;
/// `os_sync_wake_by_address_any` and `…_all`: address, size, flags.
type WakeByAddress = unsafe extern "C" fn(*mut c_void, size_t, u32) -> c_int;
/// `__ulock_wait` (xnu bsd/sys/ulock.h): operation, address, value, µs.
type UlockWait = unsafe extern "C" fn(u32, *mut c_void, u64, u32) -> c_int;
/// `__ulock_wake`: operation, address, 0.
type UlockWake = unsafe extern "C" fn(u32, *mut c_void, u64) -> c_int;

/// `OS_CLOCK_MACH_ABSOLUTE_TIME` (os/clock.h).
const MACH_ABSOLUTE_TIME: u32 = 32;
/// `UL_COMPARE_AND_WAIT` and `ULF_WAKE_ALL` (xnu bsd/sys/ulock.h).
const COMPARE_AND_WAIT: u32 = 1;
const WAKE_ALL: u32 = 0x100;

/// How long a thread naps between two looks where the system has nothing better, in nanoseconds.
const NAP_NS: u64 = 200_000;

/// The functions that were found; 0 without.
static WAIT_ON_ADDRESS: AtomicUsize = AtomicUsize::new(0);
static WAKE_ANY: AtomicUsize = AtomicUsize::new(0);
static WAKE_EVERY: AtomicUsize = AtomicUsize::new(0);
static ULOCK_WAIT: AtomicUsize = AtomicUsize::new(0);
static ULOCK_WAKE: AtomicUsize = AtomicUsize::new(0);

/// Finds out how threads can sleep; for the constructor. Before, they nap.
pub(crate) fn find_waits() {
    let places = [
        (&WAKE_ANY, c"os_sync_wake_by_address_any"),
        (&WAKE_EVERY, c"os_sync_wake_by_address_all"),
        (&WAIT_ON_ADDRESS, c"os_sync_wait_on_address_with_timeout"),
        (&ULOCK_WAKE, c"__ulock_wake"),
        (&ULOCK_WAIT, c"__ulock_wait"),
    ];
    for (place, name) in places {
        place.store(symbol(name).addr(), Ordering::Release);
    }
}

/// Looks up a function of libSystem that this version of macOS may lack; null if it does. Not for
/// functions that we interpose.
pub(crate) fn symbol(name: &CStr) -> *const c_void {
    // SAFETY: a C string; no other preconditions.
    unsafe { libc::dlsym(libc::RTLD_DEFAULT, name.as_ptr()) }
}

/// Sleeps while `word` has the value `expected`, for `timeout_ns` nanoseconds at the most.
pub(crate) fn futex_wait(word: &AtomicU32, expected: u32, timeout_ns: u64) -> Wait {
    let address = word.as_ptr().cast();
    let public = WAIT_ON_ADDRESS.load(Ordering::Acquire);
    let private = ULOCK_WAIT.load(Ordering::Acquire);
    if public != 0 {
        // SAFETY: the address of that function, which has this signature.
        let wait: WaitOnAddress = unsafe { core::mem::transmute(public) };
        // A time-out of zero is an error.
        let ns = timeout_ns.max(1);
        // SAFETY: a live word of four bytes.
        ended(|| unsafe { wait(address, expected.into(), 4, 0, MACH_ABSOLUTE_TIME, ns) })
    } else if private != 0 {
        // SAFETY: as above.
        let wait: UlockWait = unsafe { core::mem::transmute(private) };
        // Zero means for ever.
        let us = u32::try_from(timeout_ns / 1000).unwrap_or(u32::MAX).max(1);
        // SAFETY: as above.
        ended(|| unsafe { wait(COMPARE_AND_WAIT, address, expected.into(), us) })
    } else {
        look_again_and_again(word, expected, timeout_ns)
    }
}

fn ended(wait: impl FnOnce() -> c_int) -> Wait {
    quietly(
        || {
            if wait() < 0 && errno::get() == libc::ETIMEDOUT { Wait::TimedOut } else { Wait::Look }
        },
    )
}

fn look_again_and_again(word: &AtomicU32, expected: u32, timeout_ns: u64) -> Wait {
    let start = monotonic_ns();
    while word.load(Ordering::Acquire) == expected {
        let left = timeout_ns.saturating_sub(monotonic_ns() - start);
        if left == 0 {
            return Wait::TimedOut;
        }
        nap(left.min(NAP_NS));
    }
    Wait::Look
}

/// Wakes up `count` threads that sleep on `word`: one, or all if it is more than that.
pub(crate) fn futex_wake(word: &AtomicU32, count: c_int) {
    let address = word.as_ptr().cast();
    let public = if count == 1 { &WAKE_ANY } else { &WAKE_EVERY }.load(Ordering::Acquire);
    let private = ULOCK_WAKE.load(Ordering::Acquire);
    if public != 0 {
        // SAFETY: the address of that function, which has this signature.
        let wake: WakeByAddress = unsafe { core::mem::transmute(public) };
        // SAFETY: only the address counts.
        quietly(|| unsafe { wake(address, 4, 0) });
    } else if private != 0 {
        // SAFETY: as above.
        let wake: UlockWake = unsafe { core::mem::transmute(private) };
        let all = if count == 1 { 0 } else { WAKE_ALL };
        // SAFETY: as above.
        quietly(|| unsafe { wake(COMPARE_AND_WAIT | all, address, 0) });
    }
}

/// Sleeps for `ns` nanoseconds, or less if a signal arrives.
pub(crate) fn nap(ns: u64) {
    let time = libc::timespec {
        tv_sec: i64::try_from(ns / 1_000_000_000).unwrap_or(i64::MAX),
        tv_nsec: i64::try_from(ns % 1_000_000_000).unwrap_or(0),
    };
    // SAFETY: a valid time; the rest is not wanted.
    quietly(|| unsafe { nanosleep_nocancel(&raw const time, ptr::null_mut()) });
}

/// The name of the calling thread's port. In a forked child it is another one than before.
pub(crate) fn gettid() -> u32 {
    // SAFETY: no preconditions.
    let me = unsafe { libc::pthread_self() };
    // SAFETY: the calling thread. The name stays the thread's own; there is no reference to give up.
    unsafe { libc::pthread_mach_thread_np(me) }
}

/// The process id.
pub(crate) fn getpid() -> u32 {
    // SAFETY: no preconditions.
    unsafe { libc::getpid() }.cast_unsigned()
}

/// The thread with the port `tid`; `None` if it has ended.
fn thread_info(tid: u32) -> Option<thread_basic_info> {
    let info = UnsafeCell::new(core::mem::MaybeUninit::<thread_basic_info>::uninit());
    let mut count = libc::THREAD_BASIC_INFO_COUNT;
    let flavor = libc::THREAD_BASIC_INFO.cast_unsigned();
    // SAFETY: the place has room for `count` words; a name that is no thread's is refused.
    let result = unsafe { libc::thread_info(tid, flavor, info.get().cast(), &raw mut count) };
    // SAFETY: the kernel filled it in.
    (result == libc::KERN_SUCCESS).then(|| unsafe { info.into_inner().assume_init() })
}

/// Whether thread `tid` exists in this process.
pub(crate) fn thread_exists(_pid: u32, tid: u32) -> bool {
    thread_info(tid).is_some()
}

/// What thread `tid` of this process is doing. What it waits for cannot be told.
pub(crate) fn activity(tid: u32) -> Activity {
    match thread_info(tid) {
        Some(info) if info.run_state == libc::TH_STATE_WAITING => Activity::LockWait,
        Some(_) => Activity::Running,
        None => Activity::Unknown,
    }
}

/// Whether thread `tid` sleeps in a system call of the kind `wait`: nothing tells.
pub(crate) fn waits(_tid: u32, _wait: HarmlessWait) -> bool {
    false
}

/// Blocks every signal and returns the mask that was in force.
pub(crate) fn block_signals() -> SignalSet {
    change_mask(libc::SIG_BLOCK, libc::sigset_t::MAX)
}

/// Puts back a mask that [`block_signals`] returned.
pub(crate) fn restore_signals(mask: SignalSet) {
    change_mask(libc::SIG_SETMASK, mask as libc::sigset_t);
}

fn change_mask(how: c_int, set: libc::sigset_t) -> SignalSet {
    let mut before = 0;
    // SAFETY: both sets are locals.
    unsafe { libc::pthread_sigmask(how, &raw const set, &raw mut before) };
    before.into()
}

/// Time since an arbitrary point, in nanoseconds.
pub(crate) fn monotonic_ns() -> u64 {
    // SAFETY: no preconditions.
    unsafe { clock_gettime_nsec_np(libc::CLOCK_UPTIME_RAW) }
}

/// Writes all of `bytes` with one `write(2)`; what the kernel does not take is lost.
pub(crate) fn write(fd: c_int, bytes: &[u8]) {
    // SAFETY: the bytes are there to read.
    quietly(|| unsafe { write_nocancel(fd, bytes.as_ptr().cast(), bytes.len()) });
}

/// Reads once into `buffer`; `None` on an error.
pub(crate) fn read(fd: c_int, buffer: &mut [u8]) -> Option<usize> {
    // SAFETY: the buffer may be written.
    let len = quietly(|| unsafe { read_nocancel(fd, buffer.as_mut_ptr().cast(), buffer.len()) });
    usize::try_from(len).ok()
}

/// Opens `path` for reading, close-on-exec; never waits for the other end of a pipe.
pub(crate) fn open_read(path: &CStr) -> Option<c_int> {
    let flags = libc::O_RDONLY | libc::O_CLOEXEC | libc::O_NONBLOCK;
    let mode: mode_t = 0;
    // SAFETY: a C string; the mode is not looked at.
    let fd = quietly(|| unsafe { open_nocancel(path.as_ptr(), flags, c_int::from(mode)) });
    (fd >= 0).then_some(fd)
}

/// Closes a descriptor of ours.
pub(crate) fn close(fd: c_int) {
    // SAFETY: ours to close.
    quietly(|| unsafe { close_nocancel(fd) });
}

/// Ends the process at once, running nothing.
pub(crate) fn exit_now(status: c_int) -> ! {
    // SAFETY: no preconditions.
    unsafe { libc::_exit(status) }
}

/// Maps `size` bytes of zeroed memory; `None` if the kernel has none to give.
pub(crate) fn map(size: usize) -> Option<ptr::NonNull<u8>> {
    let access = libc::PROT_READ | libc::PROT_WRITE;
    let kind = libc::MAP_PRIVATE | libc::MAP_ANON;
    // SAFETY: a new mapping wherever there is room.
    let memory = quietly(|| unsafe { libc::mmap(ptr::null_mut(), size, access, kind, -1, 0) });
    if memory == libc::MAP_FAILED { None } else { ptr::NonNull::new(memory.cast()) }
}

/// Unmaps what [`map`] returned.
///
/// # Safety
///
/// `memory` came from [`map`] with the same `size`, and nothing uses it any more.
pub(crate) unsafe fn unmap(memory: ptr::NonNull<u8>, size: usize) {
    // SAFETY: the caller's word.
    quietly(|| unsafe { libc::munmap(memory.as_ptr().cast(), size) });
}
