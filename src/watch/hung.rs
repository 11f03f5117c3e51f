//! Hung or slow: what a process waits for, by `/proc`. For `run --watch` and for `prove`.
//!
//! A process hangs if every thread of it is in a futex wait without a time-out, on memory that no other process
//! can reach: then nobody is left who could wake anybody. Two equal looks at that prove that no thread has run
//! in between.
//!
//! Only a signal could still make one run, if its handler wakes the others; docs/watch.md tells of that.

use std::fs;
use std::io;
use std::path::Path;
use std::sync::OnceLock;

use libc::pid_t;

/// Operations of futex(2) that wait (include/uapi/linux/futex.h), without their flags.
const WAITS: [u64; 5] = [
    0,  // FUTEX_WAIT
    6,  // FUTEX_LOCK_PI
    9,  // FUTEX_WAIT_BITSET
    11, // FUTEX_WAIT_REQUEUE_PI
    13, // FUTEX_LOCK_PI2
];
const FUTEX_PRIVATE_FLAG: u64 = 128;
const FUTEX_CLOCK_REALTIME: u64 = 256;

/// A state of a process in which all of its threads wait for ever.
///
/// Usually a forked child has one thread, but an emulator (qemu-user) adds helpers of its own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Standstill(Vec<Waiting>);

/// One thread of it.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Waiting {
    wait: Wait,
    is_private: bool,
    /// How often it has gone to sleep or was put off the processor. It grows whenever the thread runs.
    switches: u64,
}

/// What a thread waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Wait {
    pub(crate) tid: u32,
    /// The address of the futex.
    pub(crate) futex_address: u64,
}

impl Standstill {
    /// That of the process `pid`, if it is in one.
    pub(crate) fn of(pid: pid_t) -> Option<Self> {
        Self::below(Path::new(&format!("/proc/{pid}")))
    }

    /// That of the process with this directory.
    fn below(process: &Path) -> Option<Self> {
        let mut threads = Vec::new();
        for task in fs::read_dir(process.join("task")).ok()? {
            threads.push(Waiting::of(&task.ok()?.path())?);
        }
        // A thread that came meanwhile is not in the list, but then another one has run.
        threads.sort_by_key(|thread| thread.wait);
        if threads.iter().any(|thread| !thread.is_private) {
            let maps = fs::read_to_string(process.join("maps")).ok()?;
            let reached = |thread: &Waiting| {
                !thread.is_private && !is_private_memory(&maps, thread.wait.futex_address)
            };
            if threads.iter().any(reached) {
                return None;
            }
        }
        (!threads.is_empty()).then_some(Self(threads))
    }

    /// Whether this user may not look at what the process `pid` waits for.
    pub(super) fn is_hidden(pid: pid_t) -> bool {
        let refused = |error: io::Error| error.kind() == io::ErrorKind::PermissionDenied;
        fs::read(format!("/proc/{pid}/syscall")).is_err_and(refused)
    }

    /// What its threads wait for, by their ids.
    pub(super) fn waits(&self) -> Vec<Wait> {
        self.0.iter().map(|thread| thread.wait).collect()
    }
}

impl Waiting {
    /// The thread of the directory `task`, if it is in an endless wait.
    fn of(task: &Path) -> Option<Self> {
        let call = fs::read_to_string(task.join("syscall")).ok()?;
        let (address, is_private) = endless_wait(&call)?;
        let status = fs::read_to_string(task.join("status")).ok()?;
        let tid = task.file_name()?.to_str()?.parse().ok()?;
        let field = |name: &str| {
            let value = status.lines().find_map(|line| line.strip_prefix(name))?;
            value.trim().parse::<u64>().ok()
        };
        let switches = field("voluntary_ctxt_switches:")? + field("nonvoluntary_ctxt_switches:")?;
        // A thread that was stopped is shown in the call that it comes back to.
        let sleeps = status.lines().any(|line| line.starts_with("State:\tS"));
        sleeps.then_some(Self { wait: Wait { tid, futex_address: address }, is_private, switches })
    }
}

/// The address that `call`, a line of `/proc/…/syscall`, waits for without a time-out, and whether the operation
/// is marked as private to the process. `None` for any other call.
fn endless_wait(call: &str) -> Option<(u64, bool)> {
    // The number, six arguments, stack pointer, program counter. A thread that runs shows no number.
    let mut fields = call.split_whitespace();
    if fields.next()? != futex_number()? {
        return None;
    }
    let mut argument = || u64::from_str_radix(fields.next()?.strip_prefix("0x")?, 16).ok();
    let (address, operation) = (argument()?, argument()? & 0xffff_ffff);
    let (_value, timeout) = (argument()?, argument()?);
    let plain = operation & !(FUTEX_PRIVATE_FLAG | FUTEX_CLOCK_REALTIME);
    let is_private = operation & FUTEX_PRIVATE_FLAG != 0;
    (WAITS.contains(&plain) && timeout == 0).then_some((address, is_private))
}

