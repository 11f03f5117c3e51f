//! Where a hung child's threads stand: their registers, and the futex that each waits for.
//!
//! ptrace stops a thread for as long as it takes to copy its registers. A thread that waits for a futex waits on
//! afterwards and notices nothing.

use std::io;
use std::ptr;
use std::thread;
use std::time::{Duration, Instant};

use procfs::process::{Process, Syscall};

/// What unwinding begins with; 0 where it is not known.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Registers {
    pub(super) pc: u64,
    pub(super) sp: u64,
    /// `rbp` or `x29`.
    pub(super) fp: u64,
    /// `x30`; 0 on x86-64.
    pub(super) lr: u64,
}

/// One thread.
#[derive(Clone, Debug, Default)]
pub(super) struct Stopped {
    pub(super) tid: u32,
    pub(super) name: String,
    pub(super) registers: Registers,
    /// The address of the futex that it waits for.
    pub(super) futex: Option<u64>,
}

/// How long a thread may take to stop.
const PATIENCE: Duration = Duration::from_millis(200);

/// Threads that are looked at.
const MOST: usize = 256;

/// All threads of process `pid`, its main thread first.
pub(super) fn threads(pid: u32) -> Vec<Stopped> {
    let mut threads = noted(pid).unwrap_or_default();
    threads.sort_by_key(|thread| (thread.tid != pid, thread.tid));
    let tids: Vec<_> = threads.iter().map(|thread| thread.tid).collect();
    // On a thread of its own: when a tracer ends, the kernel detaches whatever it has not.
    let traced = thread::scope(|scope| {
        scope.spawn(|| tids.into_iter().map(traced).collect::<Vec<_>>()).join().unwrap_or_default()
    });
    for (thread, traced) in threads.iter_mut().zip(traced) {
        match traced {
            Ok(registers) => thread.registers = registers,
            Err(error) => log::info!("thread {} cannot be traced: {error}", thread.tid),
        }
    }
    threads
}

/// What `/proc` tells without ptrace: of the registers, the program counter and the stack pointer.
fn noted(pid: u32) -> Option<Vec<Stopped>> {
    let process = Process::new(i32::try_from(pid).ok()?).ok()?;
    let tasks = process.tasks().ok()?.flatten().take(MOST);
    let noted = |task: procfs::process::Task| {
        let mut thread = Stopped { tid: u32::try_from(task.tid).ok()?, ..Stopped::default() };
        thread.name = task.stat().map_or_else(|_| String::new(), |stat| stat.comm);
        if let Ok(Syscall::Blocked {
            syscall_number,
            argument_registers,
            stack_pointer,
            program_counter,
        }) = task.syscall()
        {
            thread.registers =
                Registers { pc: program_counter, sp: stack_pointer, ..Registers::default() };
            thread.futex = (syscall_number == libc::SYS_futex).then_some(argument_registers[0]);
        }
        Some(thread)
    };
    Some(tasks.filter_map(noted).collect())
}

/// The registers of thread `tid`, by ptrace.
fn traced(tid: u32) -> io::Result<Registers> {
    let attached = Attached::to(tid)?;
    attached.request(libc::PTRACE_INTERRUPT, 0, ptr::null_mut())?;
    // A thread that has not stopped yet answers ESRCH, as one that is gone. The stop is not waited for, lest
    // this takes the end of a child from whoever reaps it.
    let deadline = Instant::now() + PATIENCE;
    loop {
        match attached.registers() {
            Err(error)
                if error.raw_os_error() == Some(libc::ESRCH) && Instant::now() < deadline =>
            {
                thread::sleep(Duration::from_micros(100));
            }
            result => return result,
        }
    }
}

/// What the numbers of ptrace's requests are.
#[cfg(target_env = "gnu")]
type Request = libc::c_uint;
#[cfg(not(target_env = "gnu"))]
type Request = libc::c_int;

/// A traced thread. Dropped, it is no longer traced.
struct Attached(libc::pid_t);

impl Attached {
    fn to(tid: u32) -> io::Result<Self> {
        let attached = Self(libc::pid_t::try_from(tid).map_err(io::Error::other)?);
        attached.request(libc::PTRACE_SEIZE, 0, ptr::null_mut())?;
        Ok(attached)
    }

    fn request(&self, what: Request, address: usize, data: *mut libc::c_void) -> io::Result<()> {
        let address: *mut libc::c_void = ptr::without_provenance_mut(address);
        // SAFETY: of the requests that are made here only GETREGSET uses `data`, which is then a vector that
        // is valid for writes of the length it says.
        let result = unsafe { libc::ptrace(what, self.0, address, data) };
        if result == -1 { Err(io::Error::last_os_error()) } else { Ok(()) }
    }

    fn registers(&self) -> io::Result<Registers> {
        // SAFETY: these are plain numbers, for which zeroes are valid.
        let mut all: libc::user_regs_struct = unsafe { std::mem::zeroed() };
        let mut vector =
            libc::iovec { iov_base: (&raw mut all).cast(), iov_len: size_of_val(&all) };
        let set = usize::try_from(libc::NT_PRSTATUS).map_err(io::Error::other)?;
        self.request(libc::PTRACE_GETREGSET, set, (&raw mut vector).cast())?;
        Ok(of_machine(&all))
    }
}

impl Drop for Attached {
    fn drop(&mut self) {
        // One that is gone or has not stopped needs no more: see `threads`.
        let _ = self.request(libc::PTRACE_DETACH, 0, ptr::null_mut());
    }
}

#[cfg(target_arch = "x86_64")]
fn of_machine(all: &libc::user_regs_struct) -> Registers {
    Registers { pc: all.rip, sp: all.rsp, fp: all.rbp, lr: 0 }
}

#[cfg(target_arch = "aarch64")]
fn of_machine(all: &libc::user_regs_struct) -> Registers {
    Registers { pc: all.pc, sp: all.sp, fp: all.regs[29], lr: all.regs[30] }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::{Command, Stdio};

    /// Whether the process waits for its standard input.
    fn reads(pid: u32) -> bool {
        let process = Process::new(i32::try_from(pid).expect("a pid")).expect("it is there");
        let reading = |syscall| {
            matches!(syscall, Syscall::Blocked { syscall_number: libc::SYS_read, argument_registers, .. }
                if argument_registers[0] == 0)
        };
        process.task_main_thread().and_then(|task| task.syscall()).is_ok_and(reading)
    }

    #[test]
    fn a_thread_is_read_and_left_as_it_was() {
        // It reads as long as its pipe is open: if this test fails, it ends.
        let mut reader = Command::new("cat");
        let mut reader = reader.stdin(Stdio::piped()).spawn().expect("cat is everywhere");
        while !reads(reader.id()) {
            thread::yield_now();
        }
        let noted = noted(reader.id()).expect("it is there");
        for _ in 0..3 {
            let threads = threads(reader.id());
            assert_eq!(threads.len(), 1);
            let [read, known] = [threads[0].registers, noted[0].registers];
            assert_eq!((read.pc, read.sp, threads[0].futex), (known.pc, known.sp, None));
            let status = std::fs::read_to_string(format!("/proc/{}/status", reader.id()));
            assert!(status.expect("it is there").contains("TracerPid:\t0\n"));
        }
        reader.kill().expect("it is ours");
        reader.wait().expect("it is ours");
        assert!(threads(reader.id()).is_empty(), "it is gone");
    }
}
