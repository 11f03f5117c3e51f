//! What the errors say.

use std::fmt::{self, Display};

use super::Error;
use crate::bounded::DEADLINE;
use crate::sys::{FORMAT, LIBRARY_FILE, NAME, PRELOAD};

/// The C library that this command, and the library beside it, are built for.
const LIBC: &str = if cfg!(target_env = "musl") { "musl" } else { "glibc" };

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
                    "'{path}' is neither {FORMAT} program nor a script, so the kernel cannot run \
                     it; check that it was built or copied whole"
                )
            }
            Self::Foreign { path, system } => {
                let path = path.display();
                write!(
                    f,
                    "'{path}' is a program for {system}, which {NAME} cannot run; build it for \
                     {NAME}, or run it on a system of its own"
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
                     {PRELOAD}, so the loader would not find it; move the library, or name a \
                     symbolic link to it with --library"
                )
            }
            Self::LibraryFormat { path } => {
                let path = path.display();
                write!(
                    f,
                    "'{path}' is not {FORMAT} shared library, so the loader cannot preload it; \
                     name {LIBRARY_FILE} itself"
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
                     it would protect nothing ({reason}); check that it is {LIBRARY_FILE} and was \
                     built for this system's C library"
                )
            }
            Self::LibraryStuck { path } => {
                let (path, seconds) = (path.display(), DEADLINE.as_secs());
                write!(
                    f,
                    "the library '{path}' did not answer within {seconds} s when it was preloaded \
                     into this command; check that it is {LIBRARY_FILE}"
                )
            }
            Self::Options { sentence } => write!(f, "{sentence}"),
            Self::KillSwitch => write!(
                f,
                "FORKFIX=off (or 0) is set, which makes the library inert, so the program would run \
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
            Self::Musl { path, interpreter, missing } => {
                let (path, interpreter) = (path.display(), interpreter.display());
                let missing = missing.display();
                write!(
                    f,
                    "'{path}' runs on musl (its loader is '{interpreter}'), and what is built for musl \
                     belongs beside the library, where there is no '{missing}'; build it with 'make \
                     musl' and put it there, or go on with --allow-unprotected"
                )
            }
            Self::Loader { path, interpreter } => {
                let (path, interpreter) = (path.display(), interpreter.display());
                write!(
                    f,
                    "'{path}' is loaded by '{interpreter}', which is not {LIBC}'s loader, and the \
                     library is built for {LIBC}; build the program for {LIBC}, or go on with \
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
            Self::MachO { path, obstacle } => {
                let path = path.display();
                write!(f, "'{path}' {obstacle}, or go on with --allow-unprotected")
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
            Self::WatchSystem => write!(
                f,
                "--watch looks into processes by ways that only Linux has; leave it out on {NAME}, where \
                 the program is protected all the same"
            ),
            Self::Recording { path, source } => {
                let path = path.display();
                write!(
                    f,
                    "a private directory for what is recorded cannot be made in '{path}' ({source}); \
                     set TMPDIR to a directory of yours that has room and no colon in its path"
                )
            }
            Self::ReportFile { path, source } => {
                let path = path.display();
                write!(
                    f,
                    "the report '{path}' cannot be written ({source}); name a file in a directory that \
                     exists and that this user may write to"
                )
            }
            Self::Supervise { source } => write!(
                f,
                "the program could not be started under supervision ({source}); raise the limits on \
                 processes and open files, or leave --watch out"
            ),
            Self::Prove(error) => write!(f, "{error}"),
            Self::Report(error) => write!(f, "{error}"),
        }
    }
}
