//! Programs on Linux: ELF images, loaded by glibc's or musl's loader, which is asked what it would map.

use std::borrow::Cow;
use std::ffi::OsStr;
use std::fs::File;
use std::path::Path;

use object::elf::ELFMAG;

use super::kind::Kind;
use super::{Listing, Target, elf, macho, privilege};
use crate::bounded;
use crate::environment::Environment;
use crate::error::Error;
use crate::handshake::reason;
use crate::library::Library;

pub(crate) use super::elf::Image;

/// How many interpreters deep the kernel follows scripts.
pub(super) const MOST_SCRIPTS: usize = 5;

/// Whether what `env` runs counts, rather than `env`: it hands on the environment as it is.
pub(super) const LOOKS_BEHIND_ENV: bool = true;

/// Variables that make a loader print more than the list we ask for.
const LOADER_CHATTER: [&str; 5] =
    ["LD_DEBUG", "LD_DEBUG_OUTPUT", "LD_TRACE_LOADED_OBJECTS", "LD_VERBOSE", "LD_WARN"];

/// The image in `file`, which starts with `head`; `None` if it is neither ELF nor Mach-O.
pub(super) fn image(head: &[u8], file: File) -> Option<Kind> {
    if head.starts_with(&ELFMAG) {
        return Some(elf::read(head, file).map_or(Kind::Broken, Kind::Image));
    }
    macho::has_magic(head).then(|| match macho::File::read(file) {
        Some(file) => Kind::Foreign { system: format!("{} ({})", file.system(), file.machines()) },
        None => Kind::Broken,
    })
}

/// A program whose loader is missing cannot run, protected or not.
pub(super) fn require_runnable(path: &Path, image: &Image) -> Result<(), Error> {
    match &image.interpreter {
        // A musl loader is named as the reason even where it is not installed.
        Some(loader) if !loader.exists() && !is_musl(loader) => {
            Err(Error::InterpreterMissing { path: path.to_owned(), interpreter: loader.clone() })
        }
        _ => Ok(()),
    }
}

impl Target {
    /// What the program is and who loads it, if the loader would look at `LD_PRELOAD`; else why it
    /// would not.
    pub(crate) fn describe(&self) -> Result<String, Error> {
        let loader = self.loader()?.display();
        Ok(format!("dynamically linked, loaded by '{loader}'"))
    }

    /// Lets the program's loader list what it would map in `environment`, which preloads `library`.
    ///
    /// The loader is run itself, with `--list`. `LD_TRACE_LOADED_OBJECTS=1` asks the same, but of
    /// the program: one that has another loader than expected would simply run.
    pub(crate) fn listing(
        &self,
        library: &Library,
        environment: &Environment,
    ) -> Result<Listing, Error> {
        let answer = list(self.loader()?, &self.program, library, environment);
        answer.map_err(|cause| self.told_of_script(cause))
    }

    fn loader(&self) -> Result<&Path, Error> {
        self.direct_loader().map_err(|cause| self.told_of_script(cause))
    }

    fn direct_loader(&self) -> Result<&Path, Error> {
        let path = || self.program.clone();
        let image = self.image.as_ref().ok_or_else(|| Error::Unreadable { path: path() })?;
        if let Some(machine) = image.foreign_machine() {
            return Err(Error::Machine { path: path(), machine });
        }
        let Some(interpreter) = image.interpreter.as_deref() else {
            return Err(Error::Static { path: path() });
        };
        if let Some(privilege) = privilege::gained(&self.program) {
            return Err(Error::Privileged { path: path(), privilege });
        }
        let name = file_name(interpreter);
        if !OUR_LOADERS.iter().any(|start| name.starts_with(start)) {
            return Err(Error::Loader { path: path(), interpreter: interpreter.to_owned() });
        }
        Ok(interpreter)
    }

    /// Whether glibc is its C library.
    pub(crate) fn runs_on_glibc(&self) -> bool {
        self.direct_loader().is_ok_and(|loader| !is_musl(loader))
    }

    /// The library that the program needs in place of `library`, which is for glibc, because it runs on
    /// musl; `None` if it does not.
    pub(crate) fn other_library(&self, library: &Library) -> Result<Option<Library>, Error> {
        let loader = self.direct_loader().ok().filter(|loader| is_musl(loader));
        let Some(loader) = loader.filter(|_| cfg!(target_env = "gnu")) else {
            return Ok(None);
        };
        library.for_musl().map(Some).map_err(|missing| {
            let (path, interpreter) = (self.program.clone(), loader.to_owned());
            self.told_of_script(Error::Musl { path, interpreter, missing })
        })
    }
}

/// How the names of loaders begin that can load a library of ours. glibc's are called
/// ld-linux-x86-64.so.2, ld-linux-aarch64.so.1, ld64.so.2, ld.so.1.
const OUR_LOADERS: &[&str] = if cfg!(target_env = "musl") {
    &["ld-musl-"]
} else {
    &["ld-linux", "ld64.so", "ld.so", "ld-musl-"]
};

fn is_musl(loader: &Path) -> bool {
    file_name(loader).starts_with("ld-musl-")
}

fn file_name(path: &Path) -> Cow<'_, str> {
    path.file_name().unwrap_or_default().to_string_lossy()
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
        let reason = loader_reason(complaint).to_owned();
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

/// The reason in a line of the loader's, if it has the usual form; else the whole line.
pub(crate) fn loader_reason(line: &str) -> &str {
    ignored(line).map_or(line, |(_, reason)| reason)
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
