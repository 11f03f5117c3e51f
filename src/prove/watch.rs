//! Whether a child comes back: waiting with a deadline, and the proof of a hang.
//!
//! A child is hung if nobody is left in it who could wake anybody, which two equal looks at an
//! [`EndlessWait`] prove. A child that is stuck in any other way, or on a system that shows no such
//! thing, is hung when the deadline has passed.
//!
//! Invariant: when [`watch`] returns, the child has been reaped; it was killed by its own pid,
//! which cannot have been reused before that.

#[cfg(target_os = "linux")]
#[path = "watch/linux.rs"]
mod system;
#[cfg(target_os = "macos")]
#[path = "watch/macos.rs"]
mod system;

use std::io;
use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;
use std::time::{Duration, Instant};

use system::{EndlessWait, Exit};

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
    let exit = Exit::of(pid)?;
    let mut wait = FIRST_LOOK;
    let mut last_look = None;
    while !exit.came_within(wait)? {
        let look = EndlessWait::of(pid);
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
