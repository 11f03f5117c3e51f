//! The signals that this process gets: for whom they are, and the time between two looks at the ring.
//!
//! Invariant: from [`Signals::take`] on no signal ends or stops this process but SIGKILL, SIGSTOP, and those
//! that tell of an error of its own.

use std::io;
use std::mem::{self, MaybeUninit};
use std::os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd};
use std::ptr;
use std::time::Duration;

use libc::{c_int, pid_t, sigset_t};

use crate::sys;

/// Signals of errors, which must not wait.
const ERRORS: [c_int; 7] = [
    libc::SIGABRT,
    libc::SIGBUS,
    libc::SIGFPE,
    libc::SIGILL,
    libc::SIGSEGV,
    libc::SIGSYS,
    libc::SIGTRAP,
];

/// A signal that came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Signal {
    pub(super) number: c_int,
    /// Who sent it, if a process did. The terminal and the kernel are none.
    pub(super) sender: Option<pid_t>,
}

impl Signal {
    /// Whether somebody, perhaps at the terminal, wants this process to end.
    pub(super) fn asks_to_end(&self) -> bool {
        [libc::SIGHUP, libc::SIGINT, libc::SIGQUIT, libc::SIGTERM].contains(&self.number)
    }
}

/// All signals of this process, to be read like a file.
pub(super) struct Signals {
    fd: OwnedFd,
    mask: sigset_t,
    child_action: libc::sigaction,
}

impl Signals {
    /// Takes them. They are blocked from now on.
    pub(super) fn take() -> io::Result<Self> {
        let all = all_but_errors();
        let mut mask = empty();
        // SAFETY: both sets are live objects of this frame.
        check(unsafe { libc::sigprocmask(libc::SIG_SETMASK, &all, &mut mask) })?;
        // Where SIGCHLD is ignored, nobody's children leave a status.
        let child_action = set_action(libc::SIGCHLD, None)?;
        let flags = libc::SFD_CLOEXEC | libc::SFD_NONBLOCK;
        // SAFETY: the set is a live object of this frame.
        let fd = check(unsafe { libc::signalfd(-1, &all, flags) })?;
        // SAFETY: the kernel has just made this descriptor for us; nobody else owns it.
        let fd = unsafe { OwnedFd::from_raw_fd(fd) };
        Ok(Self { fd, mask, child_action })
    }

    /// Makes signals what they were before; for a child that becomes another program.
    pub(super) fn give_back(&self) -> io::Result<()> {
        set_action(libc::SIGCHLD, Some(&self.child_action))?;
        // SAFETY: the set is that which the kernel gave us.
        check(unsafe { libc::sigprocmask(libc::SIG_SETMASK, &self.mask, ptr::null_mut()) })?;
        Ok(())
    }

    /// Waits for signals, for at most `timeout`.
    pub(super) fn wait(&self, timeout: Duration) -> Vec<Signal> {
        // Nothing else interrupts it, and then nothing has come.
        let _ = sys::wait_readable([Some(self.fd.as_fd())], timeout);
        std::iter::from_fn(|| self.next()).collect()
    }

    /// The next one that has come.
    fn next(&self) -> Option<Signal> {
        const SIZE: usize = size_of::<libc::signalfd_siginfo>();
        let mut found = MaybeUninit::<libc::signalfd_siginfo>::zeroed();
        // SAFETY: the buffer has as many bytes as we say.
        let length = unsafe { libc::read(self.fd.as_raw_fd(), found.as_mut_ptr().cast(), SIZE) };
        if usize::try_from(length) != Ok(SIZE) {
            return None;
        }
        // SAFETY: the kernel has written it, and it is plain numbers.
        let found = unsafe { found.assume_init() };
        let by_process = [libc::SI_USER, libc::SI_QUEUE, libc::SI_TKILL].contains(&found.ssi_code);
        let sender = by_process.then(|| found.ssi_pid.cast_signed());
        Some(Signal { number: found.ssi_signo.cast_signed(), sender })
    }
}

/// Stops this process by `signal`, as the program was stopped, until it is continued.
pub(super) fn stop(signal: c_int) -> io::Result<()> {
    let mut one = empty();
    // SAFETY: the set is a live object of this frame.
    check(unsafe { libc::sigaddset(&mut one, signal) })?;
    let action = set_action(signal, None)?;
    // SAFETY: no pointer; a signal to this process itself.
    unsafe { libc::raise(signal) };
    // It stops here, unless the kernel has nobody who could continue it.
    // SAFETY: the set is a live object of this frame.
    check(unsafe { libc::sigprocmask(libc::SIG_UNBLOCK, &one, ptr::null_mut()) })?;
    // SAFETY: as above.
    check(unsafe { libc::sigprocmask(libc::SIG_BLOCK, &one, ptr::null_mut()) })?;
    set_action(signal, Some(&action))?;
    Ok(())
}

/// Gives `signal` the action `new`, or the default one. Returns that which it had.
fn set_action(signal: c_int, new: Option<&libc::sigaction>) -> io::Result<libc::sigaction> {
    // SAFETY: the structure is plain data; all zeroes mean the default action without flags.
    let default: libc::sigaction = unsafe { mem::zeroed() };
    let mut old = default;
    // SAFETY: both point to live structures; no handler of ours is installed.
    check(unsafe { libc::sigaction(signal, new.unwrap_or(&default), &mut old) })?;
    Ok(old)
}

fn empty() -> sigset_t {
    let mut set = MaybeUninit::uninit();
    // SAFETY: the pointer is to a place for a set.
    unsafe { libc::sigemptyset(set.as_mut_ptr()) };
    // SAFETY: the call has written it.
    unsafe { set.assume_init() }
}

fn all_but_errors() -> sigset_t {
    let mut set = empty();
    // SAFETY: the set is a live object of this frame.
    unsafe { libc::sigfillset(&mut set) };
    for signal in ERRORS {
        // SAFETY: as above.
        unsafe { libc::sigdelset(&mut set, signal) };
    }
    set
}

fn check(answer: c_int) -> io::Result<c_int> {
    if answer < 0 { Err(io::Error::last_os_error()) } else { Ok(answer) }
}
