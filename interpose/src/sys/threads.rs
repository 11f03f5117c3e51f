//! The threads of this process, as `/proc` lists them.

use libc::c_int;

#[cfg(target_env = "gnu")]
use super::{Activity, activity, observe};
use super::{close, list, open_read};

/// Whether `is` holds for some thread of this process.
#[cfg(target_env = "gnu")]
pub(crate) fn any_thread(mut is: impl FnMut(u32) -> bool) -> bool {
    any_listed(|_, tid| is(tid))
}

/// Whether `is` holds for some thread of this process, given with the directory that has a directory about it.
/// One may be left out while another ends: the kernel goes on by number in a list that became shorter
/// (`fs/proc/base.c`). Format: getdents(2).
pub(crate) fn any_listed(mut is: impl FnMut(c_int, u32) -> bool) -> bool {
    let Some(fd) = open_read(c"/proc/self/task") else {
        return false;
    };
    let mut found = false;
    let mut entries = [0u8; 1024];
    while !found && let Some(len) = list(fd, &mut entries) {
        let mut rest = entries.get(..len).unwrap_or_default();
        while !found && let Some((name, others)) = split_entry(rest) {
            let tid = core::str::from_utf8(name).ok().and_then(|name| name.parse().ok());
            found = tid.is_some_and(|tid| is(fd, tid));
            rest = others;
        }
    }
    close(fd);
    found
}

/// The name of the first of some directory entries (`struct linux_dirent64`), and the others.
fn split_entry(entries: &[u8]) -> Option<(&[u8], &[u8])> {
    let size = u16::from_ne_bytes(entries.get(16..18)?.try_into().ok()?);
    let (entry, others) = entries.split_at_checked(size.into())?;
    let name = entry.get(19..)?.split(|byte| *byte == 0).next()?;
    Some((name, others))
}

/// Whether thread `tid` runs, or is about to, and blocks all signals that libc lets anybody block: not
/// SIGKILL, SIGSTOP and its own two. Format: proc(5), `/proc/pid/status`.
#[cfg(target_env = "gnu")]
pub(crate) fn runs_without_signals(tid: u32) -> bool {
    let mut status = [0; 2048];
    let Some(status) = observe::thread_file(tid, "status", &mut status) else {
        return false;
    };
    let exempt = [libc::SIGKILL, libc::SIGSTOP, 32, 33].map(|signal| 1 << (signal - 1));
    let without_signals = field(status, "SigBlk:")
        .and_then(|mask| u64::from_str_radix(mask, 16).ok())
        .is_some_and(|mask| mask | exempt.iter().sum::<u64>() == u64::MAX);
    // Its system call alone does not tell: that of a thread that was woken a moment ago is still shown.
    let is_up = || field(status, "State:").is_some_and(|state| state.starts_with('R'));
    without_signals && (is_up() || activity(tid) == Activity::Running)
}

/// The value of a line of `/proc/pid/status`.
#[cfg(target_env = "gnu")]
fn field<'a>(status: &'a [u8], name: &str) -> Option<&'a str> {
    let mut lines = status.split(|byte| *byte == b'\n');
    let value = lines.find_map(|line| line.strip_prefix(name.as_bytes()))?;
    core::str::from_utf8(value).ok().map(str::trim)
}

#[cfg(all(test, target_env = "gnu"))]
mod tests {
    use super::*;
    use crate::sys::gettid;

    #[test]
    fn this_thread_is_listed() {
        // More than once, since threads of other tests end meanwhile.
        assert!((0..100).any(|_| any_thread(|tid| tid == gettid())));
        assert!(!any_thread(|tid| tid == 1 && gettid() != 1));
    }

    #[test]
    fn a_status_is_read() {
        let status = b"Name:\t\xff\nState:\tR (running)\nSigBlk:\tfffffffe7ffbfeff\n";
        assert_eq!(field(status, "State:"), Some("R (running)"));
        assert_eq!(field(status, "SigBlk:"), Some("fffffffe7ffbfeff"));
        assert_eq!(field(status, "SigIgn:"), None);
        assert!(!runs_without_signals(gettid()));
    }
}
