//! The program: starting it, learning of its end and of that of orphans, and signals to it.

use std::io::{self, Write, stderr};
use std::os::fd::AsRawFd;
use std::ptr;

use libc::{c_int, pid_t};

use super::candidate::Candidate;
use super::procs;
use super::signals::Signals;
use crate::error::Error;
use crate::sys;

/// The program.
pub(super) struct Program {
    pub(super) pid: pid_t,
    /// How it ended, as a shell counts: its status, or 128 and the signal.
    pub(super) status: Option<u8>,
}

impl Program {
    /// Starts it: `exec` makes the child become it, and says why not if it comes back. Orphans among its
    /// descendants become children of this process.
    ///
    /// To be called while this process has one thread, so that its child may do anything.
    pub(super) fn start(signals: &Signals, exec: impl FnOnce() -> Error) -> io::Result<Self> {
        // SAFETY: the option takes one number.
        if unsafe { libc::prctl(libc::PR_SET_CHILD_SUBREAPER, 1) } != 0 {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: this process has one thread.
        match unsafe { libc::fork() } {
            -1 => Err(io::Error::last_os_error()),
            0 => {
                let error = match signals.give_back() {
                    Ok(()) => exec(),
                    Err(source) => Error::Supervise { source },
                };
                let _ = writeln!(stderr(), "forkfix: {error}");
                // SAFETY: it ends the process at once, which the parent's own end is none of.
                unsafe { libc::_exit(error.exit_code().into()) }
            }
            pid => Ok(Self { pid, status: None }),
        }
    }

    /// Reaps all children that have ended. Returns the signal that has stopped the program, if one has.
    pub(super) fn reap(&mut self) -> Option<c_int> {
        let mut stopped = None;
        loop {
            let mut status = 0;
            // SAFETY: the pointer is to a live object of this frame.
            let pid = unsafe { libc::waitpid(-1, &mut status, libc::WNOHANG | libc::WUNTRACED) };
            if pid <= 0 {
                return stopped.filter(|_| self.status.is_none());
            }
            if pid != self.pid {
                continue;
            }
            if libc::WIFSTOPPED(status) {
                stopped = Some(libc::WSTOPSIG(status));
            } else if libc::WIFSIGNALED(status) {
                self.status = Some(128 + libc::WTERMSIG(status) as u8);
            } else {
                self.status = Some(libc::WEXITSTATUS(status) as u8);
            }
        }
    }

    /// Passes a signal on, if the program has not ended.
    pub(super) fn signal(&self, signal: c_int) {
        if self.status.is_none() {
            // Not reaped yet, so the number is still its own.
            // SAFETY: no pointer.
            unsafe { libc::kill(self.pid, signal) };
        }
    }
}

/// Sends `signal` to all descendants of this process. Whether there are any.
pub(super) fn signal_all(signal: c_int) -> bool {
    let all = procs::descendants(std::process::id().cast_signed());
    for pid in &all {
        // SAFETY: no pointer. It was there a moment ago, and numbers are not used again so soon.
        unsafe { libc::kill(*pid, signal) };
    }
    !all.is_empty()
}

/// Sends `signal` to a child that hangs, and to no other process that might have got its number. Whether it
/// could be sent.
pub(super) fn signal_child(child: &Candidate, signal: c_int) -> bool {
    let fd = sys::process_fd(child.pid.cast_signed()).ok().filter(|_| child.is_there());
    let Some(fd) = fd else { return false };
    let nothing = ptr::null::<libc::siginfo_t>();
    // SAFETY: without information of ours the kernel makes its own, as for kill(2).
    let sent =
        unsafe { libc::syscall(libc::SYS_pidfd_send_signal, fd.as_raw_fd(), signal, nothing, 0) };
    sent == 0
}
