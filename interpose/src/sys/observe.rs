//! What another thread of this process is doing, as `/proc` tells it.

use core::fmt::Write;

use libc::c_int;

use super::{Activity, close, open_read, peek, peer, read};
use crate::family::HarmlessWait;
use crate::text::Text;

/// A system call that a thread sits in.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct InSyscall {
    /// Its number, as in `libc::SYS_*`.
    number: i64,
    /// Its first two arguments.
    args: [usize; 2],
}

/// What thread `tid` of this process is doing.
pub(crate) fn activity(tid: u32) -> Activity {
    match thread_syscall(tid) {
        None => Activity::Running,
        Some(call) if call.number == libc::SYS_futex => Activity::LockWait,
        Some(_) => Activity::Blocked,
    }
}

/// The system call that thread `tid` of this process sleeps in.
///
/// `None` if the thread is running, gone, or `/proc` cannot be read (not mounted, fd limit): the
/// caller must then assume the worst. Format: proc(5), `/proc/pid/syscall`.
fn thread_syscall(tid: u32) -> Option<InSyscall> {
    let mut path = Text::<48>::new();
    write!(path, "/proc/self/task/{tid}/syscall\0").ok()?;
    let path = core::ffi::CStr::from_bytes_until_nul(path.as_bytes()).ok()?;
    let fd = open_read(path)?;
    let mut line = [0u8; 256];
    let len = read(fd, &mut line);
    close(fd);
    parse(line.get(..len?)?)
}

fn parse(line: &[u8]) -> Option<InSyscall> {
    let mut words = core::str::from_utf8(line).ok()?.split_ascii_whitespace();
    let number = words.next()?.parse().ok()?;
    let mut hex = || usize::from_str_radix(words.next()?.strip_prefix("0x")?, 16).ok();
    Some(InSyscall { number, args: [hex()?, hex()?] })
}

/// Whether thread `tid` sleeps in a system call of the kind `wait`.
pub(crate) fn waits(tid: u32, wait: HarmlessWait) -> bool {
    let Some(call) = thread_syscall(tid) else {
        return false;
    };
    match wait {
        HarmlessWait::Dns => waits_for_dns(&call),
        HarmlessWait::Process => matches!(call.number, libc::SYS_wait4 | libc::SYS_waitid),
        HarmlessWait::Transfer => {
            matches!(
                call.number,
                libc::SYS_read | libc::SYS_readv | libc::SYS_write | libc::SYS_writev
            )
        }
    }
}

/// Whether `call` is a `poll` whose first descriptor is connected to port 53.
fn waits_for_dns(call: &InSyscall) -> bool {
    #[cfg(target_arch = "x86_64")]
    let polls = call.number == libc::SYS_poll || call.number == libc::SYS_ppoll;
    #[cfg(not(target_arch = "x86_64"))]
    let polls = call.number == libc::SYS_ppoll;
    if !polls || call.args[1] == 0 {
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
        assert_eq!(call, Some(InSyscall { number: 7, args: [0x7ffd10, 1] }));
    }

    #[test]
    fn running_and_garbage_are_unknown() {
        assert_eq!(parse(b"running\n"), None);
        assert_eq!(parse(b""), None);
        assert_eq!(parse(b"7 zz 0x1"), None);
    }
}
