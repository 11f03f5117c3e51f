//! Why the command did not run the program: one variant per cause, one sentence or two each that
//! say what is wrong, why, and what to do.

use std::ffi::OsString;
use std::fmt::{self, Display};
use std::io;
use std::path::PathBuf;

use crate::bounded::DEADLINE;
use crate::exit;
use crate::prove;
use crate::target::privilege::Privilege;

/// A cause that ends the command before the program runs.
#[derive(Debug)]
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

    /// `forkfix prove` could not measure.
    Prove(prove::Error),
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

impl std::error::Error for Error {}

impl Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoCommand => write!(
                f,
                "there is no command to run; write it after '--', as in 'forkfix run -- make test'"
            ),
            Self::EmptyCommand => write!(
                f,
                "the command is an empty string, which names no program; look for an unset variable \
                 in quotes after 'forkfix run --'"
            ),
            Self::NotFound { command } => {
                let command = command.display();
                write!(f, "'{command}' was not found; check the name, and PATH if it has no slash")
            }
            Self::Directory { path } => {
                let path = path.display();
                write!(f, "'{path}' is a directory, not a program; name a file in it")
            }
            Self::NotExecutable { path } => {
                let path = path.display();
                write!(
                    f,
                    "'{path}' may not be executed by this user; set its x bit with 'chmod +x', and \
                     check that its file system is not mounted noexec"
                )
            }
            Self::Format { path } => {
                let path = path.display();
                write!(
                    f,
                    "'{path}' is neither an ELF program nor a script, so the kernel cannot run it; \
                     check that it was built or copied whole"
                )
            }
            Self::InterpreterMissing { path, interpreter } => {
                let (path, interpreter) = (path.display(), interpreter.display());
                write!(
                    f,
                    "'{path}' is run by '{interpreter}', which does not exist; install it, or \
                     correct the name in the file"
                )
            }
            Self::TooManyInterpreters { path } => {
                let path = path.display();
                write!(
                    f,
                    "'{path}' is a script whose interpreter is a script, and so on, deeper than the \
                     kernel follows; name the interpreter itself as the command"
                )
            }
            Self::Exec { path, source } => {
                let path = path.display();
                write!(f, "'{path}' cannot be executed: {source}")
            }
            Self::OwnPath { source } => write!(
                f,
                "the library is looked for beside this command, whose own path is unknown \
                 ({source}); mount /proc, or name the library with --library"
            ),
            Self::LibraryMissing { path } => {
                let path = path.display();
                write!(
                    f,
                    "the library '{path}' does not exist; correct --library or FORKFIX_LIBRARY, or \
                     leave both out to use the installed one"
                )
            }
            Self::LibraryNowhere { searched } => {
                let searched: Vec<_> =
                    searched.iter().map(|path| path.display().to_string()).collect();
                let searched = searched.join("', '");
                write!(
                    f,
                    "the library was not found in any of '{searched}'; install forkfix with 'make \
                     install', or name the library with --library or FORKFIX_LIBRARY"
                )
            }
            Self::LibraryUnreadable { path, source } => {
                let path = path.display();
                write!(
                    f,
                    "the library '{path}' cannot be read ({source}); make it a file that this user \
                     may read"
                )
            }
            Self::LibraryPath { path, separator } => {
                let path = path.display();
                write!(
                    f,
                    "the library's path '{path}' has a {separator} in it, which separates names in \
                     LD_PRELOAD, so the loader would not find it; move the library, or name a \
                     symbolic link to it with --library"
                )
            }
            Self::LibraryFormat { path } => {
                let path = path.display();
                write!(
                    f,
                    "'{path}' is not an ELF shared library, so the loader cannot preload it; name \
                     libforkfix.so itself"
                )
            }
            Self::LibraryMachine { path, machine } => {
                let (path, ours) = (path.display(), std::env::consts::ARCH);
                write!(
                    f,
                    "the library '{path}' is built for {machine}, but this is {ours}; build or \
                     install forkfix for {ours}"
                )
            }
            Self::LibraryVersion { path, version } => {
                let (path, ours) = (path.display(), env!("CARGO_PKG_VERSION"));
                write!(
                    f,
                    "the library '{path}' has version {version}, but this command has {ours}, and \
                     the two only work together; install both from one release"
                )
            }
            Self::LibrarySilent { path, reason } => {
                let path = path.display();
                write!(
                    f,
                    "the library '{path}' did not answer when it was preloaded into this command, so \
                     it would protect nothing ({reason}); check that it is libforkfix.so and was \
                     built for this system's C library"
                )
            }
            Self::LibraryStuck { path } => {
                let (path, seconds) = (path.display(), DEADLINE.as_secs());
                write!(
                    f,
                    "the library '{path}' did not answer within {seconds} s when it was preloaded \
                     into this command; check that it is libforkfix.so"
                )
            }
            Self::Options { sentence } => write!(f, "{sentence}"),
            Self::KillSwitch => write!(
                f,
                "FORKFIX=off is set, which makes the library inert, so the program would run \
                 unprotected; unset FORKFIX, or accept that with --allow-unprotected"
            ),
            Self::Unreadable { path } => {
                let path = path.display();
                write!(
                    f,
                    "'{path}' may be executed but not read, so whether the library would be loaded \
                     into it cannot be known; make it readable, or go on with --allow-unprotected"
                )
            }
            Self::Static { path } => {
                let path = path.display();
                write!(
                    f,
                    "'{path}' is statically linked, so no loader runs that could preload the \
                     library; link it dynamically, or go on with --allow-unprotected"
                )
            }
            Self::Machine { path, machine } => {
                let (path, ours) = (path.display(), std::env::consts::ARCH);
                write!(
                    f,
                    "'{path}' is built for {machine}, but the library is built for {ours} and cannot \
                     be loaded into it; build the program for {ours}, or go on with \
                     --allow-unprotected"
                )
            }
            Self::Musl { path, interpreter } => {
                let (path, interpreter) = (path.display(), interpreter.display());
                write!(
                    f,
                    "'{path}' runs on musl (its loader is '{interpreter}'), but the library is built \
                     for glibc and cannot be loaded into it; build the program for glibc, or go on \
                     with --allow-unprotected"
                )
            }
            Self::Loader { path, interpreter } => {
                let (path, interpreter) = (path.display(), interpreter.display());
                write!(
                    f,
                    "'{path}' is loaded by '{interpreter}', which is not glibc's loader, and the \
                     library is built for glibc; build the program for glibc, or go on with \
                     --allow-unprotected"
                )
            }
            Self::Privileged { path, privilege } => {
                let path = path.display();
                write!(
                    f,
                    "'{path}' {privilege}, so its loader runs in secure mode and ignores the \
                     library; run it with the privileges that it needs already in place (as with \
                     sudo forkfix run), or go on with --allow-unprotected"
                )
            }
            Self::Sanitizer { path } => {
                let path = path.display();
                write!(
                    f,
                    "'{path}' uses AddressSanitizer, whose runtime ends a program in which a \
                     preloaded library comes before it; set \
                     ASAN_OPTIONS=verify_asan_link_order=0, or go on with --allow-unprotected"
                )
            }
            Self::NotMapped { path, reason } => {
                let path = path.display();
                write!(
                    f,
                    "the loader of '{path}' would not map the library ({reason}); install forkfix \
                     for the C library that the program uses, or go on with --allow-unprotected"
                )
            }
            Self::LoaderStuck { path } => {
                let (path, seconds) = (path.display(), DEADLINE.as_secs());
                write!(
                    f,
                    "the loader of '{path}' did not list its libraries within {seconds} s, so \
                     whether it would map ours is unknown; check the file systems in its library \
                     path, or go on with --allow-unprotected"
                )
            }
            Self::Check { what, source } => write!(
                f,
                "{what} could not be started ({source}), so whether the program would be protected \
                 is unknown; raise the limits on processes and open files, or go on with \
                 --allow-unprotected"
            ),
            Self::Script { script, cause } => {
                let script = script.display();
                write!(f, "'{script}' is a script: {cause}")
            }
            Self::Prove(error) => write!(f, "{error}"),
        }
    }
}
