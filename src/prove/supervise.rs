//! Starting workers, listening to them, and ending one that has fallen silent.
//!
//! Invariant: when [`Supervisor::work`] returns, its worker has been reaped. The bare worker's
//! preload variable does not name the library; the protected worker's names it first, and `FORKFIX`,
//! which might switch it off, is not set.

use std::env;
use std::ffi::{OsStr, OsString};
use std::io::{self, BufRead, BufReader, IsTerminal};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, ExitStatus, Stdio};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};

use super::hazards::Hazard;
use super::message::{Counts, Ended, Message, Outcome};
use super::{Args, Error, Side};
use crate::environment::{Environment, HANDSHAKE, KILL_SWITCH};
use crate::sys::{self, PRELOAD, PRELOAD_SEPARATORS};

/// A worker that says nothing for so long is stalled; it watches each of its children for a third
/// of this at most.
const SILENCE: Duration = Duration::from_secs(30);
/// Hangs after which a protected row, which has failed with the first one, is cut off.
const PROTECTED_CUT_OFF: u32 = 100;

/// Runs workers one after the other.
pub(super) struct Supervisor<'a> {
    args: &'a Args,
    library: &'a Path,
    executable: PathBuf,
    bar: ProgressBar,
}

impl<'a> Supervisor<'a> {
    /// For `runs` workers in all. `library` is canonical.
    pub(super) fn new(args: &'a Args, library: &'a Path, runs: usize) -> Result<Self, Error> {
        let executable = env::current_exe().map_err(Error::Start)?;
        let bar = if io::stderr().is_terminal() {
            ProgressBar::new(u64::from(args.forks) * runs as u64)
        } else {
            ProgressBar::hidden()
        };
        let style = ProgressStyle::with_template(
            "{elapsed_precise} {bar:30} {percent:>3} %  {msg}  ({eta} left)",
        );
        Ok(Self {
            args,
            library,
            executable,
            bar: style.map_or_else(|_| bar.clone(), |style| bar.clone().with_style(style)),
        })
    }

    /// Runs one side of one row.
    pub(super) fn work(&mut self, hazard: &Hazard, side: Side) -> Result<Outcome, Error> {
        self.bar.set_message(format!("{} {}", hazard.id, side.name()));
        let at = self.bar.position();
        let begun = Instant::now();
        let mut child = self.command(hazard, side).spawn().map_err(Error::Start)?;
        let lines = listen(child.stdout.take());
        let heard = self.follow(hazard, side, &lines, at);
        if !matches!(heard, Ok(Heard::Report(_) | Heard::End(_))) {
            // It may have ended by itself meanwhile; then there is nothing to kill.
            let _ = child.kill();
        }
        let status = reap(&mut child).map_err(Error::Start)?;
        self.bar.set_position(at + u64::from(self.args.forks));

        let (mut counts, ended) = match heard? {
            Heard::Report(outcome) => return Ok(outcome),
            Heard::Silence(counts) => (counts, Ended::Stalled),
            Heard::End(Some(counts)) => (counts, Ended::Died(how(status))),
            Heard::End(None) => return Err(Error::Silent(hazard.id, how(status))),
        };
        match ended {
            Ended::Stalled => counts.hangs += 1,
            _ => counts.crashes += 1,
        }
        let wall_ms = u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX);
        Ok(Outcome { counts, ended, first_crash: None, fork_latency_us: None, wall_ms })
    }

    /// Takes the progress bar away.
    pub(super) fn finish(&self) {
        self.bar.finish_and_clear();
    }

    fn command(&self, hazard: &Hazard, side: Side) -> Command {
        let mut command = Command::new(&self.executable);
        command
            .arg(super::WORKER_COMMAND)
            .args(["--hazard", hazard.id])
            .args(["--forks", &self.args.forks.to_string()])
            .args(["--threads", &self.args.threads.to_string()])
            .arg("--library")
            .arg(self.library)
            .env_remove(KILL_SWITCH)
            .env_remove(HANDSHAKE)
            .stdin(Stdio::null())
            .stdout(Stdio::piped());
        match side {
            Side::Bare => {
                command.args(["--cut-off", &self.args.cut_off.to_string()]);
            }
            Side::Protected => {
                let mut preload = self.library.as_os_str().to_owned();
                if let Some(others) = env::var_os(PRELOAD).filter(|others| !others.is_empty()) {
                    preload.push(":");
                    preload.push(others);
                }
                command.env(PRELOAD, preload);
                // So many hangs are verdict enough; the rest would only take hours.
                let cut_off = self.args.cut_off.max(PROTECTED_CUT_OFF);
                command.args(["--cut-off", &cut_off.to_string()]);
            }
        }
        command
    }

    /// Listens until the worker has reported, ended, or fallen silent.
    fn follow(
        &self,
        hazard: &Hazard,
        side: Side,
        lines: &Receiver<String>,
        at: u64,
    ) -> Result<Heard, Error> {
        // Some once the worker has said hello.
        let mut counts: Option<Counts> = None;
        loop {
            let line = match lines.recv_timeout(SILENCE) {
                Ok(line) => line,
                Err(RecvTimeoutError::Timeout) => {
                    return Ok(Heard::Silence(counts.unwrap_or_default()));
                }
                Err(RecvTimeoutError::Disconnected) => return Ok(Heard::End(counts)),
            };
            match serde_json::from_str(&line) {
                Ok(Message::Hello { library_mapped }) => {
                    match (side, library_mapped) {
                        (Side::Bare, true) => return Err(Error::StillLoaded(self.library.into())),
                        (Side::Protected, false) => {
                            return Err(Error::NotLoaded(self.library.into()));
                        }
                        _ => {}
                    }
                    counts = Some(Counts::default());
                }
                Ok(Message::Progress(now)) => {
                    self.bar.set_position(at + u64::from(now.timed));
                    counts = Some(now);
                }
                Ok(Message::Report(outcome)) => return Ok(Heard::Report(outcome)),
                Ok(Message::Error(sentence)) => return Err(Error::Worker(hazard.id, sentence)),
                Err(_) => return Err(Error::Garbled(hazard.id, line)),
            }
        }
    }
}

