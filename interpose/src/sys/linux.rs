//! Linux: raw system calls for x86-64 and arm64.

use core::ptr;
use core::sync::atomic::AtomicU32;

use libc::{c_int, c_long};

use super::Wait;

/// A signal set as the kernel sees it: bit `n - 1` stands for signal `n`.
pub(crate) type SignalSet = u64;

/// All signals but those that libc keeps for cancellation and for `setuid` in every thread: a thread that
/// blocked them would hang the thread that waits for it. They are 32 and 33 (nptl(7)), in musl also 34
/// (`src/internal/pthread_impl.h`).
const ALL_BUT_LIBC: SignalSet =
    !((1 << 31) | (1 << 32) | if cfg!(target_env = "musl") { 1 << 33 } else { 0 });

/// Makes a system call and returns what the kernel returned: `-errno` on failure.
///
/// # Safety
///
/// The arguments must be what the system call `number` expects; pointers must be valid for it.
#[cfg(target_arch = "x86_64")]
#[inline]
pub(crate) unsafe fn syscall(number: c_long, args: [usize; 6]) -> isize {
    let result: isize;
    // SAFETY: the caller vouches for the arguments; the clobbers are those of the x86-64 kernel
    // ABI (rcx and r11), everything else is preserved.
    unsafe {
        core::arch::asm!(
            "syscall",
            inlateout("rax") number as isize => result,
            in("rdi") args[0],
            in("rsi") args[1],
            in("rdx") args[2],
            in("r10") args[3],
            in("r8") args[4],
            in("r9") args[5],
            lateout("rcx") _,
            lateout("r11") _,
            options(nostack),
        );
    }
    result
}

/// Makes a system call and returns what the kernel returned: `-errno` on failure.
///
/// # Safety
///
/// The arguments must be what the system call `number` expects; pointers must be valid for it.
#[cfg(target_arch = "aarch64")]
#[inline]
pub(crate) unsafe fn syscall(number: c_long, args: [usize; 6]) -> isize {
    let result: isize;
    // SAFETY: the caller vouches for the arguments; the arm64 kernel ABI preserves every register
    // but x0.
    unsafe {
        core::arch::asm!(
            "svc 0",
            in("x8") number,
            inlateout("x0") args[0] => result,
            in("x1") args[1],
            in("x2") args[2],
            in("x3") args[3],
            in("x4") args[4],
            in("x5") args[5],
            options(nostack),
        );
    }
    result
}

/// A system call whose arguments are plain numbers or pointers to live objects of ours.
macro_rules! sys {
    ($number:ident $(, $arg:expr)* $(,)?) => {
        // SAFETY: every argument is a number, or a pointer that outlives the call to an object of
        // the size this system call reads or writes; each caller below is such a case.
        unsafe { syscall(libc::$number, sys!(@six [] $($arg,)*)) }
    };
    (@six [$($done:expr,)*] $arg:expr, $($rest:expr,)*) => {
        sys!(@six [$($done,)* $arg as usize,] $($rest,)*)
    };
    (@six [$a:expr, $b:expr, $c:expr, $d:expr, $e:expr, $f:expr,]) => { [$a, $b, $c, $d, $e, $f] };
    (@six [$($done:expr,)*]) => { sys!(@six [$($done,)* 0,]) };
}
pub(super) use sys;

/// Sleeps while `word` has the value `expected`, for `timeout_ns` nanoseconds at the most; without an end, also for
/// those who look from outside, if that is centuries.
pub(crate) fn futex_wait(word: &AtomicU32, expected: u32, timeout_ns: u64) -> Wait {
    let timeout = libc::timespec {
        tv_sec: i64::try_from(timeout_ns / 1_000_000_000).unwrap_or(i64::MAX),
        tv_nsec: i64::try_from(timeout_ns % 1_000_000_000).unwrap_or(0),
    };
    let endless = timeout_ns >= u64::MAX / 2;
    let result = sys!(
        SYS_futex,
        word.as_ptr(),
        libc::FUTEX_WAIT | libc::FUTEX_PRIVATE_FLAG,
        expected,
        if endless { ptr::null() } else { &raw const timeout },
    );
    if result == -(libc::ETIMEDOUT as isize) { Wait::TimedOut } else { Wait::Look }
}

/// Wakes up to `count` threads that sleep on `word`.
pub(crate) fn futex_wake(word: &AtomicU32, count: c_int) {
    sys!(SYS_futex, word.as_ptr(), libc::FUTEX_WAKE | libc::FUTEX_PRIVATE_FLAG, count);
}

/// Sleeps for `ns` nanoseconds, or less if a signal arrives.
pub(crate) fn nap(ns: u64) {
    futex_wait(&AtomicU32::new(0), 0, ns);
}

