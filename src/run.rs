//! `forkfix run`: prepares the environment, makes sure that the library will be there, and becomes
//! the program, or watches it.

use std::ffi::OsString;
use std::io::{Write, stderr, stdout};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use crate::cli::RunArgs;
use crate::environment::{Environment, HANDSHAKE};
use crate::error::Error;
use crate::handshake::{self, Answer};
use crate::library::Library;
use crate::preset::{self, Preset};
use crate::sys::{self, PRELOAD};
use crate::target::{Listing, SHELL, Target};
#[cfg(target_os = "linux")]
use crate::watch;

/// Runs the command of `args` in place of this process. Comes back with an error, or with success if the
/// options asked for help.
pub(crate) fn run(args: &RunArgs) -> Result<ExitCode, Error> {
    if args.watch.watch && cfg!(target_os = "macos") {
        return Err(Error::WatchSystem);
    }
    if args.presets.contains(&Preset::Help) {
        let _ = writeln!(stdout(), "{}", preset::Help);
        return Ok(ExitCode::SUCCESS);
    }
    let mut environment = inherited();
    preset::apply(&args.presets, &mut environment);
    environment.override_options(&args.overrides());
    let library = match ready(args.library.path(), &environment) {
        Ok((_, Answer::Help(text))) => {
            let _ = stdout().write_all(text.as_bytes());
            return Ok(ExitCode::SUCCESS);
        }
        Ok((library, Answer::Ready { .. })) => Ok(library),
        Err(error) => Err(error),
    };
    let Some(command) = args.command.first() else {
        return Err(library.err().unwrap_or(Error::NoCommand));
    };
    let target = Target::resolve(command, &environment)?;
    log::info!("the command is '{}', run by '{}'", target.path.display(), target.program.display());
    match protect(library, &target, &mut environment) {
        Err(error) if args.allow_unprotected => {
            let _ = writeln!(stderr(), "forkfix: warning: running unprotected: {error}");
        }
        other => other?,
    }
    let exec = |environment: &Environment| execute(&target, &args.command, environment);
    #[cfg(target_os = "linux")]
    if args.watch.watch {
        return watch::run(&args.watch, args.stats, &args.command, environment, exec);
    }
    Err(exec(&environment))
}

/// The environment that this command got, without what would turn a program into a handshake.
pub(crate) fn inherited() -> Environment {
    let mut environment = Environment::inherited();
    environment.remove(HANDSHAKE);
    environment
}

/// Finds the library and asks it.
pub(crate) fn ready(
    explicit: Option<&Path>,
    environment: &Environment,
) -> Result<(Library, Answer), Error> {
    let library = Library::find(explicit, environment)?;
    let answer = handshake::ask_library(&library, environment)?;
    log::info!("the library is '{}': {answer:?}", library.path().display());
    Ok((library, answer))
}

/// `library`, or the one that `target` needs instead, which is asked.
pub(crate) fn fitting(
    library: Library,
    target: &Target,
    environment: &Environment,
) -> Result<Library, Error> {
    let Some(other) = target.other_library(&library)? else {
        return Ok(library);
    };
    handshake::ask_library(&other, environment)?;
    Ok(other)
}

/// Makes `environment` preload the library. On an error it does so only where that is harmless.
fn protect(
    library: Result<Library, Error>,
    target: &Target,
    environment: &mut Environment,
) -> Result<(), Error> {
    let library = fitting(library?, target, environment)?;
    let mut protected = environment.clone();
    protected.preload(library.path());
    let verdict = verdict(&library, target, &protected);
    if verdict.as_ref().err().is_none_or(Error::is_harmless_to_preload) {
        *environment = protected;
    }
    for (name, reason) in &verdict?.ignored {
        log::warn!("the loader will leave out '{name}', which {PRELOAD} names: {reason}");
    }
    Ok(())
}

/// Whether `target` would run protected in `environment`, which preloads `library`.
pub(crate) fn verdict(
    library: &Library,
    target: &Target,
    environment: &Environment,
) -> Result<Listing, Error> {
    let listing = target.listing(library, environment)?;
    if environment.is_switched_off() {
        return Err(Error::KillSwitch);
    }
    Ok(listing)
}

/// Becomes the program; comes back only with the reason why not.
fn execute(target: &Target, command: &[OsString], environment: &Environment) -> Error {
    let shell_words = || {
        let file = target.path.clone().into_os_string();
        [SHELL.into(), file].into_iter().chain(command[1..].iter().cloned()).collect()
    };
    let (path, arguments): (_, Vec<OsString>) = match target.needs_shell {
        true => (PathBuf::from(SHELL), shell_words()),
        false => (target.path.clone(), command.to_vec()),
    };
    log::debug!("executing '{}' with {arguments:?}", path.display());
    let source = sys::exec(&path, &arguments, environment.entries());
    Error::Exec { path, source }
}
