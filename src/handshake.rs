//! Asks, before the program runs, whether it would run with the library: first the library itself,
//! then the program's own loader.
//!
//! The loader prints one line about a library that it cannot preload and runs the program
//! unprotected. So its silence proves nothing, and both questions want a positive answer.
//!
//! Invariant: nothing here runs any code of the program.

use std::ffi::OsStr;
use std::path::Path;

use crate::bounded::{self, Output};
use crate::environment::{Environment, HANDSHAKE, KILL_SWITCH, PRELOAD};
use crate::error::Error;
use crate::library::Library;
use crate::target::Target;

/// Variables that make a loader print more than the list we ask for.
const LOADER_CHATTER: [&str; 5] =
    ["LD_DEBUG", "LD_DEBUG_OUTPUT", "LD_TRACE_LOADED_OBJECTS", "LD_VERBOSE", "LD_WARN"];

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

/// Preloads `library` into a process of this command and lets it judge the options in
/// `environment`.
pub(crate) fn ask_library(library: &Library, environment: &Environment) -> Result<Answer, Error> {
    let mut environment = environment.clone();
    environment.remove(KILL_SWITCH);
    environment.set(PRELOAD, library.path().as_os_str());
    // Standard output: the library ends the process before the command writes anything there.
    environment.set(HANDSHAKE, OsStr::new("1"));
    // Should the library not be loaded, then this process is just another `forkfix --version`.
    let own = Path::new("/proc/self/exe");
    let output = bounded::run(own, &[OsStr::new("--version")], &environment)
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
fn reason(output: &Output) -> String {
    match (output.stderr.lines().next(), output.status) {
        (Some(line), _) => ignored(line).map_or(line.to_owned(), |(_, reason)| reason.to_owned()),
        (None, Some(status)) => format!("the process ended with {status} and said nothing"),
        (None, None) => "the process said nothing".to_owned(),
    }
}

/// What a program's loader would map.
pub(crate) struct Listing {
    /// Names and paths, as the loader prints them.
    pub(crate) libraries: Vec<String>,
    /// Other entries of `LD_PRELOAD` that it would leave out, each with its reason.
    pub(crate) ignored: Vec<(String, String)>,
}

impl Listing {
    /// Whether a library whose file name starts with `prefix` would be mapped.
    pub(crate) fn has(&self, prefix: &str) -> bool {
        self.libraries
            .iter()
            .any(|library| library.rsplit('/').next().unwrap_or_default().starts_with(prefix))
    }
}

/// Lets the loader of `target` list what it would map in `environment`, which preloads `library`.
///
/// The loader is run itself, with `--list`. `LD_TRACE_LOADED_OBJECTS=1` asks the same, but of the
/// program: one that has another loader than expected would simply run.
pub(crate) fn ask_loader(
    target: &Target,
    library: &Library,
    environment: &Environment,
) -> Result<Listing, Error> {
    let loader = target.loader()?;
    let answer = list(loader, &target.program, library, environment);
    answer.map_err(|cause| target.told_of_script(cause))
}

fn list(
    loader: &Path,
    program: &Path,
    library: &Library,
    environment: &Environment,
) -> Result<Listing, Error> {
    let mut environment = environment.clone();
    for name in LOADER_CHATTER {
        environment.remove(name);
    }
    // A name without a slash would be searched for as a library.
    let program = std::path::absolute(program)
        .map_err(|source| Error::Exec { path: program.to_owned(), source })?;
    let output = bounded::run(loader, &[OsStr::new("--list"), program.as_os_str()], &environment)
        .map_err(|source| Error::Check { what: "the program's loader", source })?;
    if output.timed_out {
        return Err(Error::LoaderStuck { path: program });
    }
    let ours = library.path().to_string_lossy();
    let libraries: Vec<String> = output.stdout.lines().filter_map(mapped).collect();
    let complaint = output.stderr.lines().find(|line| line.contains(&*ours));
    if let Some(complaint) = complaint {
        let reason = ignored(complaint).map_or(complaint, |(_, reason)| reason).to_owned();
        return Err(Error::NotMapped { path: program, reason });
    }
    if !libraries.iter().any(|library| *library == ours) {
        return Err(Error::NotMapped { path: program, reason: reason(&output) });
    }
    let ignored = output.stderr.lines().filter_map(ignored);
    let ignored = ignored.map(|(name, reason)| (name.to_owned(), reason.to_owned())).collect();
    let listing = Listing { libraries, ignored };
    if sanitizer_objects(&listing, &environment) {
        return Err(Error::Sanitizer { path: program });
    }
    Ok(listing)
}

/// The name in a line such as `libc.so.6 => /lib/libc.so.6 (0x7f…)` or `/lib/libx.so (0x7f…)`: the
/// path, if there is one.
fn mapped(line: &str) -> Option<String> {
    let line = line.trim();
    let name = line.rsplit_once(" (0x").map_or(line, |(name, _)| name);
    let name = name.split_once(" => ").map_or(name, |(_, path)| path);
    (!name.is_empty()).then(|| name.to_owned())
}

/// Name and reason in `ERROR: ld.so: object 'NAME' from LD_PRELOAD cannot be preloaded (REASON):
/// ignored.`
fn ignored(line: &str) -> Option<(&str, &str)> {
    let (_, rest) = line.split_once("object '")?;
    let (name, rest) = rest.split_once("' from LD_PRELOAD cannot be preloaded (")?;
    Some((name, rest.rsplit_once("): ignored")?.0))
}

/// Whether `AddressSanitizer`'s runtime would end the program because it is not mapped first.
fn sanitizer_objects(listing: &Listing, environment: &Environment) -> bool {
    let options = environment.get("ASAN_OPTIONS").unwrap_or_default().to_string_lossy();
    (listing.has("libasan.so") || listing.has("libclang_rt.asan"))
        && !["0", "false", "no"]
            .iter()
            .any(|value| options.contains(&format!("verify_asan_link_order={value}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_loader_is_understood() {
        assert_eq!(
            mapped("\tlibc.so.6 => /lib/libc.so.6 (0x00007f)").as_deref(),
            Some("/lib/libc.so.6")
        );
        assert_eq!(mapped("\t/opt/a (b)/f.so (0x00007f)").as_deref(), Some("/opt/a (b)/f.so"));
        assert_eq!(mapped("\tlibx.so => not found").as_deref(), Some("not found"));
        let line = "ERROR: ld.so: object '/a.so' from LD_PRELOAD cannot be preloaded (wrong ELF \
                    class: ELFCLASS32): ignored.";
        assert_eq!(ignored(line), Some(("/a.so", "wrong ELF class: ELFCLASS32")));
        assert_eq!(ignored("something else"), None);
    }
}