/// The `N` of glibc `2.N`; the greatest number if its version looks different.
#[cfg(target_env = "gnu")]
pub(crate) fn glibc_minor() -> u32 {
    // SAFETY: takes nothing.
    let version = unsafe { libc::gnu_get_libc_version() };
    // SAFETY: a C string of libc's own, which stays as it is.
    let version = unsafe { core::ffi::CStr::from_ptr(version) };
    let minor = version.to_bytes().strip_prefix(b"2.").and_then(|rest| {
        let end = rest.iter().position(|byte| !byte.is_ascii_digit()).unwrap_or(rest.len());
        core::str::from_utf8(rest.get(..end)?).ok()?.parse().ok()
    });
    minor.unwrap_or(u32::MAX)
}

/// The kernel's id of the calling thread.
pub(crate) fn gettid() -> u32 {
    sys!(SYS_gettid) as u32
}

/// The process id, from the kernel: also right in a child of `_Fork` or of a raw `clone`.
pub(crate) fn getpid() -> u32 {
    sys!(SYS_getpid) as u32
}

/// Whether thread `tid` exists in process `pid`.
pub(crate) fn thread_exists(pid: u32, tid: u32) -> bool {
    sys!(SYS_tgkill, pid, tid, 0) != -(libc::ESRCH as isize)
}

/// Blocks every signal but libc's own and returns the mask that was in force.
pub(crate) fn block_signals() -> SignalSet {
    let all: SignalSet = ALL_BUT_LIBC;
    let mut before: SignalSet = 0;
    sys!(
        SYS_rt_sigprocmask,
        libc::SIG_BLOCK,
        &raw const all,
        &raw mut before,
        size_of::<SignalSet>(),
    );
    before
}

/// Puts back a mask that [`block_signals`] returned.
pub(crate) fn restore_signals(mask: SignalSet) {
    sys!(
        SYS_rt_sigprocmask,
        libc::SIG_SETMASK,
        &raw const mask,
        ptr::null_mut::<SignalSet>(),
        size_of::<SignalSet>(),
    );
}

/// Time since an arbitrary point, in nanoseconds. A system call of our own, because libraries that
/// fake the time interpose `clock_gettime` and take locks in it.
pub(crate) fn monotonic_ns() -> u64 {
    let mut now = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    sys!(SYS_clock_gettime, libc::CLOCK_MONOTONIC, &raw mut now);
    now.tv_sec as u64 * 1_000_000_000 + now.tv_nsec as u64
}

/// The clock that counts how long thread `tid` has had a processor, with the number that the kernel gives it
/// (`include/linux/posix-timers_types.h`): of a thread, on a processor.
const fn processor_clock(tid: u32) -> libc::clockid_t {
    !tid.cast_signed() << 3 | 4 | 2
}

/// How long thread `tid` of this process has had a processor, in nanoseconds; `None` if it is gone.
pub(crate) fn processor_ns(tid: u32) -> Option<u64> {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    let known = sys!(SYS_clock_gettime, processor_clock(tid), &raw mut time) == 0;
    known.then_some((time.tv_sec as u64) * 1_000_000_000 + time.tv_nsec as u64)
}

/// The calling thread's id as libc knows it, which in a child of `vfork` is that of the thread that made it.
pub(crate) fn tid_in_libc() -> Option<u32> {
    let mut clock = 0;
    // SAFETY: no preconditions.
    let me = unsafe { libc::pthread_self() };
    // SAFETY: this thread, and a place for the number, which libc makes of the id.
    let result = unsafe { libc::pthread_getcpuclockid(me, &raw mut clock) };
    let tid = !(clock >> 3);
    (result == 0 && clock == processor_clock(tid.cast_unsigned())).then_some(tid.cast_unsigned())
}

/// Writes all of `bytes` with one `write(2)`; what the kernel does not take is lost.
pub(crate) fn write(fd: c_int, bytes: &[u8]) {
    sys!(SYS_write, fd, bytes.as_ptr(), bytes.len());
}

/// Reads once into `buffer`; `None` on an error.
pub(crate) fn read(fd: c_int, buffer: &mut [u8]) -> Option<usize> {
    usize::try_from(sys!(SYS_read, fd, buffer.as_mut_ptr(), buffer.len())).ok()
}

/// Opens `path` for reading, close-on-exec.
pub(crate) fn open_read(path: &core::ffi::CStr) -> Option<c_int> {
    let flags = libc::O_RDONLY | libc::O_CLOEXEC;
    c_int::try_from(sys!(SYS_openat, libc::AT_FDCWD, path.as_ptr(), flags, 0))
        .ok()
        .filter(|fd| *fd >= 0)
}