/// How listening to a worker ended.
enum Heard {
    Report(Outcome),
    /// It still runs; these were its last counts.
    Silence(Counts),
    /// Its output ended; its last counts, if it ever said hello.
    End(Option<Counts>),
}

/// Hands on the worker's lines from a thread of their own, so that silence can be noticed.
fn listen(stdout: Option<ChildStdout>) -> Receiver<String> {
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || {
        for line in stdout.into_iter().flat_map(|stdout| BufReader::new(stdout).lines()) {
            let Ok(line) = line else { break };
            if sender.send(line).is_err() {
                break;
            }
        }
    });
    receiver
}

/// Reaps a worker that has reported, ended or been killed. One that does not end although it has
/// reported is killed.
fn reap(child: &mut Child) -> io::Result<ExitStatus> {
    let deadline = Instant::now() + SILENCE;
    while Instant::now() < deadline {
        if let Some(status) = child.try_wait()? {
            return Ok(status);
        }
        thread::sleep(Duration::from_millis(1));
    }
    child.kill()?;
    child.wait()
}

fn how(status: ExitStatus) -> String {
    match (status.signal(), status.code()) {
        (Some(signal), _) => format!("died by signal {signal}"),
        (None, Some(code)) => format!("exited with code {code}"),
        (None, None) => "ended".to_owned(),
    }
}

/// If this process itself was started with the library preloaded, replaces it by one that was not.
///
/// Otherwise the library, which carries itself on to programs that are started, would be in the
/// bare workers too. `library` is canonical.
pub(super) fn leave_library(library: &Path) -> Result<(), Error> {
    let Some(preload) = env::var_os(PRELOAD) else {
        return Ok(());
    };
    let Some(others) = without(&preload, library) else {
        return Ok(());
    };

    let mut environment = Environment::inherited();
    environment.set(PRELOAD, &others);
    if others.is_empty() {
        environment.remove(PRELOAD);
    }
    // With the kill switch in it, the library hands an environment on as it is.
    environment.set(KILL_SWITCH, OsStr::new("off"));
    let executable = env::current_exe().map_err(Error::Start)?;
    let arguments: Vec<OsString> = env::args_os().collect();
    Err(Error::Start(sys::exec(&executable, &arguments, environment.entries())))
}

/// A value of the preload variable without the library; `None` if it does not name it. A name
/// without a slash, which the loader would search for, stands for the library if the file names are
/// equal.
fn without(preload: &OsStr, library: &Path) -> Option<OsString> {
    let is_library = |entry: &[u8]| {
        let entry = Path::new(OsStr::from_bytes(entry));
        if entry.as_os_str().as_bytes().contains(&b'/') {
            entry.canonicalize().is_ok_and(|entry| entry == library)
        } else {
            library.file_name() == Some(entry.as_os_str())
        }
    };
    let entries = || {
        preload
            .as_bytes()
            .split(|byte| PRELOAD_SEPARATORS.contains(byte))
            .filter(|entry| !entry.is_empty())
    };
    let others: Vec<&[u8]> = entries().filter(|entry| !is_library(entry)).collect();
    (others.len() < entries().count()).then(|| OsString::from_vec(others.join(&b':')))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_library_is_taken_out_of_the_preload() {
        let library = env::current_exe().unwrap().canonicalize().unwrap();
        let name = library.file_name().unwrap();
        let list = |entries: &[&OsStr]| entries.join(OsStr::new(":"));
        let other = OsStr::new("/lib/other.so");

        assert_eq!(without(other, &library), None);
        assert_eq!(without(OsStr::new(""), &library), None);
        assert_eq!(without(library.as_os_str(), &library), Some(OsString::new()));
        let preload = list(&[library.as_os_str(), other, name, other]);
        assert_eq!(without(&preload, &library), Some(list(&[other, other])));
    }
}