/// The number of futex(2), told by the number that the kernel shows of a thread that reads its own call, which is
/// read(2). Under an emulator that is the kernel's number and not `SYS_futex`.
fn futex_number() -> Option<&'static str> {
    static NUMBER: OnceLock<Option<&str>> = OnceLock::new();
    *NUMBER.get_or_init(|| {
        let own_call = fs::read_to_string("/proc/thread-self/syscall").ok()?;
        match own_call.split_whitespace().next()? {
            // x86-64 (arch/x86/entry/syscalls/syscall_64.tbl)
            "0" => Some("202"),
            // arm64 and other newer machines (include/uapi/asm-generic/unistd.h)
            "63" => Some("98"),
            _ => None,
        }
    })
}

/// Whether `address` lies in memory that `maps` shows as private.
fn is_private_memory(maps: &str, address: u64) -> bool {
    maps.lines().any(|line| {
        let mut fields = line.split_whitespace();
        let range = fields.next().and_then(|range| range.split_once('-'));
        let number = |text| u64::from_str_radix(text, 16).ok();
        let holds = range.is_some_and(|(from, to)| {
            number(from).is_some_and(|from| from <= address)
                && number(to).is_some_and(|to| address < to)
        });
        holds && fields.next().is_some_and(|permissions| permissions.ends_with('p'))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::thread;
    use std::time::{Duration, Instant};
    use tempfile::TempDir;

    /// A line of `/proc/…/syscall`: futex(2) with this operation and time-out, at 0x7f00.
    fn futex(operation: u64, timeout: u64) -> String {
        let number = libc::SYS_futex;
        format!("{number} 0x7f00 {operation:#x} 0x2 {timeout:#x} 0x0 0xffffffff 0x7ffc 0x7f01\n")
    }

    /// A directory like /proc/PID, with threads in these calls and states, each switched so often.
    fn process(threads: &[(&str, &str, u32)], maps: &str) -> TempDir {
        let directory = tempfile::tempdir().unwrap();
        fs::write(directory.path().join("maps"), maps).unwrap();
        for (number, (call, state, switches)) in threads.iter().enumerate() {
            let task = directory.path().join("task").join(number.to_string());
            fs::create_dir_all(&task).unwrap();
            fs::write(task.join("syscall"), call).unwrap();
            let status = format!(
                "State:\t{state}\nThreads:\t1\nvoluntary_ctxt_switches:\t{switches}\n\
                 nonvoluntary_ctxt_switches:\t1\n"
            );
            fs::write(task.join("status"), status).unwrap();
        }
        directory
    }

    fn look(threads: &[(&str, &str, u32)]) -> Option<Standstill> {
        let maps = "7000-8000 rw-p 00000000 00:00 0\n8000-9000 rw-s 00000000 00:01 7 /dev/zero\n";
        Standstill::below(process(threads, maps).path())
    }

    const SLEEPING: &str = "S (sleeping)";

    #[test]
    fn a_process_stands_still_if_every_thread_waits_for_ever() {
        for operation in [0x80, 0x189, 0x86, 0x8d, 0, 0x109] {
            let endless = futex(operation, 0);
            assert!(look(&[(&endless, SLEEPING, 1)]).is_some(), "{operation:#x}");
            assert!(look(&[(&endless, SLEEPING, 1), (&endless, SLEEPING, 9)]).is_some());
            assert!(look(&[(&endless, "T (stopped)", 1)]).is_none());
        }
        let endless = futex(0x80, 0);
        let pause = "34 0x0 0x0 0x0 0x0 0x0 0x0 0x7ffc 0x7f01\n";
        for other in
            [&futex(0x80, 0x7ffd), &futex(0x81, 0), pause, "running\n", "-1 0x7ffc 0x7f01\n", ""]
        {
            assert_eq!(look(&[(&endless, SLEEPING, 1), (other, SLEEPING, 1)]), None, "{other}");
        }
        assert_eq!(look(&[]), None, "a process that is gone");
    }

    #[test]
    fn a_wait_that_another_process_can_end_is_none() {
        let shared = futex(0, 0).replace("0x7f00", "0x8f00");
        assert_eq!(look(&[(&shared, SLEEPING, 1)]), None);
        let nowhere = futex(0, 0).replace("0x7f00", "0x9f00");
        assert_eq!(look(&[(&nowhere, SLEEPING, 1)]), None);
        let marked = futex(0x80, 0).replace("0x7f00", "0x8f00");
        assert!(look(&[(&marked, SLEEPING, 1)]).is_some());
    }

    #[test]
    fn a_thread_that_ran_between_two_looks_makes_them_differ() {
        let endless = futex(0x80, 0);
        let look = |first, last| look(&[(&endless, SLEEPING, first), (&endless, SLEEPING, last)]);
        assert_eq!(look(1, 9), look(1, 9));
        assert_ne!(look(1, 9), look(1, 10), "it is back in the same place");
        assert_eq!(look(1, 9).unwrap().waits(), look(1, 10).unwrap().waits());
    }

    #[test]
    fn the_kernel_says_so_of_a_parked_thread() {
        let (sender, receiver) = std::sync::mpsc::channel();
        let parked = thread::spawn(move || {
            // SAFETY: no precondition.
            sender.send(unsafe { libc::gettid() }).unwrap();
            thread::park();
        });
        let tid = receiver.recv().unwrap();
        let deadline = Instant::now() + Duration::from_secs(30);
        while Waiting::of(Path::new(&format!("/proc/self/task/{tid}"))).is_none() {
            assert!(Instant::now() < deadline);
            thread::yield_now();
        }
        parked.thread().unpark();
        parked.join().unwrap();
    }
}
