//! The worker: one side of one row, in a process of its own.
//!
//! Threads hammer the row's call; the main thread forks, times `fork`, and [watches](super::watch)
//! each child. Whether the library is loaded is not the worker's choice but its environment's; the
//! worker reports what it finds in its own memory.
//!
//! Invariant: a child runs [`child`] and nothing else of this program. The hammering threads use no
//! lock of Rust's, so that a hang is libc's.

use std::ffi::{CString, c_char};
use std::io::{self, Write};
use std::os::unix::ffi::OsStrExt;
use std::process::ExitCode;
use std::ptr;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use super::WorkerArgs;
use super::calls::{KEPT_PREFIX, KEPT_VARIABLES};
use super::hazards::{Action, Call, Hazard};
use super::message::{Counts, Ended, Latency, Message, Outcome};
use super::watch::{Fate, watch};
use crate::sys;

/// Progress is told at most this often.
const PROGRESS: Duration = Duration::from_millis(100);

/// Once a row is decided, `fork` is timed until there are this many samples.
const TIMED_FORKS: u32 = 500;

/// A child that nobody watches any more ends after so many seconds; longer than anybody watches one.
const CHILD_ALARM: u32 = 30;

/// Tells the hammering threads to end.
static STOP: AtomicBool = AtomicBool::new(false);
/// How many of them have made their first call.
static STARTED: AtomicU32 = AtomicU32::new(0);

unsafe extern "C" {
    /// The environment as libc keeps it.
    static environ: *const *mut c_char;
}

/// The worker's whole life.
pub(super) fn main(args: &WorkerArgs) -> ExitCode {
    if let Some(count) = args.check_environment {
        let whole = (0..count).all(|n| std::env::var_os(format!("{KEPT_PREFIX}{n}")).is_some());
        return if whole { ExitCode::SUCCESS } else { ExitCode::FAILURE };
    }
    let last = match work(args) {
        Ok(outcome) => Message::Report(outcome),
        Err(sentence) => Message::Error(sentence),
    };
    let told = tell(&last).is_ok();
    // Not by `exit`: a thread may be in there (row "exit").
    // SAFETY: no precondition; everything is written.
    unsafe { libc::_exit(i32::from(!told)) }
}

fn work(args: &WorkerArgs) -> Result<Outcome, String> {
    let id = args.hazard.as_deref().unwrap_or_default();
    let hazard = Hazard::find(id).ok_or_else(|| format!("there is no hazard named {id:?}"))?;
    let library_mapped = args.library.as_deref().is_some_and(sys::is_mapped);
    prepare_process();
    tell(&Message::Hello { library_mapped }).map_err(|error| error.to_string())?;

    (hazard.set_up)();
    let step = Step::new(hazard)?;
    let hammers = start_hammers(hazard.hammer, args.threads);

    let begun = Instant::now();
    let mut told = begun;
    let mut counts = Counts::default();
    let mut first_crash = None;
    let mut latencies = Vec::with_capacity(args.forks as usize);
    loop {
        let call = counts.hangs < args.cut_off;
        let wanted = if call { args.forks } else { args.forks.min(TIMED_FORKS) };
        if counts.timed >= wanted {
            break;
        }
        let before = Instant::now();
        let child = step.start(call);
        latencies.push(u64::try_from(before.elapsed().as_micros()).unwrap_or(u64::MAX));
        let fate = match child {
            Ok(pid) => {
                watch(pid).map_err(|error| format!("a child cannot be watched ({error})"))?
            }
            Err(error) => step.not_started(error)?,
        };
        counts.timed += 1;
        if call {
            counts.forks += 1;
            match fate {
                Fate::Returned => {}
                Fate::Hung => counts.hangs += 1,
                Fate::Crashed(how) => {
                    counts.crashes += 1;
                    first_crash.get_or_insert(how);
                }
            }
        }
        if told.elapsed() >= PROGRESS {
            told = Instant::now();
            tell(&Message::Progress(counts)).map_err(|error| error.to_string())?;
        }
    }
    let wall_ms = u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX);

    STOP.store(true, Ordering::Relaxed);
    for hammer in hammers {
        // A hammering thread cannot panic: it calls libc and nothing else.
        let _ = hammer.join();
    }
    let fork_latency_us = Latency::of(latencies);
    Ok(Outcome { counts, ended: Ended::Completed, first_crash, fork_latency_us, wall_ms })
}

/// Writes one message, whole, before anything else happens.
fn tell(message: &Message) -> io::Result<()> {
    let mut line = serde_json::to_string(message)?;
    line.push('\n');
    let mut out = io::stdout().lock();
    out.write_all(line.as_bytes())?;
    out.flush()
}

/// Ties this process to its supervisor's life, and lets crashing children leave no core files.
fn prepare_process() {
    sys::die_with_parent();
    let none = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: the pointer is to a live object of this frame.
    unsafe { libc::setrlimit(libc::RLIMIT_CORE, &none) };
}

