//! Watching a child on Linux: a pidfd tells of its end, `/proc` of what it waits for.

use std::fs;
use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::path::Path;
use std::time::Duration;

/// The end of a process, to wait for.
pub(super) struct Exit(OwnedFd);

impl Exit {
    /// That of the child `pid`, which has not been reaped.
    pub(super) fn of(pid: libc::pid_t) -> io::Result<Self> {
        // SAFETY: the call takes two numbers and touches no memory.
        let fd = unsafe { libc::syscall(libc::SYS_pidfd_open, pid, 0) };
        if fd < 0 {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: the kernel has just made this descriptor for us; nobody else owns it.
        Ok(Self(unsafe { OwnedFd::from_raw_fd(fd as i32) }))
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

/// The state of a process in which every thread sits in a futex wait that nothing but a wake-up
/// ends. Two equal ones prove a hang: no thread has run from the end of the first look to the start
/// of the second, and none of them will by itself.
///
/// Usually a forked child has one thread, but an emulator (qemu-user) adds helpers of its own.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct EndlessWait(Vec<Thread>);

/// One thread in such a wait.
#[derive(Debug, PartialEq, Eq)]
struct Thread {
    id: String,
    /// The system call with its arguments, stack pointer and program counter.
    call: String,
    /// How often it has gone to sleep. It grows whenever the thread runs in between.
    sleeps: String,
}

impl EndlessWait {
    /// That of the process `pid`, if it is in one.
    pub(super) fn of(pid: libc::pid_t) -> Option<Self> {
        let futex = futex_number(&fs::read_to_string("/proc/thread-self/syscall").ok()?)?;
        Self::among(Path::new(&format!("/proc/{pid}/task")), futex)
    }

    /// That of the threads which `tasks` has a directory for.
    fn among(tasks: &Path, futex: &str) -> Option<Self> {
        let mut threads = Vec::new();
        for task in fs::read_dir(tasks).ok()? {
            threads.push(Thread::waiting(&task.ok()?.path(), futex)?);
        }
        threads.sort_by(|one, other| one.id.cmp(&other.id));
        (!threads.is_empty()).then_some(Self(threads))
    }
}

impl Thread {
    /// The thread of the directory `task`, if it is in an endless futex wait.
    fn waiting(task: &Path, futex: &str) -> Option<Self> {
        let id = task.file_name()?.to_str()?.to_owned();
        let status = fs::read_to_string(task.join("status")).ok()?;
        let sleeps = status.lines().find(|line| line.starts_with("voluntary_ctxt_switches:"))?;
        // Number, six arguments, stack pointer, program counter; the fourth argument is the
        // time-out. A thread that runs shows no number.
        let call = fs::read_to_string(task.join("syscall")).ok()?;
        let mut fields = call.split_whitespace();
        let is_endless = fields.next()? == futex && fields.nth(3)? == "0x0";
        is_endless.then(|| Self { id, sleeps: sleeps.to_owned(), call: call.clone() })
    }
}

/// The number of futex(2) where `own_call`, which the kernel shows of a thread that reads its own
/// system call, is read(2). Under an emulator that is the kernel's number and not `SYS_futex`.
fn futex_number(own_call: &str) -> Option<&'static str> {
    match own_call.split_whitespace().next()? {
        // x86-64 (arch/x86/entry/syscalls/syscall_64.tbl)
        "0" => Some("202"),
        // arm64 and other newer machines (include/uapi/asm-generic/unistd.h)
        "63" => Some("98"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::PathBuf;
    use std::thread;
    use std::time::Instant;

    const ENDLESS: &str = "202 0x7f00 0x80 0x2 0x0 0x0 0x0 0x7ffc 0x7f01\n";
    const TIMED: &str = "202 0x7f00 0x80 0x2 0x7ffd 0x0 0x0 0x7ffc 0x7f01\n";
    const PAUSE: &str = "34 0x0 0x0 0x0 0x0 0x0 0x0 0x7ffc 0x7f01\n";

    /// A directory like /proc/PID/task, with threads in these calls, each asleep for the nth time.
    fn tasks(threads: &[(&str, u32)]) -> (tempfile::TempDir, PathBuf) {
        let directory = tempfile::tempdir().unwrap();
        for (number, (call, sleeps)) in threads.iter().enumerate() {
            let task = directory.path().join(number.to_string());
            fs::create_dir(&task).unwrap();
            fs::write(task.join("syscall"), call).unwrap();
            let status = format!("Threads:\t1\nvoluntary_ctxt_switches:\t{sleeps}\n");
            fs::write(task.join("status"), status).unwrap();
        }
        let path = directory.path().to_owned();
        (directory, path)
    }

    fn look(threads: &[(&str, u32)]) -> Option<EndlessWait> {
        let (_directory, path) = tasks(threads);
        EndlessWait::among(&path, "202")
    }

    #[test]
    fn a_process_hangs_if_every_thread_does() {
        assert!(look(&[(ENDLESS, 1)]).is_some());
        assert!(look(&[(ENDLESS, 1), (ENDLESS, 9)]).is_some());
        for other in [TIMED, PAUSE, "running\n", "-1 0x7ffc 0x7f01\n", ""] {
            assert_eq!(look(&[(ENDLESS, 1), (other, 1)]), None, "{other}");
        }
        assert_eq!(look(&[]), None, "a process that is gone");
    }

    #[test]
    fn a_thread_that_ran_between_two_looks_makes_them_differ() {
        let first = look(&[(ENDLESS, 1), (ENDLESS, 9)]);
        assert_eq!(first, look(&[(ENDLESS, 1), (ENDLESS, 9)]));
        assert_ne!(first, look(&[(ENDLESS, 1), (ENDLESS, 10)]), "it is back in the same place");
        assert_ne!(first, look(&[(ENDLESS, 1)]), "one has ended");
        assert_ne!(first, look(&[(ENDLESS, 1), (&ENDLESS.replace("7f00", "7f04"), 9)]));
    }

    #[test]
    fn the_kernel_says_so_of_a_parked_thread() {
        let own_call = fs::read_to_string("/proc/thread-self/syscall").unwrap();
        let futex = futex_number(&own_call).expect("the kernel's numbers are known");
        let (sender, receiver) = std::sync::mpsc::channel();
        let parked = thread::spawn(move || {
            // SAFETY: no precondition.
            sender.send(unsafe { libc::gettid() }).unwrap();
            thread::park();
        });
        let task = PathBuf::from(format!("/proc/self/task/{}", receiver.recv().unwrap()));
        let deadline = Instant::now() + Duration::from_secs(30);
        while Thread::waiting(&task, futex).is_none() {
            assert!(Instant::now() < deadline, "{:?}", fs::read_to_string(task.join("syscall")));
            thread::yield_now();
        }
        parked.thread().unpark();
        parked.join().unwrap();
    }
}
