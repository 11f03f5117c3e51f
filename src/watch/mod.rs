//! `forkfix run --watch`: runs a program as a child, and says which of its forked children hang.
//!
//! | room | what lives there |
//! |---|---|
//! | `recording` | the private directory, which processes of the program find by an option |
//! | `ring` | reading what they write there |
//! | `children` | the table that is made of it, and who is looked at when |
//! | `hung` | hung or slow, by `/proc` |
//! | `supervise`, `signals` | the program, and this process in its place |
//! | `journal`, `figures` | where the run is told |
//!
//! Invariant: this process has one thread, but for those of an examination, and the program would notice it only by
//! asking for its parent.

mod candidate;
mod children;
mod figures;
#[allow(dead_code, reason = "some of it is for the library alone")]
#[path = "../../interpose/src/record/format.rs"]
pub(crate) mod format;
mod hung;
mod journal;
mod procs;
mod recording;
mod ring;
mod signals;
mod supervise;

use std::ffi::OsString;
use std::io::{self, Write};
use std::mem::MaybeUninit;
use std::process::ExitCode;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use libc::c_int;

pub(crate) use candidate::Candidate;
pub(crate) use hung::Standstill;

use crate::cli::{OnHang, WatchArgs};
use crate::environment::Environment;
use crate::error::Error;
use crate::examine::Examiner;
use crate::exit;
use crate::report::model::{Entry, Run, Summary};
use crate::report::text;
use children::Table;
use journal::{Journal, say};
use recording::Recording;
use ring::Reader;
use signals::{Signal, Signals};
use supervise::Program;

/// From one look at the ring to the next.
const TICK: Duration = Duration::from_millis(50);
/// How long processes get to end by themselves after [`WatchArgs::timeout`].
const KILL_AFTER: Duration = Duration::from_secs(5);

/// Runs `command` under the library's eyes and returns the status to end with. `exec` makes a process become
/// the program, in the environment that it gets.
pub(crate) fn run(
    args: &WatchArgs,
    stats: bool,
    command: &[OsString],
    mut environment: Environment,
    exec: impl FnOnce(&Environment) -> Error,
) -> Result<ExitCode, Error> {
    let mut journal = Journal::open(&args.reports)?;
    let (recording, ring) = Recording::create(&environment)?;
    environment.override_options(&[("record".to_owned(), recording.path())]);
    journal.write(Entry::Run(begin(args, command)));
    let signals = Signals::take().map_err(|source| Error::Supervise { source })?;
    let now = Instant::now();
    let table = Table::new(now);
    let program = Program::start(&signals, || exec(&environment))
        .map_err(|source| Error::Supervise { source })?;
    let timeout = args.timeout.and_then(|timeout| now.checked_add(timeout));
    let watch = Watch {
        args,
        signals,
        program,
        ring: Reader::new(ring),
        table,
        journal,
        examiner: Examiner::default(),
        timeout,
        kill: None,
    };
    Ok(ExitCode::from(watch.run(stats)))
}

/// What the recording begins with.
fn begin(args: &WatchArgs, command: &[OsString]) -> Run {
    Run {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        command: command.iter().map(|word| word.to_string_lossy().into_owned()).collect(),
        started: utc(),
        hang_after_ms: u64::try_from(args.hang_after.as_millis()).unwrap_or(u64::MAX),
    }
}

/// A run that goes on.
struct Watch<'a> {
    args: &'a WatchArgs,
    signals: Signals,
    program: Program,
    ring: Reader,
    table: Table,
    journal: Journal,
    examiner: Examiner,
    /// When it has taken too long.
    timeout: Option<Instant>,
    /// When all that is left of it is killed; only after it has taken too long.
    kill: Option<Instant>,
}

