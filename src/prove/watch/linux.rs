//! Watching a child on Linux: a pidfd tells of its end, `/proc` of what it waits for.

use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::time::Duration;

use crate::sys;

/// The state of a process in which every thread sits in a wait that nothing but a wake-up ends.
pub(super) use crate::watch::Standstill as EndlessWait;

/// The end of a process, to wait for.
pub(super) struct Exit(OwnedFd);

impl Exit {
    /// That of the child `pid`, which has not been reaped.
    pub(super) fn of(pid: libc::pid_t) -> io::Result<Self> {
        sys::process_fd(pid).map(Self)
    }

    /// Whether it has come; waits for that at most `wait`.
    pub(super) fn came_within(&self, wait: Duration) -> io::Result<bool> {
        let mut poll = libc::pollfd { fd: self.0.as_raw_fd(), events: libc::POLLIN, revents: 0 };
        let wait = i32::try_from(wait.as_millis()).unwrap_or(i32::MAX);
        // SAFETY: the pointer is to one live entry, and one is the given number.
        match unsafe { libc::poll(&mut poll, 1, wait) } {
            -1 => Err(io::Error::last_os_error()),
            ready => Ok(ready > 0),
        }
    }
}
