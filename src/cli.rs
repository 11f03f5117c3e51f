//! The command line.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use clap::builder::PossibleValue;
use clap::{ArgAction, Args, Parser, Subcommand, ValueEnum};
use log::LevelFilter;

use crate::error::Error;
use crate::generate::Artifact;
use crate::preset::Preset;
use crate::report::Form;
use crate::{doctor, generate, prove, report, run};

const EXAMPLES: &str = "\
Examples:
  forkfix run -- ./legacy-tests             run a test suite with forked children protected
  forkfix run --stats -- python3 worker.py  and say at the end what it took
  forkfix run --option help=1               list the library's options
  forkfix doctor ./legacy-tests             say beforehand what will work
  forkfix prove                             measure hangs on this machine, bare and protected
  forkfix report run.jsonl -o run.html      make a page of what a watched run recorded

Exit codes:
  the program's own, if it was started
  1    forkfix prove: a protected child hung
  2    the command line is wrong
  124  a watched program took longer than --timeout
  125  forkfix failed, or refused to run the program unprotected
  126  the program was found but cannot be run
  127  the program was not found";

const REPORT_EXAMPLES: &str = "\
Examples:
  forkfix report run.jsonl                  on standard output, for people and for grep SUMMARY
  forkfix report run.jsonl -o run.html      one page, to be opened in a browser
  forkfix report run.jsonl --junit | upload  a failed test case for each child that hangs

The status is 0 if the report was written, also if it tells of hangs.";

const RUN_EXAMPLES: &str = "\
Examples:
  forkfix run -- ./legacy-tests --gtest_filter='Death*'
  forkfix run --stats --option blocking_ms=20 -- ctest
  forkfix run --preset python -- gunicorn app:app
  forkfix run --watch --report run.html -- make test
  ENTRYPOINT [\"forkfix\", \"run\", \"--\", \"/usr/bin/server\"]

The program replaces this command: it has the same process id, terminal and signals, and its exit
status is its own. With --watch it is a child of this command, which passes on signals and the exit
status (128 and the signal's number if it died by one). Before that forkfix makes sure that the library will be loaded into it, and exits
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

    /// Write what `forkfix run --watch` recorded as a report
    Report(ReportArgs),

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
            Command::Report(args) => report::run(args).map_err(Error::Report),
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

    /// Print a line of figures at the end of each process that forked; with --watch, those of all at the end
    #[arg(long)]
    pub(crate) stats: bool,

    /// What the library logs, to standard error
    #[arg(long, value_name = "LEVEL")]
    log: Option<LibraryLevel>,

    /// Leave the library out of programs that are started with an environment of their own
    #[arg(long)]
    no_follow: bool,

    /// Warn instead of refusing where the program would run without protection
    #[arg(long)]
    pub(crate) allow_unprotected: bool,

    #[command(flatten)]
    pub(crate) watch: WatchArgs,

    /// The program and its arguments
    #[arg(value_name = "CMD", trailing_var_arg = true)]
    pub(crate) command: Vec<OsString>,
}

/// How a program is watched.
#[derive(Debug, Args)]
#[command(next_help_heading = "Watching (Linux)")]
#[cfg_attr(target_os = "macos", allow(dead_code, reason = "Macs do not watch"))]
pub(crate) struct WatchArgs {
    /// Run the program as a child instead, and say which of its forked children hang, and on what
    #[arg(long)]
    pub(crate) watch: bool,

    /// How long no thread of a child must move before it counts as hung
    #[arg(long, value_name = "SECONDS", default_value = "5", value_parser = seconds, requires = "watch")]
    pub(crate) hang_after: Duration,

    /// What is done with a child that hangs
    #[arg(long, value_name = "ACTION", value_enum, default_value_t = OnHang::Report, requires = "watch")]
    pub(crate) on_hang: OnHang,

    /// End the program after so long, with status 124, and say which of its children wait
    #[arg(long, value_name = "SECONDS", value_parser = seconds, requires = "watch")]
    pub(crate) timeout: Option<Duration>,

    /// The status to end with if a child hung
    #[arg(long, value_name = "N", requires = "watch")]
    pub(crate) error_exitcode: Option<u8>,

    /// Write a report to this file, whose end says in which form: .jsonl, .txt, .xml (JUnit), .sarif or
    /// .html; may be repeated
    #[arg(long = "report", value_name = "FILE", value_parser = report_file, requires = "watch")]
    pub(crate) reports: Vec<ReportFile>,
}

/// What is done with a child that hangs.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum OnHang {
    /// It is left as it is
    Report,
    /// It is killed, and nothing else is
    Kill,
    /// It is aborted (SIGABRT), which leaves a core file where those are on
    Core,
}

/// A file for a report.
#[derive(Clone, Debug)]
#[cfg_attr(target_os = "macos", allow(dead_code, reason = "Macs do not watch"))]
pub(crate) struct ReportFile {
    pub(crate) path: PathBuf,
    pub(crate) form: Form,
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
        if self.stats && !self.watch.watch {
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

/// What `forkfix report` takes.
#[derive(Debug, Args)]
#[command(after_help = REPORT_EXAMPLES)]
pub(crate) struct ReportArgs {
    /// The recording; - is standard input
    pub(crate) file: PathBuf,

    #[command(flatten)]
    form: FormArgs,

    /// Where to write the report; its ending says in which form, unless an option does
    #[arg(short, long, value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,
}

/// One form.
#[derive(Debug, Args)]
#[group(multiple = false)]
struct FormArgs {
    /// A block of lines for each hang, and the figures; this is the default
    #[arg(long)]
    text: bool,

    /// Lines of JSON, of the schema forkfix.report/1
    #[arg(long)]
    json: bool,

    /// JUnit's XML, for results of tests
    #[arg(long)]
    junit: bool,

    /// SARIF 2.1.0, for findings beside the source
    #[arg(long)]
    sarif: bool,

    /// One page that needs nothing else
    #[arg(long)]
    html: bool,
}

impl ReportArgs {
    /// The form that is asked for.
    pub(crate) fn form(&self) -> Form {
        let FormArgs { text, json, junit, sarif, html } = self.form;
        let forms = [
            (text, Form::Text),
            (json, Form::Json),
            (junit, Form::Junit),
            (sarif, Form::Sarif),
            (html, Form::Html),
        ];
        let chosen = forms.into_iter().find_map(|(is_chosen, form)| is_chosen.then_some(form));
        let named = || self.output.as_deref().and_then(Form::of_path);
        chosen.or_else(named).unwrap_or(Form::Text)
    }
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

fn seconds(text: &str) -> Result<Duration, String> {
    let seconds = text.parse().ok().and_then(|number| Duration::try_from_secs_f64(number).ok());
    seconds
        .filter(|seconds| !seconds.is_zero())
        .ok_or_else(|| "it must be a number of seconds above 0, for example 0.5".to_owned())
}

fn report_file(text: &str) -> Result<ReportFile, String> {
    let path = PathBuf::from(text);
    match Form::of_path(&path) {
        Some(form) => Ok(ReportFile { path, form }),
        None => Err("it must end in .jsonl, .json, .txt, .xml, .sarif or .html".to_owned()),
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