/// Reads as many entries of directory `fd` as fit; `None` if there are none left.
pub(crate) fn list(fd: c_int, buffer: &mut [u8]) -> Option<usize> {
    let len = sys!(SYS_getdents64, fd, buffer.as_mut_ptr(), buffer.len());
    usize::try_from(len).ok().filter(|len| *len > 0)
}

/// Closes a descriptor of ours.
pub(crate) fn close(fd: c_int) {
    sys!(SYS_close, fd);
}

/// Ends the process at once, running nothing.
pub(crate) fn exit_now(status: c_int) -> ! {
    loop {
        sys!(SYS_exit_group, status);
    }
}

/// Ends the process by SIGABRT, whatever the program does about that signal.
pub(crate) fn abort() -> ! {
    let default = [0usize; 4];
    let (action, none) = (default.as_ptr(), ptr::null::<u8>());
    // The kernel's own layout: the handler first, then flags, restorer and mask, all zero.
    sys!(SYS_rt_sigaction, libc::SIGABRT, action, none, size_of::<u64>());
    restore_signals(0);
    sys!(SYS_kill, getpid(), libc::SIGABRT);
    exit_now(128 + libc::SIGABRT)
}

/// Maps `size` bytes of zeroed memory; `None` if the kernel has none to give.
pub(crate) fn map(size: usize) -> Option<ptr::NonNull<u8>> {
    mmap(size, libc::MAP_PRIVATE | libc::MAP_ANONYMOUS, -1)
}

/// The same, shared with the children of this process.
pub(crate) fn map_for_children(size: usize) -> Option<ptr::NonNull<u8>> {
    mmap(size, libc::MAP_SHARED | libc::MAP_ANONYMOUS, -1)
}

/// Maps memory to read and write.
pub(super) fn mmap(size: usize, flags: c_int, fd: c_int) -> Option<ptr::NonNull<u8>> {
    let access = libc::PROT_READ | libc::PROT_WRITE;
    let result = sys!(SYS_mmap, 0, size, access, flags, fd as isize, 0);
    if (-4095..0).contains(&result) {
        return None;
    }
    ptr::NonNull::new(ptr::with_exposed_provenance_mut(result as usize))
}

/// Unmaps what [`map`] or one of its kin returned.
///
/// # Safety
///
/// `memory` came from one of these with the same `size`, and nothing uses it any more.
pub(crate) unsafe fn unmap(memory: ptr::NonNull<u8>, size: usize) {
    sys!(SYS_munmap, memory.as_ptr(), size);
}

/// Fills `bytes` with random bytes as far as the kernel has them ready.
#[cfg(target_env = "gnu")]
pub(crate) fn random_bytes(bytes: &mut [u8]) {
    sys!(SYS_getrandom, bytes.as_mut_ptr(), bytes.len(), libc::GRND_NONBLOCK);
}

/// Runs `membarrier(2)`; true on success.
pub(crate) fn membarrier(command: c_int) -> bool {
    sys!(SYS_membarrier, command, 0, 0) >= 0
}

/// The commands this kernel's `membarrier(2)` has, as a bit mask; 0 if it has none.
pub(crate) fn membarrier_commands() -> c_int {
    c_int::try_from(sys!(SYS_membarrier, libc::MEMBARRIER_CMD_QUERY, 0, 0)).unwrap_or(0).max(0)
}

/// How many threads this process has; 0 if `/proc` does not say. Each is a directory there, with a link
/// back to the one above.
#[cfg(target_env = "gnu")]
pub(crate) fn thread_count() -> libc::nlink_t {
    let mut about = core::mem::MaybeUninit::<libc::stat64>::uninit();
    let path = c"/proc/self/task".as_ptr();
    if sys!(SYS_newfstatat, libc::AT_FDCWD, path, about.as_mut_ptr(), 0) != 0 {
        return 0;
    }
    // SAFETY: filled in just now.
    unsafe { about.assume_init() }.st_nlink
}

/// The address family and the port, in host order, that socket `fd` is connected to.
pub(crate) fn peer(fd: c_int) -> Option<(c_int, u16)> {
    // `sockaddr_in` and `sockaddr_in6` both have the port right behind the family.
    let mut address = libc::sockaddr_in6 {
        sin6_family: 0,
        sin6_port: 0,
        sin6_flowinfo: 0,
        sin6_addr: libc::in6_addr { s6_addr: [0; 16] },
        sin6_scope_id: 0,
    };
    let mut len = size_of::<libc::sockaddr_in6>() as libc::socklen_t;
    let result = sys!(SYS_getpeername, fd, &raw mut address, &raw mut len);
    (result == 0).then(|| (c_int::from(address.sin6_family), u16::from_be(address.sin6_port)))
}
