//! Programs on macOS: Mach-O images, loaded by dyld, which cannot be asked beforehand what it would
//! map. So the verdict comes from reading the file.

use std::fs::File;
use std::os::macos::fs::MetadataExt;
use std::path::Path;

use object::elf::ELFMAG;

use super::kind::Kind;
use super::macho::{self, Host, Machine, Obstacle, Place};
use super::{Listing, Target, privilege};
use crate::environment::Environment;
use crate::error::Error;
use crate::library::Library;
use crate::sys;

pub(crate) use super::macho::File as Image;

/// How many interpreters deep the kernel follows scripts: an interpreter cannot be a script itself
/// (`exec_shell_imgact` in xnu's `bsd/kern/kern_exec.c`).
pub(super) const MOST_SCRIPTS: usize = 1;

/// Whether what `env` runs counts, rather than `env`: `/usr/bin/env` is protected, so what it runs
/// does not get the variables of its own loader.
pub(super) const LOOKS_BEHIND_ENV: bool = false;

/// Marks files that System Integrity Protection covers (`sys/stat.h`).
const SF_RESTRICTED: u32 = 0x0008_0000;

/// The image in `file`, which starts with `head`; `None` if it is neither Mach-O nor ELF.
pub(super) fn image(head: &[u8], file: File) -> Option<Kind> {
    if macho::has_magic(head) {
        return Some(Image::read(file).map_or(Kind::Broken, Kind::Image));
    }
    head.starts_with(&ELFMAG).then(|| Kind::Foreign { system: "Linux".to_owned() })
}

/// A library or an object file cannot run.
pub(super) fn require_runnable(path: &Path, image: &Image) -> Result<(), Error> {
    if image.is_program() { Ok(()) } else { Err(Error::Format { path: path.to_owned() }) }
}

/// The reason in a line of the loader's: dyld's lines have no usual form.
pub(crate) fn loader_reason(line: &str) -> &str {
    line
}

impl Target {
    /// Whether glibc is its C library.
    pub(crate) fn runs_on_glibc(&self) -> bool {
        false
    }

    /// None: there is one system library.
    pub(crate) fn other_library(&self, _library: &Library) -> Result<Option<Library>, Error> {
        Ok(None)
    }

    /// What the program is, if the library can be inserted into it; else why not.
    pub(crate) fn describe(&self) -> Result<String, Error> {
        let (machine, _) = self.judge()?;
        let system = self.image.as_ref().map_or_else(String::new, Image::system);
        Ok(format!("a program for {system}, of which {machine} runs, loaded by dyld"))
    }

    /// What dyld would map: the library, and what the program itself names.
    pub(crate) fn listing(&self, library: &Library, _: &Environment) -> Result<Listing, Error> {
        let (machine, named) = self.judge()?;
        let image = File::open(library.path()).ok().and_then(Image::read);
        if !image.is_some_and(|image| image.has(machine)) {
            let obstacle = Obstacle::LibraryLacks(machine);
            let cause = Error::MachO { path: self.program.clone(), obstacle };
            return Err(self.told_of_script(cause));
        }
        let ours = library.path().to_string_lossy().into_owned();
        let libraries = [ours].into_iter().chain(named.iter().cloned()).collect();
        Ok(Listing { libraries, ignored: Vec::new() })
    }

    fn judge(&self) -> Result<(Machine, &[String]), Error> {
        self.judge_program().map_err(|cause| self.told_of_script(cause))
    }

    fn judge_program(&self) -> Result<(Machine, &[String]), Error> {
        let path = || self.program.clone();
        let image = self.image.as_ref().ok_or_else(|| Error::Unreadable { path: path() })?;
        let host = if sys::is_apple_silicon() { Host::Apple } else { Host::Intel };
        let place = Place {
            is_protected: is_protected(&self.program),
            is_interpreter: !self.scripts.is_empty(),
        };
        let verdict = image.judge(host, place);
        let verdict = verdict.map_err(|obstacle| Error::MachO { path: path(), obstacle })?;
        match privilege::gained(&self.program) {
            Some(privilege) => Err(Error::Privileged { path: path(), privilege }),
            None => Ok(verdict),
        }
    }
}

/// Whether System Integrity Protection covers the file.
fn is_protected(path: &Path) -> bool {
    let flagged = path.metadata().is_ok_and(|file| file.st_flags() & SF_RESTRICTED != 0);
    flagged || path.canonicalize().is_ok_and(|path| macho::is_protected_path(&path))
}
