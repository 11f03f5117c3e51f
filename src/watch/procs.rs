//! What `/proc` tells of processes.

use std::collections::HashMap;
use std::fs;
use std::mem::MaybeUninit;

use libc::pid_t;

/// What `/proc/PID/stat` has of use here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Stat {
    parent: pid_t,
    /// It has ended and waits for its parent.
    is_zombie: bool,
    /// When it was made, in ns since the machine was started.
    started_ns: u64,
}

impl Stat {
    fn of(pid: pid_t) -> Option<Self> {
        Self::parse(&fs::read_to_string(format!("/proc/{pid}/stat")).ok()?)
    }

    fn parse(text: &str) -> Option<Self> {
        // The name in parentheses may have anything in it; the state follows it as field 3.
        let mut fields = text.get(text.rfind(')')? + 1..)?.split_whitespace();
        let is_zombie = matches!(fields.next()?, "Z" | "X");
        let parent = fields.next()?.parse().ok()?;
        let started: u64 = fields.nth(17)?.parse().ok()?;
        Some(Self { parent, is_zombie, started_ns: started.saturating_mul(TICK_NS) })
    }
}

/// How long the kernel's clock ticks are for programs, in ns: on all machines a hundredth of a second.
const TICK_NS: u64 = 10_000_000;

/// Whether `pid` is a process at all, perhaps one that has ended but was not reaped.
pub(super) fn exists(pid: pid_t) -> bool {
    // SAFETY: no pointer; no signal is sent.
    let asked = unsafe { libc::kill(pid, 0) };
    asked == 0 || std::io::Error::last_os_error().raw_os_error() != Some(libc::ESRCH)
}

/// Whether `pid` has ended, though perhaps nobody has reaped it.
pub(super) fn has_ended(pid: pid_t) -> bool {
    Stat::of(pid).is_none_or(|found| found.is_zombie)
}

/// Whether `pid` is a living descendant of `ancestor` that was made between two times of `CLOCK_MONOTONIC`, in
/// ns. Its number may be that of a process which is gone, or of one in another namespace.
pub(super) fn is_descendant_made(pid: pid_t, ancestor: pid_t, from: u64, until: u64) -> bool {
    let Some(found) = Stat::of(pid) else { return false };
    let boot = now(libc::CLOCK_BOOTTIME).saturating_sub(now(libc::CLOCK_MONOTONIC));
    let started = found.started_ns;
    // What the kernel tells is rounded down.
    let in_time = started + 2 * TICK_NS >= from + boot && started <= until + boot + TICK_NS;
    !found.is_zombie && in_time && is_descendant(found.parent, ancestor)
}

fn is_descendant(mut pid: pid_t, ancestor: pid_t) -> bool {
    // A process that dies meanwhile may lead astray, but not for ever.
    for _ in 0..1000 {
        if pid == ancestor {
            return true;
        }
        match Stat::of(pid) {
            Some(found) if found.parent > 0 => pid = found.parent,
            _ => return false,
        }
    }
    false
}

/// All living descendants of `ancestor`.
pub(super) fn descendants(ancestor: pid_t) -> Vec<pid_t> {
    let number = |entry: fs::DirEntry| entry.file_name().to_str()?.parse().ok();
    let pids = fs::read_dir("/proc").into_iter().flatten().flatten().filter_map(number);
    let living =
        pids.filter_map(|pid| Some((pid, Stat::of(pid).filter(|found| !found.is_zombie)?)));
    let mut children: HashMap<pid_t, Vec<pid_t>> = HashMap::new();
    for (pid, found) in living {
        children.entry(found.parent).or_default().push(pid);
    }
    let mut all = children.remove(&ancestor).unwrap_or_default();
    let mut next = 0;
    while let Some(pid) = all.get(next) {
        all.extend(children.remove(pid).unwrap_or_default());
        next += 1;
    }
    all
}

/// The time of `clock`, in ns.
pub(super) fn now(clock: libc::clockid_t) -> u64 {
    let mut time = MaybeUninit::<libc::timespec>::zeroed();
    // SAFETY: the pointer is to a place for the time.
    unsafe { libc::clock_gettime(clock, time.as_mut_ptr()) };
    // SAFETY: the call has written it, and zeroes are a time too.
    let time = unsafe { time.assume_init() };
    time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::{Command, Stdio};

    #[test]
    fn a_name_in_stat_may_have_anything_in_it() {
        let text = "17 (a) Z 3 (b) S 5 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 42 0\n";
        let found = Stat::parse(text).unwrap();
        assert_eq!(found, Stat { parent: 5, is_zombie: false, started_ns: 42 * TICK_NS });
        for text in ["", ")", "17 (a) S", "17 (a) S x"] {
            assert_eq!(Stat::parse(text), None);
        }
    }

    #[test]
    fn descendants_are_known_by_their_ancestors_and_by_when_they_were_made() {
        let own = std::process::id().cast_signed();
        let before = now(libc::CLOCK_MONOTONIC);
        let mut shell = Command::new("sh");
        let shell = shell
            .args(["-c", "exec 3<&0; cat <&3 & wait"])
            .stdin(Stdio::piped())
            .stdout(Stdio::null());
        let mut shell = shell.spawn().unwrap();
        let pid = shell.id().cast_signed();
        let after = now(libc::CLOCK_MONOTONIC);
        while descendants(pid).is_empty() {
            std::thread::yield_now();
        }
        let all = descendants(own);
        assert!(all.contains(&pid) && all.contains(&descendants(pid)[0]));
        let second = 1_000_000_000;
        assert!(is_descendant_made(pid, own, before, after));
        assert!(!is_descendant_made(pid, own, before - 2 * second, before - second));
        assert!(!is_descendant_made(pid, own, after + second, after + 2 * second));
        assert!(!is_descendant_made(1, own, 0, u64::MAX >> 1), "init is nobody's");
        drop(shell.stdin.take());
        shell.kill().unwrap();
        assert!(exists(pid), "it is not reaped yet");
        assert!(!is_descendant_made(pid, own, before, after) || shell.try_wait().is_ok());
        shell.wait().unwrap();
        assert!(!exists(pid));
    }
}
