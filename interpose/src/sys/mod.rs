//! Everything that differs by operating system, behind one set of names.
//!
//! The rest of the crate calls the kernel only through here: the functions keep `errno`, are not
//! cancellation points, and may run in signal handlers and in a forked child. On Linux they make raw
//! system calls; macOS promises only the functions of libSystem, so there they call those.

#[cfg(target_os = "linux")]
mod files;
#[cfg(target_os = "linux")]
mod linux;
#[cfg(target_os = "macos")]
mod macos;
#[cfg(target_os = "linux")]
mod memory;
#[cfg(target_os = "linux")]
mod observe;
#[cfg(target_os = "linux")]
mod threads;

#[cfg(target_os = "linux")]
pub(crate) use files::*;
#[cfg(target_os = "linux")]
pub(crate) use linux::*;
#[cfg(target_os = "macos")]
pub(crate) use macos::*;
#[cfg(target_os = "linux")]
pub(crate) use memory::*;
#[cfg(target_os = "linux")]
pub(crate) use observe::*;
#[cfg(target_os = "linux")]
pub(crate) use threads::*;

/// How a wait for a changed word ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Wait {
    /// Woken, interrupted, or the word no longer had the expected value: look again.
    Look,
    /// The time-out passed.
    TimedOut,
}

/// What another thread of this process is doing.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Activity {
    /// It runs, or would if it had a processor.
    Running,
    /// It waits for a lock, or for something that cannot be told from one.
    LockWait,
    /// Nobody can tell: the caller must assume the worst.
    Unknown,
    /// It waits for something else.
    #[cfg_attr(target_os = "macos", expect(dead_code, reason = "what it waits for cannot be told"))]
    Blocked,
}
