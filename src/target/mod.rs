//! The program that would run: its file, the interpreters behind it, and whether a library can be
//! preloaded into it.
//!
//! Invariant: nothing here runs any code of the target.

#[cfg(target_os = "linux")]
mod elf;
mod find;
pub(crate) mod kind;
pub(crate) mod limited;
pub(crate) mod macho;
pub(crate) mod privilege;
#[cfg(target_os = "linux")]
#[path = "linux.rs"]
mod system;
#[cfg(target_os = "macos")]
#[path = "macos.rs"]
mod system;

use std::ffi::OsStr;
use std::fs::File;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use crate::environment::Environment;
use crate::error::Error;
use kind::Kind;

pub(crate) use system::{Image, loader_reason};

/// The shell that `execvp` gives text without `#!` to.
pub(crate) const SHELL: &str = "/bin/sh";

/// What a command runs.
pub(crate) struct Target {
    /// The file to execute.
    pub(crate) path: PathBuf,
    /// The file is text without `#!`, to be passed to [`SHELL`].
    pub(crate) needs_shell: bool,
    /// The files on the way to `program`: the command itself, then its interpreters. Empty if the
    /// command is a program.
    pub(crate) scripts: Vec<PathBuf>,
    /// The program that the kernel loads in the end.
    pub(crate) program: PathBuf,
    /// Its headers; `None` if it may be executed but not read.
    pub(crate) image: Option<Image>,
}

impl Target {
    /// Finds what `command` runs. The errors mean that it would not run bare either.
    pub(crate) fn resolve(command: &OsStr, environment: &Environment) -> Result<Self, Error> {
        let search = environment.get("PATH");
        let path = find::program(command, search)?;
        let mut target = Self {
            program: path.clone(),
            path,
            needs_shell: false,
            scripts: Vec::new(),
            image: None,
        };
        target.follow(search).map_err(|cause| target.told_of_script(cause))?;
        Ok(target)
    }

    /// Goes from script to interpreter until a program is reached.
    fn follow(&mut self, search: Option<&OsStr>) -> Result<(), Error> {
        loop {
            let path = self.program.clone();
            let next = match kind(&path)? {
                Some(Kind::Image(image)) => {
                    system::require_runnable(&path, &image)?;
                    self.image = Some(image);
                    return Ok(());
                }
                None => return Ok(()),
                Some(Kind::Foreign { system }) => return Err(Error::Foreign { path, system }),
                Some(Kind::Script { interpreter, argument }) => {
                    let next = interpreter_of(&path, &interpreter)?;
                    match argument.as_deref().and_then(|argument| behind_env(&next, argument)) {
                        Some(name) => find::program(OsStr::new(name), search)
                            .map_err(|cause| in_script(&path, cause))?,
                        None => next,
                    }
                }
                // Only the command itself gets this second chance, not an interpreter.
                Some(Kind::Text) if self.scripts.is_empty() => {
                    self.needs_shell = true;
                    interpreter_of(&path, Path::new(SHELL))?
                }
                Some(Kind::Text | Kind::Broken) => return Err(Error::Format { path }),
            };
            if self.scripts.len() == system::MOST_SCRIPTS {
                return Err(Error::TooManyInterpreters { path: self.path.clone() });
            }
            self.scripts.push(path);
            self.program = next;
        }
    }

    /// Names the script, if `cause` is about an interpreter that its user did not name.
    pub(crate) fn told_of_script(&self, cause: Error) -> Error {
        match self.scripts.first() {
            Some(script) => Error::Script { script: script.clone(), cause: Box::new(cause) },
            None => cause,
        }
    }
}

/// What would be mapped into a program.
pub(crate) struct Listing {
    /// Names and paths, as the loader knows them.
    pub(crate) libraries: Vec<String>,
    /// Other entries of the preload variable that would be left out, each with its reason.
    pub(crate) ignored: Vec<(String, String)>,
}

#[cfg(target_os = "linux")]
impl Listing {
    /// Whether a library whose file name starts with `prefix` would be mapped.
    pub(crate) fn has(&self, prefix: &str) -> bool {
        self.libraries
            .iter()
            .any(|library| library.rsplit('/').next().unwrap_or_default().starts_with(prefix))
    }
}

fn in_script(script: &Path, cause: Error) -> Error {
    Error::Script { script: script.to_owned(), cause: Box::new(cause) }
}

/// The kind of `path`; `None` if it may not be read.
fn kind(path: &Path) -> Result<Option<Kind>, Error> {
    match File::open(path).and_then(kind::read) {
        Ok(kind) => Ok(Some(kind)),
        Err(error) if error.kind() == ErrorKind::PermissionDenied => Ok(None),
        Err(source) => Err(Error::Exec { path: path.to_owned(), source }),
    }
}

/// `interpreter`, if the kernel can execute it for the script `script`.
fn interpreter_of(script: &Path, interpreter: &Path) -> Result<PathBuf, Error> {
    let missing = || Error::InterpreterMissing {
        path: script.to_owned(),
        interpreter: interpreter.to_owned(),
    };
    match find::executable(interpreter) {
        Some(found) => found.map_err(|cause| in_script(script, cause)),
        None => Err(missing()),
    }
}

/// The program that `env` would run next, if `interpreter` is `env` and its argument is simple:
/// `NAME`, or `-S NAME …`, perhaps with assignments before the name.
fn behind_env<'a>(interpreter: &Path, argument: &'a str) -> Option<&'a str> {
    if !system::LOOKS_BEHIND_ENV || interpreter.file_name() != Some(OsStr::new("env")) {
        return None;
    }
    let name = match argument.strip_prefix("-S") {
        Some(words) => words.split_ascii_whitespace().find(|word| !word.contains('='))?,
        None => argument,
    };
    let is_simple = !name.starts_with('-') && !name.contains(['=', '"', '\'', '\\', '$']);
    is_simple.then_some(name)
}

#[cfg(test)]
mod tests {
    use super::behind_env;
    use std::path::Path;

    #[test]
    fn env_is_looked_through_where_its_argument_is_simple() {
        let env = |argument| behind_env(Path::new("/usr/bin/env"), argument);
        assert_eq!(env("python3"), Some("python3"));
        assert_eq!(env("-S python3 -u"), Some("python3"));
        assert_eq!(env("-SA=1 python3"), Some("python3"));
        assert_eq!(env("python3 -u"), Some("python3 -u"), "without -S this is all one name");
        assert_eq!(env("-i python3"), None);
        assert_eq!(env("-S \"my python\""), None);
        assert_eq!(behind_env(Path::new("/bin/sh"), "python3"), None);
    }
}
