//! The command line.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::builder::PossibleValue;
use clap::{ArgAction, Args, Parser, Subcommand, ValueEnum};
use log::LevelFilter;

use crate::error::Error;
use crate::generate::Artifact;
use crate::preset::Preset;
use crate::{doctor, generate, prove, run};

const EXAMPLES: &str = "\
Examples:
  forkfix run -- ./legacy-tests             run a test suite with forked children protected
  forkfix run --stats -- python3 worker.py  and say at the end what it took
  forkfix run --option help=1               list the library's options
  forkfix doctor ./legacy-tests             say beforehand what will work
  forkfix prove                             measure hangs on this machine, bare and protected

Exit codes:
  the program's own, if it was started
  1    forkfix prove: a protected child hung
  2    the command line is wrong
  125  forkfix failed, or refused to run the program unprotected
  126  the program was found but cannot be run
  127  the program was not found";

const RUN_EXAMPLES: &str = "\
Examples:
  forkfix run -- ./legacy-tests --gtest_filter='Death*'
  forkfix run --stats --option blocking_ms=20 -- ctest
  forkfix run --preset python -- gunicorn app:app
  ENTRYPOINT [\"forkfix\", \"run\", \"--\", \"/usr/bin/server\"]

The program replaces this command: it has the same process id, terminal and signals, and its exit
status is its own. Before that forkfix makes sure that the library will be loaded into it, and exits
with 125 and the reason if not.

Environment:
  FORKFIX_OPTIONS  options of the library, key=value:key=value; --option overrides them by key
  FORKFIX_LIBRARY  the library, where --library does not name it
  FORKFIX=off      switches the library off";

/// Makes forked children of multithreaded programs stop hanging, for programs as they are.
#[derive(Debug, Parser)]
#[command(name = "forkfix", version, after_help = EXAMPLES, arg_required_else_help = true)]
pub(crate) struct Cli {
    /// Say what is done, on standard error; twice for more
    #[arg(short, long, global = true, action = ArgAction::Count)]
    verbose: u8,

    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run a program with the library preloaded, in place of this command
    Run(RunArgs),

    /// Fork many times on this machine, bare and protected, and count the children that hang
    Prove {
        #[command(flatten)]
        library: LibraryArg,
        #[command(flatten)]
        args: prove::Args,
    },

    /// Say beforehand what will and will not work for a program
    Doctor(DoctorArgs),

    /// One side of one row of `prove`
    #[command(hide = true)]
    ProveWorker(prove::WorkerArgs),

    /// Print the manual page or a shell's completions
    #[command(hide = true)]
    Generate {
        /// What to print
        artifact: Artifact,
    },
}

impl Cli {
    /// How much the command logs.
    pub(crate) fn log_level(&self) -> LevelFilter {
        match self.verbose {
            0 => LevelFilter::Off,
            1 => LevelFilter::Info,
            _ => LevelFilter::Trace,
        }
    }

    /// Does what the command line says.
    pub(crate) fn dispatch(&self) -> Result<ExitCode, Error> {
        match &self.command {
            Command::Run(args) => run::run(args),
            Command::Prove { library, args } => {
                let (library, _) = run::ready(library.path(), &run::inherited())?;
                prove::run(args, library.path()).map_err(Error::Prove)
            }
            Command::Doctor(args) => Ok(doctor::run(args)),
            Command::ProveWorker(args) => Ok(prove::worker(args)),
            Command::Generate { artifact } => Ok(generate::run(*artifact)),
        }
    }
}

/// Where the library is.
#[derive(Debug, Args)]
pub(crate) struct LibraryArg {
    /// The library to preload; by default the one that was installed with this command
    #[arg(long = "library", value_name = "PATH")]
    path: Option<PathBuf>,
}

impl LibraryArg {
    /// The path, if one was named.
    pub(crate) fn path(&self) -> Option<&Path> {
        self.path.as_deref()
    }
}

/// What `forkfix run` takes.
#[derive(Debug, Args)]
#[command(after_help = RUN_EXAMPLES, override_usage = "forkfix run [OPTIONS] -- <CMD> [ARG]...")]
pub(crate) struct RunArgs {
    #[command(flatten)]
    pub(crate) library: LibraryArg,

    /// Set an option of the library; may be repeated, help=1 lists them
    #[arg(long = "option", value_name = "KEY=VALUE", value_parser = key_and_value)]
    options: Vec<(String, String)>,

    /// Set environment variables that keep children of such programs alive; may be repeated, help lists
    /// them
    #[arg(long = "preset", value_name = "NAME", value_enum)]
    pub(crate) presets: Vec<Preset>,

    /// Print a line of figures at the end of each process that forked
    #[arg(long)]
    stats: bool,

    /// What the library logs, to standard error
    #[arg(long, value_name = "LEVEL")]
    log: Option<LibraryLevel>,

    /// Leave the library out of programs that are started with an environment of their own
    #[arg(long)]
    no_follow: bool,

    /// Warn instead of refusing where the program would run without protection
    #[arg(long)]
    pub(crate) allow_unprotected: bool,

    /// The program and its arguments
    #[arg(value_name = "CMD", trailing_var_arg = true)]
    pub(crate) command: Vec<OsString>,
}

impl RunArgs {
    /// The library's options that the command line sets, each once: the last one wins, and flags over
    /// `--option`.
    pub(crate) fn overrides(&self) -> Vec<(String, String)> {
        let mut overrides: Vec<(String, String)> = Vec::new();
        let mut set = |key: &str, value: &str| {
            overrides.retain(|(old, _)| old != key);
            overrides.push((key.to_owned(), value.to_owned()));
        };
        for (key, value) in &self.options {
            set(key, value);
        }
        if self.stats {
            set("stats", "1");
        }
        if let Some(level) = &self.log {
            set("log", level.name());
        }
        if self.no_follow {
            set("follow", "0");
        }
        overrides
    }
}

/// What `forkfix doctor` takes.
#[derive(Debug, Args)]
#[command(override_usage = "forkfix doctor [OPTIONS] <CMD> [ARG]...")]
pub(crate) struct DoctorArgs {
    #[command(flatten)]
    pub(crate) library: LibraryArg,

    /// Print one JSON object (schema forkfix.doctor/1) instead of lines
    #[arg(long)]
    pub(crate) json: bool,

    /// The program, as it would be given to `forkfix run`; its arguments do not matter
    #[arg(value_name = "CMD", trailing_var_arg = true, required = true)]
    pub(crate) command: Vec<OsString>,
}

/// A level of the library's log.
#[derive(Clone, Debug)]
struct LibraryLevel(LevelFilter);

impl LibraryLevel {
    fn name(&self) -> &'static str {
        match self.0 {
            LevelFilter::Off => "off",
            LevelFilter::Error => "error",
            LevelFilter::Warn => "warn",
            LevelFilter::Info => "info",
            LevelFilter::Debug => "debug",
            LevelFilter::Trace => "trace",
        }
    }
}

impl ValueEnum for LibraryLevel {
    fn value_variants<'a>() -> &'a [Self] {
        &[
            Self(LevelFilter::Off),
            Self(LevelFilter::Error),
            Self(LevelFilter::Warn),
            Self(LevelFilter::Info),
            Self(LevelFilter::Debug),
            Self(LevelFilter::Trace),
        ]
    }

    fn to_possible_value(&self) -> Option<PossibleValue> {
        Some(PossibleValue::new(self.name()))
    }
}

fn key_and_value(text: &str) -> Result<(String, String), String> {
    if text.contains(':') {
        return Err("a colon separates options in FORKFIX_OPTIONS, so none can have one in it; \
                    repeat --option instead"
            .to_owned());
    }
    match text.split_once('=') {
        Some((key, value)) if !key.is_empty() => Ok((key.to_owned(), value.to_owned())),
        _ => Err("it must be written as KEY=VALUE, for example stats=1".to_owned()),
    }
}