/// Starts the threads and waits until each is past its first call, which reads configuration and
/// need not be like the others.
fn start_hammers(hammer: Call, threads: u32) -> Vec<thread::JoinHandle<()>> {
    let hammers = (0..threads)
        .map(|_| {
            thread::spawn(move || {
                (hammer.call)();
                STARTED.fetch_add(1, Ordering::Relaxed);
                while !STOP.load(Ordering::Relaxed) {
                    (hammer.call)();
                }
            })
        })
        .collect();
    while STARTED.load(Ordering::Relaxed) < threads {
        thread::yield_now();
    }
    hammers
}

/// What the main thread repeats, with all that it needs made beforehand.
enum Step {
    /// Fork; the child makes the call and compares its answer with the one from before the threads.
    Fork { call: Call, answer: bool, parent: libc::pid_t },
    /// Spawn this program again with these arguments.
    Spawn { program: CString, arguments: Vec<CString> },
}

impl Step {
    fn new(hazard: &Hazard) -> Result<Self, String> {
        match hazard.action {
            Action::Fork(call) => Ok(Self::Fork {
                call,
                answer: hazard.cold || (call.call)(),
                // SAFETY: no precondition.
                parent: unsafe { libc::getpid() },
            }),
            Action::Spawn => {
                let program = std::env::current_exe().map_err(|error| error.to_string())?;
                let program = CString::new(program.as_os_str().as_bytes())
                    .map_err(|error| error.to_string())?;
                let count = KEPT_VARIABLES.to_string();
                let arguments =
                    ["forkfix", super::WORKER_COMMAND, "--check-environment", count.as_str()];
                let arguments = arguments
                    .into_iter()
                    .map(|argument| CString::new(argument).map_err(|error| error.to_string()))
                    .collect::<Result<_, _>>()?;
                Ok(Self::Spawn { program, arguments })
            }
        }
    }

    /// Starts one child. Without `make_call` a forked child exits at once.
    fn start(&self, make_call: bool) -> io::Result<libc::pid_t> {
        let (call, answer, parent) = match self {
            Self::Spawn { program, arguments } => return spawn(program, arguments),
            Self::Fork { call, answer, parent } => (call, *answer, *parent),
        };
        // SAFETY: the child runs `child` and nothing else, which is safe there.
        match unsafe { libc::fork() } {
            -1 => Err(io::Error::last_os_error()),
            0 => child(make_call.then_some(call.call), answer, parent),
            pid => Ok(pid),
        }
    }

    /// What it means that there is no child: the machine is full, unless it was a spawn, which must
    /// not fail because other threads change the environment.
    fn not_started(&self, error: io::Error) -> Result<Fate, String> {
        match self {
            Self::Fork { .. } => Err(format!("fork failed ({error})")),
            Self::Spawn { .. } => Ok(Fate::Crashed(format!("not started: {error}"))),
        }
    }
}

/// All that a forked child does: the call, and out. No allocation, no std.
fn child(call: Option<fn() -> bool>, answer: bool, parent: libc::pid_t) -> ! {
    // A child that hangs must not outlive a worker that is killed; nor, where the kernel does not see
    // to that, its watcher's deadline by much.
    sys::die_with_parent();
    // SAFETY: takes a number; the signal's default action ends the process.
    unsafe { libc::alarm(CHILD_ALARM) };
    // SAFETY: no precondition.
    let orphaned = unsafe { libc::getppid() } != parent;
    let as_before = orphaned || call.is_none_or(|call| call() == answer);
    // SAFETY: no precondition; ends the process without running anything of the parent's.
    unsafe { libc::_exit(i32::from(!as_before)) }
}

/// Spawns the program with the environment that the other threads are changing.
fn spawn(program: &CString, arguments: &[CString]) -> io::Result<libc::pid_t> {
    let mut pointers: Vec<*mut c_char> =
        arguments.iter().map(|argument| argument.as_ptr().cast_mut()).collect();
    pointers.push(ptr::null_mut());
    let mut pid = 0;
    // SAFETY: libc's variable is always initialised. That other threads change it is the hazard.
    let environment = unsafe { (&raw const environ).read_volatile() };
    // SAFETY: program and arguments end with a NUL, the array with a null, and all outlive the
    // call; no file actions, no attributes. What `environment` points to may be moved meanwhile:
    // the kernel reads it with checks, so that the worst that comes of it is an error or a lost
    // variable.
    let error = unsafe {
        libc::posix_spawn(
            &mut pid,
            program.as_ptr(),
            ptr::null(),
            ptr::null(),
            pointers.as_ptr(),
            environment,
        )
    };
    if error == 0 { Ok(pid) } else { Err(io::Error::from_raw_os_error(error)) }
}
