//! Asks the library, before the program runs, whether it works at all.
//!
//! The loader prints one line about a library that it cannot preload and runs the program
//! unprotected. So its silence proves nothing, and the question wants a positive answer.
//!
//! Invariant: nothing here runs any code of the program.

use std::ffi::OsStr;

use crate::bounded::{self, Output};
use crate::environment::{Environment, HANDSHAKE, KILL_SWITCH};
use crate::error::Error;
use crate::library::Library;
use crate::sys::PRELOAD;
use crate::target;

/// What the library says when it is preloaded.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    /// It works, with these options.
    Ready {
        /// The options in force, `key=value key=value`.
        options: String,
    },
    /// The options asked for this text instead.
    Help(String),
}

/// Preloads `library` into a process of this command, or of the one for musl, and lets it judge the options in
/// `environment`.
pub(crate) fn ask_library(library: &Library, environment: &Environment) -> Result<Answer, Error> {
    let mut environment = environment.clone();
    environment.remove(KILL_SWITCH);
    environment.set(PRELOAD, library.path().as_os_str());
    // Standard output: the library ends the process before the command writes anything there.
    environment.set(HANDSHAKE, OsStr::new("1"));
    // Should the library not be loaded, then this process is just another `forkfix --version`.
    let output = library
        .asker()
        .and_then(|asker| bounded::run(&asker, &[OsStr::new("--version")], &environment))
        .map_err(|source| Error::Check { what: "a process that asks the library", source })?;
    understand(library, &output)
}

fn understand(library: &Library, output: &Output) -> Result<Answer, Error> {
    let path = library.path().to_owned();
    if output.timed_out {
        return Err(Error::LibraryStuck { path });
    }
    let (line, rest) = output.stdout.split_once('\n').unwrap_or((&output.stdout, ""));
    let mut words = line.splitn(4, ' ');
    let (Some("forkfix"), Some(version), Some(verdict)) =
        (words.next(), words.next(), words.next())
    else {
        return Err(Error::LibrarySilent { path, reason: reason(output) });
    };
    if version != env!("CARGO_PKG_VERSION") {
        return Err(Error::LibraryVersion { path, version: version.to_owned() });
    }
    let detail = words.next().unwrap_or_default().to_owned();
    match verdict {
        "ok" => Ok(Answer::Ready { options: detail }),
        "help" => Ok(Answer::Help(rest.to_owned())),
        "error" => Err(Error::Options { sentence: detail.trim_end_matches('.').to_owned() }),
        _ => Err(Error::LibrarySilent { path, reason: format!("it said '{line}'") }),
    }
}

/// Why a process gave no answer: what the loader printed, else how the process ended.
pub(crate) fn reason(output: &Output) -> String {
    match (output.stderr.lines().next(), output.status) {
        (Some(line), _) => target::loader_reason(line).to_owned(),
        (None, Some(status)) => format!("the process ended with {status} and said nothing"),
        (None, None) => "the process said nothing".to_owned(),
    }
}