impl Watch<'_> {
    /// The whole loop. Returns the status to end with.
    fn run(mut self, stats: bool) -> u8 {
        let mut has_ended = false;
        let status = loop {
            let signals = self.signals.wait(TICK);
            let now = Instant::now();
            if let Some(signal) = self.program.reap() {
                self.stop_too(signal);
            }
            self.ring.read(now, |event| self.table.take(event, now, &mut self.journal));
            for child in self.table.look(now, self.args.hang_after, &mut self.journal) {
                self.report(&child);
            }
            self.journal.flush();
            if self.kill.is_some() || self.timeout.is_some_and(|timeout| now >= timeout) {
                if self.end_all(now) {
                    break exit::TIMED_OUT;
                }
            } else if let Some(status) = self.program.status {
                // What looks hung now is waited for, as long as nobody minds.
                if !has_ended {
                    self.table.begin_anew();
                    has_ended = true;
                }
                if !self.table.is_undecided() || signals.iter().any(Signal::asks_to_end) {
                    break status;
                }
            }
            signals.into_iter().for_each(|signal| self.pass_on(signal));
        };
        self.finish(status, stats)
    }

    /// Passes on a signal that a process sent to this one. Those of the terminal went to the program too, and
    /// what the program itself sends to its parent is not for it.
    fn pass_on(&mut self, Signal { number, sender }: Signal) {
        let own = std::process::id().cast_signed();
        let is_for_it =
            |sender| number != libc::SIGCHLD && ![own, self.program.pid].contains(&sender);
        if sender.is_some_and(is_for_it) {
            self.program.signal(number);
        }
    }

    /// The terminal has stopped the program, and its shell waits for this process to stop.
    fn stop_too(&mut self, signal: c_int) {
        if [libc::SIGTSTP, libc::SIGTTIN, libc::SIGTTOU].contains(&signal) {
            self.journal.flush();
            if let Err(error) = signals::stop(signal) {
                log::warn!("it cannot be stopped together with the program: {error}");
            }
            self.table.begin_anew();
        }
    }

    /// Tells of a child that hangs, and does with it what was asked for.
    fn report(&mut self, child: &Candidate) {
        let mut hang = self.examiner.examine(child);
        hang.at_us = self.table.now_us();
        let (action, signal) = match self.args.on_hang {
            OnHang::Report => ("left", None),
            OnHang::Kill => ("killed", Some(libc::SIGKILL)),
            OnHang::Core => ("aborted", Some(libc::SIGABRT)),
        };
        let can_be_done = signal.is_none_or(|_| supervise::signal_child(child, 0));
        hang.action = if can_be_done { action } else { "left" }.to_owned();
        // Nobody is left to tell when stderr is closed.
        let _ = io::stderr().write_all(text::hang(&hang).as_bytes());
        self.journal.write(Entry::Hang(Box::new(hang)));
        self.journal.flush();
        // Not before it is told: who waits for the child may look at once.
        if let Some(signal) = signal.filter(|_| can_be_done) {
            supervise::signal_child(child, signal);
        }
    }

    /// Ends all that is left, as the time is up. Whether it has ended.
    fn end_all(&mut self, now: Instant) -> bool {
        let Some(kill) = self.kill else {
            for child in self.table.standing() {
                self.report(&child);
            }
            let limit = self.args.timeout.unwrap_or_default().as_secs_f64();
            say(&format!("the program has not ended within {limit} s, so it is ended"));
            supervise::signal_all(libc::SIGTERM);
            self.kill = Some(now + KILL_AFTER);
            return false;
        };
        let is_left = supervise::signal_all(if now < kill { 0 } else { libc::SIGKILL });
        // The kernel may keep a process that waits for a device.
        (!is_left && self.program.status.is_some()) || now >= kill + KILL_AFTER
    }

    /// Tells of the run as a whole. Returns the status to end with.
    fn finish(mut self, status: u8, stats: bool) -> u8 {
        self.table.finish(&mut self.journal);
        let hangs = self.journal.figures.hangs();
        let status = self.args.error_exitcode.filter(|_| hangs > 0).unwrap_or(status);
        let summary = Summary {
            at_us: self.table.now_us(),
            lost_events: self.ring.lost(),
            damaged_events: self.ring.damaged(),
            status: status.into(),
            ..self.journal.figures.summary()
        };
        if stats {
            let _ = io::stderr().write_all(text::summary(&summary).as_bytes());
        }
        self.journal.write(Entry::Summary(summary));
        self.journal.finish();
        status
    }
}

/// The text of a field that the library has filled up with zeroes.
pub(crate) fn unpadded(field: &[u8]) -> String {
    let text = field.split(|byte| *byte == 0).next().unwrap_or_default();
    String::from_utf8_lossy(text).into_owned()
}

/// The time, as RFC 3339 has it.
fn utc() -> String {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let seconds = since.as_secs().cast_signed();
    let mut parts = MaybeUninit::<libc::tm>::zeroed();
    // SAFETY: both point to live objects of this frame.
    unsafe { libc::gmtime_r(&seconds, parts.as_mut_ptr()) };
    // SAFETY: the structure is plain data, and all zeroes is a value of it.
    let parts = unsafe { parts.assume_init() };
    let (year, month, day) = (parts.tm_year + 1900, parts.tm_mon + 1, parts.tm_mday);
    let (hour, minute, second) = (parts.tm_hour, parts.tm_min, parts.tm_sec);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z")
}
