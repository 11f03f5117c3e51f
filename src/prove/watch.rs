//! Whether a child comes back: waiting with a deadline, and the proof of a hang.
//!
//! A child is hung if it has one thread, which sits in a futex wait without a time-out and has not
//! moved between two looks: nobody is left who could wake it. A child that is stuck in any other
//! way is hung when the deadline has passed.
//!
//! Invariant: when [`watch`] returns, the child has been reaped; it was killed by its own pid,
//! which cannot have been reused before that.

use std::fs;
use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;
use std::time::{Duration, Instant};

/// A child gets this long before anybody looks at what it does.
const FIRST_LOOK: Duration = Duration::from_millis(100);
/// From one look to the next.
const NEXT_LOOK: Duration = Duration::from_millis(20);
/// A child that has not come back by then is hung, wherever it sits.
const DEADLINE: Duration = Duration::from_secs(10);

/// What became of a child.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Fate {
    /// It exited with 0.
    Returned,
    /// It died by a signal or exited with another code; which.
    Crashed(String),
    /// It hung, and was killed.
    Hung,
}

/// Waits for the child `pid`, which nobody else waits for.
pub(super) fn watch(pid: libc::pid_t) -> io::Result<Fate> {
    let begun = Instant::now();
    let pidfd = pidfd_open(pid)?;
    let mut wait = FIRST_LOOK;
    let mut last_look = None;
    while !exited(&pidfd, wait)? {
        let look = futex_wait(pid);
        if (look.is_some() && look == last_look) || begun.elapsed() >= DEADLINE {
            // SAFETY: no precondition; the pid is our own child's, not yet reaped.
            unsafe { libc::kill(pid, libc::SIGKILL) };
            reap(pid)?;
            return Ok(Fate::Hung);
        }
        last_look = look;
        wait = NEXT_LOOK;
    }
    let status = reap(pid)?;
    Ok(if status.success() { Fate::Returned } else { Fate::Crashed(status.to_string()) })
}

/// The state of a process whose only thread sits in a futex wait that nothing but a wake-up ends;
/// two equal states are two looks at the same wait.
fn futex_wait(pid: libc::pid_t) -> Option<String> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    if !status.lines().any(|line| line == "Threads:\t1") {
        return None;
    }
    // Number, six arguments, stack pointer, program counter; the fourth argument is the time-out.
    let call = fs::read_to_string(format!("/proc/{pid}/syscall")).ok()?;
    let mut fields = call.split_whitespace();
    let futex = fields.next()? == libc::SYS_futex.to_string();
    let endless = fields.nth(3)? == "0x0";
    (futex && endless).then_some(call)
}

/// A descriptor that becomes readable when the process exits.
fn pidfd_open(pid: libc::pid_t) -> io::Result<OwnedFd> {
    // SAFETY: the call takes two numbers and touches no memory.
    let fd = unsafe { libc::syscall(libc::SYS_pidfd_open, pid, 0) };
    if fd < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the kernel has just made this descriptor for us; nobody else owns it.
    Ok(unsafe { OwnedFd::from_raw_fd(fd as i32) })
}

/// Whether the process has exited; waits for that at most `wait`.
fn exited(pidfd: &OwnedFd, wait: Duration) -> io::Result<bool> {
    let mut poll = libc::pollfd { fd: pidfd.as_raw_fd(), events: libc::POLLIN, revents: 0 };
    let wait = i32::try_from(wait.as_millis()).unwrap_or(i32::MAX);
    // SAFETY: the pointer is to one live entry, and one is the given number.
    match unsafe { libc::poll(&mut poll, 1, wait) } {
        -1 => Err(io::Error::last_os_error()),
        ready => Ok(ready > 0),
    }
}

/// The wait status of a child that has exited or is about to.
fn reap(pid: libc::pid_t) -> io::Result<ExitStatus> {
    let mut status = 0;
    // SAFETY: the pointer is to a live object of this frame.
    if unsafe { libc::waitpid(pid, &mut status, 0) } == pid {
        Ok(ExitStatus::from_raw(status))
    } else {
        Err(io::Error::last_os_error())
    }
}
