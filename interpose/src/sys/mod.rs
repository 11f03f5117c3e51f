//! Everything that differs by operating system, behind one set of names.
//!
//! The rest of the crate calls the kernel only through here: the functions make raw system calls,
//! so they keep `errno`, are not cancellation points, cannot be interposed by another library, and
//! may run in signal handlers and in a forked child.

#[cfg(target_os = "linux")]
mod linux;
#[cfg(target_os = "linux")]
mod observe;

#[cfg(target_os = "linux")]
pub(crate) use linux::*;
#[cfg(target_os = "linux")]
pub(crate) use observe::*;
