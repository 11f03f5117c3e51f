//! What another thread of this process is doing, as `/proc` tells it.

use core::ffi::CStr;
use core::fmt::Write;

use libc::c_int;

use super::{Activity, close, gettid, open_at, peek, peer, read};
use crate::family::HarmlessWait;
use crate::text::Text;

/// A system call that a thread sits in.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct InSyscall {
    /// Its number in the kernel's own table, see [`Numbers`].
    number: i64,
    /// Its first two arguments.
    args: [usize; 2],
    /// The thread's stack pointer.
    stack: usize,
}

/// How far above the stack pointer the variables of the functions are that made the call, in bytes.
const FRAMES: usize = 64 << 10;

/// The kernel's numbers of some system calls. They are not `libc::SYS_*` where an emulator (qemu-user,
/// Rosetta) runs this program on a machine of another kind: it hands the calls on, and `/proc` shows
/// what arrives.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Numbers {
    futex: i64,
    /// `poll` and `ppoll`, or twice the latter.
    polls: [i64; 2],
    /// `wait4` and `waitid`.
    processes: [i64; 2],
    /// `read`, `write`, `readv` and `writev`.
    transfers: [i64; 4],
    /// Those that go on by themselves, with any lock held: `mmap`, `mprotect`, `munmap`, `brk` and `madvise`,
    /// which wait for their turn to change the address space; `clone`, `vfork` and `clone3`, which wait
    /// until the child runs its program (`posix_spawn` under the lock of `popen`).
    short: [i64; 8],
}

impl Numbers {
    /// Those of the running kernel: `/proc` says of a thread that reads about itself that it reads.
    fn now() -> Option<Self> {
        thread_syscall(gettid()).and_then(|read| Self::of_machine_with_read(read.number))
    }

    fn of_machine_with_read(number: i64) -> Option<Self> {
        match number {
            // x86-64: arch/x86/entry/syscalls/syscall_64.tbl
            0 => Some(Self {
                futex: 202,
                polls: [7, 271],
                processes: [61, 247],
                transfers: [0, 1, 19, 20],
                short: [9, 10, 11, 12, 28, 56, 58, 435],
            }),
            // arm64: include/uapi/asm-generic/unistd.h
            63 => Some(Self {
                futex: 98,
                polls: [73, 73],
                processes: [260, 95],
                transfers: [63, 64, 65, 66],
                short: [222, 226, 215, 214, 233, 220, 220, 435],
            }),
            _ => None,
        }
    }
}

/// What thread `tid` of this process is doing.
pub(crate) fn activity(tid: u32) -> Activity {
    let mut line = [0; 256];
    let (Some(line), Some(numbers)) = (thread_file(tid, "syscall", &mut line), Numbers::now())
    else {
        return Activity::Unknown;
    };
    match parse(line) {
        None => Activity::Running,
        Some(call) if call.number == numbers.futex => Activity::LockWait,
        Some(call) if numbers.short.contains(&call.number) => Activity::Running,
        Some(_) => Activity::Blocked,
    }
}

/// The address of the futex that thread `tid` of this process waits for, if it waits for one.
#[cfg(target_env = "gnu")]
pub(crate) fn futex_of(tid: u32) -> Option<usize> {
    let (call, numbers) = (thread_syscall(tid)?, Numbers::now()?);
    (call.number == numbers.futex).then_some(call.args[0])
}

/// The system call that thread `tid` of this process sleeps in.
///
/// `None` if the thread is running, in a page fault, gone, or `/proc` cannot be read (not mounted, fd limit): the
/// caller must then assume the worst. Format: proc(5), `/proc/pid/syscall`.
fn thread_syscall(tid: u32) -> Option<InSyscall> {
    parse(thread_file(tid, "syscall", &mut [0; 256])?)
}

/// The beginning of the file `name` that `/proc` has about thread `tid`, as much as fits.
pub(crate) fn thread_file<'a>(tid: u32, name: &str, buffer: &'a mut [u8]) -> Option<&'a [u8]> {
    let mut path = Text::<48>::new();
    write!(path, "/proc/self/task/{tid}/{name}\0").ok()?;
    beginning(libc::AT_FDCWD, &path, buffer)
}

/// The same with the open directory of all threads, which is faster.
pub(crate) fn listed_file<'a>(
    threads: c_int,
    tid: u32,
    name: &str,
    buffer: &'a mut [u8],
) -> Option<&'a [u8]> {
    let mut path = Text::<48>::new();
    write!(path, "{tid}/{name}\0").ok()?;
    beginning(threads, &path, buffer)
}

fn beginning<'a>(from: c_int, path: &Text<48>, buffer: &'a mut [u8]) -> Option<&'a [u8]> {
    let path = CStr::from_bytes_until_nul(path.as_bytes()).ok()?;
    let fd = open_at(from, path, libc::O_RDONLY).ok()?;
    let len = read(fd, buffer);
    close(fd);
    buffer.get(..len?)
}

