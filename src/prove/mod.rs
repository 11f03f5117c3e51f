//! `forkfix prove`: the hazard matrix, measured on the user's own machine.
//!
//! For each [hazard](hazards) a worker process lets threads hammer one libc call while its main
//! thread forks, and each child makes one call under a deadline. The worker runs twice: bare and
//! with the library preloaded. [`supervise`] starts and watches the workers, [`worker`] is what
//! they do, [`watch`] decides whether a child hangs, [`report`] prints what came out.
//!
//! Invariant: a verdict is never assumed. The worker reads from its own memory map whether the
//! library is loaded, and a run in which it is loaded on the wrong side ends with an error, not
//! with a table.
//!
//! Callable from: the command's `main`, with no other thread running.

mod calls;
mod hazards;
mod message;
mod report;
mod supervise;
mod watch;
mod worker;

use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Instant;

use clap::builder::RangedI64ValueParser;
use hazards::{Family, Hazard};
use report::{Row, Run};
use supervise::Supervisor;

use crate::sys::PRELOAD;

/// The worker's subcommand, as the command line spells it.
const WORKER_COMMAND: &str = "prove-worker";

/// A number from 1 to `most`.
fn number(most: i64) -> RangedI64ValueParser<u32> {
    clap::value_parser!(u32).range(1..=most)
}

/// What `forkfix prove` takes.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Args {
    /// Only the hazards of this family; may be repeated
    #[arg(long, value_name = "NAME", value_enum)]
    family: Vec<Family>,

    /// Forks for each row and side
    #[arg(long, value_name = "N", default_value_t = 2000, value_parser = number(1_000_000))]
    forks: u32,

    /// Threads that hammer the call while the process forks
    #[arg(long, value_name = "N", default_value_t = 2, value_parser = number(1000))]
    threads: u32,

    /// Hangs after which a bare row is decided; its other forks only time `fork` itself
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = number(1_000_000))]
    cut_off: u32,

    /// Run one side only
    #[arg(long, value_name = "SIDE", value_enum)]
    only: Option<Side>,

    /// Print one JSON document (schema `forkfix.prove/1`) instead of the table
    #[arg(long)]
    json: bool,

    /// List the hazards and exit
    #[arg(long)]
    list: bool,
}

/// What the hidden worker subcommand takes. The supervisor writes it; nobody types it.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct WorkerArgs {
    /// Identifier of the hazard
    #[arg(long, required_unless_present = "check_environment")]
    hazard: Option<String>,

    /// Forks to make
    #[arg(long, default_value_t = 0)]
    forks: u32,

    /// Hammering threads
    #[arg(long, default_value_t = 2)]
    threads: u32,

    /// Hangs after which children no longer make the call
    #[arg(long, default_value_t = u32::MAX)]
    cut_off: u32,

    /// The library whose presence in the memory map is reported
    #[arg(long)]
    library: Option<PathBuf>,

    /// Instead of all that: exit 0 if the environment holds this many of the spawn row's variables
    #[arg(long, value_name = "N")]
    check_environment: Option<u32>,
}

/// Which of the two runs of a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Side {
    /// Without the library
    Bare,
    /// With the library preloaded
    Protected,
}

impl Side {
    const ALL: [Self; 2] = [Self::Bare, Self::Protected];

    const fn name(self) -> &'static str {
        match self {
            Self::Bare => "bare",
            Self::Protected => "protected",
        }
    }
}

/// Why no verdict could be reached.
#[derive(Debug)]
pub(crate) enum Error {
    /// The library's file cannot be found or read.
    Library(PathBuf, io::Error),
    /// The protected worker runs without the library.
    NotLoaded(PathBuf),
    /// The bare worker runs with the library.
    StillLoaded(PathBuf),
    /// Our own executable could not be started.
    Start(io::Error),
    /// A worker said why it cannot do its work.
    Worker(&'static str, String),
    /// A worker ended before it said anything.
    Silent(&'static str, String),
    /// A worker wrote something that is not of its protocol.
    Garbled(&'static str, String),
    /// Standard output cannot be written.
    Output(io::Error),
}

impl std::fmt::Display for Error {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Library(path, error) => write!(
                f,
                "the library {} cannot be read ({error}); name another with --library",
                path.display()
            ),
            Self::NotLoaded(path) => write!(
                f,
                "the dynamic loader did not load {} into the protected process, so there is \
                 nothing to prove; look for its reason on stderr, or name another library with \
                 --library",
                path.display()
            ),
            Self::StillLoaded(path) => write!(
                f,
                "{} is loaded even without {PRELOAD}, so there is no bare side to compare with; take \
                 it out of the loader's configuration (on Linux, /etc/ld.so.preload)",
                path.display()
            ),
            Self::Start(error) => {
                write!(f, "forkfix cannot start itself again as a worker ({error})")
            }
            Self::Worker(row, sentence) => write!(f, "row {row}: {sentence}"),
            Self::Silent(row, how) => write!(
                f,
                "row {row}: the worker {how} before it could report; run again with --only bare \
                 to see whether the library is the cause"
            ),
            Self::Garbled(row, line) => write!(
                f,
                "row {row}: the worker wrote a line that is not of its protocol ({line:?}); \
                 something preloaded writes to standard output"
            ),
            Self::Output(error) => write!(f, "the report cannot be written ({error})"),
        }
    }
}

impl std::error::Error for Error {}

/// Runs the matrix and prints the report. The exit code is 1 if a protected row hung or crashed,
/// else 0.
pub(crate) fn run(args: &Args, library: &Path) -> Result<ExitCode, Error> {
    let chosen: Vec<&'static Hazard> = hazards::all()
        .into_iter()
        .filter(|hazard| args.family.is_empty() || args.family.contains(&hazard.family))
        .collect();
    if args.list {
        report::list(&chosen).map_err(Error::Output)?;
        return Ok(ExitCode::SUCCESS);
    }

    let library =
        library.canonicalize().map_err(|error| Error::Library(library.to_owned(), error))?;
    supervise::leave_library(&library)?;

    let (chosen, left_out): (Vec<_>, Vec<_>) =
        chosen.into_iter().partition(|hazard| hazard.need.is_none_or(|need| (need.is_met)()));
    let begun = Instant::now();
    let sides: &[Side] = match &args.only {
        Some(side) => std::slice::from_ref(side),
        None => &Side::ALL,
    };
    let mut supervisor = Supervisor::new(args, &library, chosen.len() * sides.len())?;
    let mut rows = Vec::with_capacity(chosen.len());
    for hazard in chosen {
        let mut row = Row::new(hazard);
        for &side in sides {
            let outcome = Some(supervisor.work(hazard, side)?);
            match side {
                Side::Bare => row.bare = outcome,
                Side::Protected => row.protected = outcome,
            }
        }
        rows.push(row);
    }
    supervisor.finish();

    let run = Run::new(args, &library, rows, &left_out, begun.elapsed());
    if args.json { run.print_json() } else { run.print_table() }.map_err(Error::Output)?;
    Ok(if run.failed() { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

/// The hidden subcommand: one side of one row. Reports on standard output, one JSON [`message`] a
/// line.
pub(crate) fn worker(args: &WorkerArgs) -> ExitCode {
    worker::main(args)
}
