//! A supervised program that a test talks to while it runs.

use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::{FromRawFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::ptr;
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::Instant;

use crate::Forkfix;
use crate::common::{DEADLINE, library};

/// A program, and what it has printed. It is killed, together with its group, if the test fails.
pub(crate) struct Session {
    pub(crate) child: Child,
    input: Option<File>,
    output: Receiver<Vec<u8>>,
    seen: String,
}

impl Session {
    /// Runs `command` with pipes.
    pub(crate) fn start(forkfix: &Forkfix, arguments: &[&str]) -> Self {
        let mut command = command(forkfix, arguments);
        command.process_group(0).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().expect("it starts");
        let input = child.stdin.take().map(|pipe| File::from(OwnedFd::from(pipe)));
        let output = child.stdout.take().map(|pipe| File::from(OwnedFd::from(pipe)));
        Self { child, input, output: listen(output.expect("a pipe")), seen: String::new() }
    }

    /// Runs `command` at a terminal, as the leader of its session.
    pub(crate) fn at_terminal(forkfix: &Forkfix, mut command: Command) -> Self {
        let (mut terminal, mut end) = (0, 0);
        let (name, mode, size) = (ptr::null_mut(), ptr::null_mut(), ptr::null_mut());
        // SAFETY: both numbers are live objects of this frame; the rest is left to the system.
        let opened = unsafe { libc::openpty(&mut terminal, &mut end, name, mode, size) };
        assert_eq!(opened, 0, "{}", std::io::Error::last_os_error());
        // SAFETY: the kernel has just made this descriptor for us; nobody else owns it.
        let terminal = unsafe { File::from_raw_fd(terminal) };
        // SAFETY: as above.
        let end = unsafe { File::from_raw_fd(end) };
        let copy = || Stdio::from(end.try_clone().expect("a second handle"));
        environment(&mut command, forkfix);
        command.stdin(copy()).stdout(copy()).stderr(copy());
        let take_terminal = || {
            // SAFETY: no argument.
            unsafe { libc::setsid() };
            // SAFETY: a number of this request; descriptor 0 is the terminal.
            unsafe { libc::ioctl(0, libc::TIOCSCTTY, 0) };
            Ok(())
        };
        // SAFETY: the closure makes two system calls.
        unsafe { command.pre_exec(take_terminal) };
        let child = command.spawn().expect("it starts");
        let output = listen(terminal.try_clone().expect("a second handle"));
        Self { child, input: Some(terminal), output, seen: String::new() }
    }

    /// Waits until the program has printed `text`. Returns what stands after it in the line.
    #[track_caller]
    pub(crate) fn expect(&mut self, text: &str) -> String {
        let end = Instant::now() + DEADLINE;
        loop {
            if let Some(at) = self.seen.find(text)
                && let Some((rest, more)) = self.seen[at + text.len()..].split_once('\n')
            {
                let rest = rest.trim().to_owned();
                self.seen = more.to_owned();
                return rest;
            }
            let left = end.saturating_duration_since(Instant::now());
            match self.output.recv_timeout(left) {
                Ok(bytes) => self.seen.push_str(&String::from_utf8_lossy(&bytes)),
                Err(_) => panic!("no '{text}' in: {}", self.seen),
            }
        }
    }

    /// Types `text`.
    pub(crate) fn write(&mut self, text: &str) {
        let input = self.input.as_mut().expect("it is open");
        input.write_all(text.as_bytes()).expect("the program reads");
    }

    pub(crate) fn pid(&self) -> libc::pid_t {
        self.child.id().cast_signed()
    }

    /// Sends a signal to the command itself.
    pub(crate) fn signal(&self, signal: i32) {
        // SAFETY: no pointers; the child has not been reaped.
        assert_eq!(unsafe { libc::kill(self.pid(), signal) }, 0);
    }

    /// Waits for its end.
    #[track_caller]
    pub(crate) fn end(mut self) -> ExitStatus {
        let end = Instant::now() + DEADLINE;
        loop {
            if let Some(status) = self.child.try_wait().expect("it is ours") {
                return status;
            }
            assert!(Instant::now() < end, "it does not end; it printed: {}", self.seen);
            thread::sleep(std::time::Duration::from_millis(2));
        }
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        if matches!(self.child.try_wait(), Ok(None)) {
            // SAFETY: no pointers; the child, which has not been reaped, leads this group.
            unsafe { libc::kill(-self.pid(), libc::SIGKILL) };
            let _ = self.child.wait();
        }
    }
}

fn command(forkfix: &Forkfix, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_forkfix"));
    environment(&mut command, forkfix);
    command.args(["run", "--watch", "--"]).args(arguments);
    command
}

fn environment(command: &mut Command, forkfix: &Forkfix) {
    command.env("TMPDIR", forkfix.temporary.path()).env("XDG_RUNTIME_DIR", "");
    command
        .env("FORKFIX_LIBRARY", library())
        .env_remove("FORKFIX_OPTIONS")
        .env_remove("LD_PRELOAD");
}

/// Hands on what comes from a thread of its own, so that silence can be noticed.
fn listen(mut output: File) -> Receiver<Vec<u8>> {
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || {
        let mut bytes = [0; 4096];
        while let Ok(length @ 1..) = output.read(&mut bytes) {
            if sender.send(bytes[..length].to_vec()).is_err() {
                break;
            }
        }
    });
    receiver
}
