//! Watching a child on macOS: a kernel queue tells of its end. What it waits for is not shown to
//! processes without privileges, so a hang takes the whole deadline.

use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::ptr;
use std::time::Duration;

/// The end of a process, to wait for.
pub(super) struct Exit {
    queue: OwnedFd,
    /// It had come before anybody could wait for it.
    over: bool,
}

impl Exit {
    /// That of the child `pid`, which has not been reaped.
    pub(super) fn of(pid: libc::pid_t) -> io::Result<Self> {
        // SAFETY: takes nothing.
        let queue = unsafe { libc::kqueue() };
        if queue < 0 {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: the kernel has just made this descriptor for us; nobody else owns it.
        let queue = unsafe { OwnedFd::from_raw_fd(queue) };
        let exit = libc::kevent {
            ident: pid as libc::uintptr_t,
            filter: libc::EVFILT_PROC,
            flags: libc::EV_ADD,
            fflags: libc::NOTE_EXIT,
            data: 0,
            udata: ptr::null_mut(),
        };
        // SAFETY: one entry is given and none is asked for; a null time-out is not used then.
        let added = unsafe {
            libc::kevent(queue.as_raw_fd(), &raw const exit, 1, ptr::null_mut(), 0, ptr::null())
        };
        match (added, io::Error::last_os_error()) {
            (0.., _) => Ok(Self { queue, over: false }),
            // A child that has exited but was not reaped cannot be added to a queue (kqueue(2)).
            (_, error) if error.raw_os_error() == Some(libc::ESRCH) => {
                Ok(Self { queue, over: true })
            }
            (_, error) => Err(error),
        }
    }

    /// Whether it has come; waits for that at most `wait`.
    pub(super) fn came_within(&self, wait: Duration) -> io::Result<bool> {
        if self.over {
            return Ok(true);
        }
        let wait = libc::timespec {
            tv_sec: wait.as_secs().cast_signed(),
            tv_nsec: i64::from(wait.subsec_nanos()),
        };
        let mut event = libc::kevent {
            ident: 0,
            filter: 0,
            flags: 0,
            fflags: 0,
            data: 0,
            udata: ptr::null_mut(),
        };
        let queue = self.queue.as_raw_fd();
        // SAFETY: there is room for the one entry that is asked for; all live on this frame.
        match unsafe { libc::kevent(queue, ptr::null(), 0, &raw mut event, 1, &raw const wait) } {
            -1 => Err(io::Error::last_os_error()),
            events => Ok(events > 0),
        }
    }
}

/// Nothing shows that a process waits for ever, so there is no value of this type.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum EndlessWait {}

impl EndlessWait {
    /// Always `None`.
    pub(super) fn of(_pid: libc::pid_t) -> Option<Self> {
        None
    }
}