/// Where thread `tid`, listed in the open directory `threads`, left user code: its program counter and its
/// stack pointer. `None` if it runs. Format: proc(5), `/proc/pid/syscall`.
pub(crate) fn left_user_code(threads: c_int, tid: u32) -> Option<(u64, u64)> {
    last_two(listed_file(threads, tid, "syscall", &mut [0; 256])?)
}

fn last_two(line: &[u8]) -> Option<(u64, u64)> {
    let mut words = core::str::from_utf8(line).ok()?.split_ascii_whitespace().rev();
    let mut hex = || u64::from_str_radix(words.next()?.strip_prefix("0x")?, 16).ok();
    Some((hex()?, hex()?))
}

fn parse(line: &[u8]) -> Option<InSyscall> {
    let mut words = core::str::from_utf8(line).ok()?.split_ascii_whitespace();
    let number = words.next()?.parse().ok()?;
    let mut hex = || usize::from_str_radix(words.next()?.strip_prefix("0x")?, 16).ok();
    let args = [hex()?, hex()?];
    // After four more arguments.
    let stack = (0..5).map_while(|_| hex()).nth(4)?;
    Some(InSyscall { number, args, stack })
}

/// Whether thread `tid` sleeps in a system call of the kind `wait`.
pub(crate) fn waits(tid: u32, wait: HarmlessWait) -> bool {
    let (Some(call), Some(numbers)) = (thread_syscall(tid), Numbers::now()) else {
        return false;
    };
    match wait {
        HarmlessWait::Dns => numbers.polls.contains(&call.number) && polls_dns_server(&call),
        HarmlessWait::Process => numbers.processes.contains(&call.number),
        HarmlessWait::Completion => {
            let on_stack = call.stack..call.stack + FRAMES;
            call.number == numbers.futex && on_stack.contains(&call.args[0])
        }
        HarmlessWait::Transfer => numbers.transfers.contains(&call.number),
    }
}

/// Whether the first descriptor of `call`, a `poll`, is connected to port 53.
fn polls_dns_server(call: &InSyscall) -> bool {
    if call.args[1] == 0 {
        return false;
    }
    let mut polled = libc::pollfd { fd: -1, events: 0, revents: 0 };
    // SAFETY: `polled` is a local of exactly this size.
    let known = unsafe { peek(call.args[0], (&raw mut polled).cast(), size_of::<libc::pollfd>()) };
    known && polled.fd >= 0 && is_dns_server(polled.fd)
}

fn is_dns_server(fd: c_int) -> bool {
    matches!(peer(fd), Some((libc::AF_INET | libc::AF_INET6, 53)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_blocked_call_is_read() {
        let call = parse(b"7 0x7ffd10 0x1 0x1388 0x0 0x0 0x0 0x7ffc00 0x7f00\n");
        let expected = InSyscall { number: 7, args: [0x7ffd10, 1], stack: 0x7ffc00 };
        assert_eq!(call, Some(expected));
    }

    #[test]
    fn the_numbers_are_the_kernels() {
        let native = Numbers {
            futex: libc::SYS_futex,
            polls: [POLL, libc::SYS_ppoll],
            processes: [libc::SYS_wait4, libc::SYS_waitid],
            transfers: [libc::SYS_read, libc::SYS_write, libc::SYS_readv, libc::SYS_writev],
            short: [
                libc::SYS_mmap,
                libc::SYS_mprotect,
                libc::SYS_munmap,
                libc::SYS_brk,
                libc::SYS_madvise,
                libc::SYS_clone,
                VFORK,
                libc::SYS_clone3,
            ],
        };
        assert_eq!(Numbers::now(), Some(native));
    }

    #[cfg(target_arch = "x86_64")]
    const VFORK: i64 = libc::SYS_vfork;
    #[cfg(not(target_arch = "x86_64"))]
    const VFORK: i64 = libc::SYS_clone;

    #[cfg(target_arch = "x86_64")]
    const POLL: i64 = libc::SYS_poll;
    #[cfg(not(target_arch = "x86_64"))]
    const POLL: i64 = libc::SYS_ppoll;

    #[test]
    fn the_last_two_words_are_addresses() {
        assert_eq!(
            last_two(b"7 0x1 0x2 0x0 0x0 0x0 0x0 0x7ffc00 0x7f00\n"),
            Some((0x7f00, 0x7ffc00))
        );
        assert_eq!(last_two(b"-1 0x7ffc00 0x7f00\n"), Some((0x7f00, 0x7ffc00)));
        assert_eq!(last_two(b"running\n"), None);
        assert_eq!(last_two(b"0x1"), None);
    }

    #[test]
    fn running_and_garbage_are_unknown() {
        assert_eq!(parse(b"-1 0x7ffc00 0x7f00\n"), None);
        assert_eq!(parse(b"running\n"), None);
        assert_eq!(parse(b""), None);
        assert_eq!(parse(b"7 zz 0x1"), None);
    }
}
