//! Runs a small process and collects what it prints, for no longer than a deadline.
//!
//! Invariant: the process is gone when [`run`] returns, whatever it did.

use std::ffi::OsStr;
use std::io::{self, Read};
use std::os::fd::AsFd;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use crate::environment::Environment;
use crate::sys;

/// How long a process may take. It has milliseconds of work, so only a stuck one gets here.
pub(crate) const DEADLINE: Duration = Duration::from_secs(5);

/// More than this from one process is not an answer to anything we ask, in bytes.
const MOST: usize = 1 << 20;

/// What a process left behind.
pub(crate) struct Output {
    /// What it wrote to its standard output.
    pub(crate) stdout: String,
    /// What it wrote to its standard error.
    pub(crate) stderr: String,
    /// How it ended; `None` if somebody else reaped it, which is so where SIGCHLD is ignored.
    pub(crate) status: Option<ExitStatus>,
    /// It had to be killed because [`DEADLINE`] passed.
    pub(crate) timed_out: bool,
}

/// Runs `program` with `arguments` in `environment`; its standard input is empty.
pub(crate) fn run(
    program: &Path,
    arguments: &[&OsStr],
    environment: &Environment,
) -> io::Result<Output> {
    let mut child = Command::new(program)
        .args(arguments)
        .env_clear()
        .envs(environment.pairs())
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()?;
    let collected = collect(&mut child, Instant::now() + DEADLINE);
    // Only a process that still holds its pipes open is certain to exist under its number.
    if !matches!(collected, Ok((_, _, false))) {
        let _ = child.kill();
    }
    let status = child.wait().ok();
    let (stdout, stderr, timed_out) = collected?;
    Ok(Output { stdout: into_text(stdout), stderr: into_text(stderr), status, timed_out })
}

/// Reads both pipes until both are closed. The flag says that the deadline passed before.
fn collect(child: &mut Child, deadline: Instant) -> io::Result<(Vec<u8>, Vec<u8>, bool)> {
    let (mut out, mut err) = (child.stdout.take(), child.stderr.take());
    let (mut stdout, mut stderr) = (Vec::new(), Vec::new());
    while out.is_some() || err.is_some() {
        let left = deadline.saturating_duration_since(Instant::now());
        let fds = [out.as_ref().map(AsFd::as_fd), err.as_ref().map(AsFd::as_fd)];
        let [out_ready, err_ready] = match sys::wait_readable(fds, left) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            answer => answer?,
        };
        let too_much = stdout.len() + stderr.len() > MOST;
        if left.is_zero() || too_much {
            return Ok((stdout, stderr, true));
        }
        if out_ready && read_some(&mut out, &mut stdout)? == 0 {
            out = None;
        }
        if err_ready && read_some(&mut err, &mut stderr)? == 0 {
            err = None;
        }
    }
    Ok((stdout, stderr, false))
}

/// Reads what is there, without waiting for more; 0 is the end.
fn read_some(pipe: &mut Option<impl Read>, into: &mut Vec<u8>) -> io::Result<usize> {
    let Some(pipe) = pipe else { return Ok(0) };
    let mut chunk = [0; 4096];
    let length = pipe.read(&mut chunk)?;
    into.extend_from_slice(&chunk[..length]);
    Ok(length)
}

fn into_text(bytes: Vec<u8>) -> String {
    String::from_utf8_lossy(&bytes).into_owned()
}
