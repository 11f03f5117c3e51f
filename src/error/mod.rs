//! Why the command did not run the program: one variant per cause. The [sentences] say what is
//! wrong, why, and what to do.

mod sentences;

use std::ffi::OsString;
use std::io;
use std::path::PathBuf;

use crate::exit;
use crate::prove;
use crate::report;
use crate::target::macho::Obstacle;
use crate::target::privilege::Privilege;

/// A cause that ends the command before the program runs.
#[derive(Debug)]
#[allow(dead_code, reason = "each system has causes that the other does not know")]
pub(crate) enum Error {
    // The command line.
    NoCommand,

    // The program was not found.
    EmptyCommand,
    NotFound {
        command: OsString,
    },

    // The program cannot be run.
    Directory {
        path: PathBuf,
    },
    NotExecutable {
        path: PathBuf,
    },
    Format {
        path: PathBuf,
    },
    /// `system` is the one it was built for.
    Foreign {
        path: PathBuf,
        system: String,
    },
    InterpreterMissing {
        path: PathBuf,
        interpreter: PathBuf,
    },
    TooManyInterpreters {
        path: PathBuf,
    },
    Exec {
        path: PathBuf,
        source: io::Error,
    },

    // The library is not usable.
    OwnPath {
        source: io::Error,
    },
    LibraryMissing {
        path: PathBuf,
    },
    LibraryNowhere {
        searched: Vec<PathBuf>,
    },
    LibraryUnreadable {
        path: PathBuf,
        source: io::Error,
    },
    LibraryPath {
        path: PathBuf,
        separator: &'static str,
    },
    LibraryFormat {
        path: PathBuf,
    },
    LibraryMachine {
        path: PathBuf,
        machine: String,
    },
    LibraryVersion {
        path: PathBuf,
        version: String,
    },
    LibrarySilent {
        path: PathBuf,
        reason: String,
    },
    LibraryStuck {
        path: PathBuf,
    },
    Options {
        sentence: String,
    },

    // The program would run unprotected.
    KillSwitch,
    Unreadable {
        path: PathBuf,
    },
    Static {
        path: PathBuf,
    },
    Machine {
        path: PathBuf,
        machine: String,
    },
    Musl {
        path: PathBuf,
        interpreter: PathBuf,
        missing: PathBuf,
    },
    Loader {
        path: PathBuf,
        interpreter: PathBuf,
    },
    Privileged {
        path: PathBuf,
        privilege: Privilege,
    },
    Sanitizer {
        path: PathBuf,
    },
    MachO {
        path: PathBuf,
        obstacle: Obstacle,
    },
    NotMapped {
        path: PathBuf,
        reason: String,
    },
    LoaderStuck {
        path: PathBuf,
    },

    /// The check itself could not be made, for want of processes or descriptors.
    Check {
        what: &'static str,
        source: io::Error,
    },

    /// `cause` is about the interpreter of the script `script`.
    Script {
        script: PathBuf,
        cause: Box<Self>,
    },

    // The program was to be watched.
    WatchSystem,
    Recording {
        path: PathBuf,
        source: io::Error,
    },
    ReportFile {
        path: PathBuf,
        source: io::Error,
    },
    Supervise {
        source: io::Error,
    },

    /// `forkfix prove` could not measure.
    Prove(prove::Error),

    /// `forkfix report` could not write one.
    Report(report::Error),
}

impl Error {
    /// The status that the command ends with, one of the constants in [`exit`].
    pub(crate) fn exit_code(&self) -> u8 {
        match self {
            Self::NoCommand => exit::USAGE,
            Self::EmptyCommand | Self::NotFound { .. } => exit::NOT_FOUND,
            Self::Directory { .. }
            | Self::NotExecutable { .. }
            | Self::Format { .. }
            | Self::Foreign { .. }
            | Self::InterpreterMissing { .. }
            | Self::TooManyInterpreters { .. }
            | Self::Exec { .. } => exit::CANNOT_RUN,
            Self::Script { cause, .. } => cause.exit_code(),
            _ => exit::REFUSED,
        }
    }

    /// Whether the library may still be preloaded if the user goes on all the same. The loader of
    /// these programs never looks at it, but programs that they start may be protected by it.
    pub(crate) fn is_harmless_to_preload(&self) -> bool {
        match self {
            Self::KillSwitch | Self::Static { .. } | Self::Privileged { .. } => true,
            Self::Script { cause, .. } => cause.is_harmless_to_preload(),
            _ => false,
        }
    }
}
