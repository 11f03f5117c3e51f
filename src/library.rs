//! Finds the library and makes sure that the preload variable can carry it.
//!
//! Invariant: only places that the user named or that belong to this installation are looked at,
//! never the working directory and never the loader's own path.

use std::ffi::OsStr;
use std::fs::File;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use crate::environment::{Environment, LIBRARY};
use crate::error::Error;
use crate::sys::{self, LIBRARY_FILE, PRELOAD_SEPARATORS};
#[cfg(target_os = "linux")]
use crate::sys::{MUSL_COMMAND_FILE, MUSL_LIBRARY_FILE};
use crate::target::kind::{self, Kind};

/// A library that exists, can be read, and was built for this machine.
#[derive(Clone, Debug)]
pub(crate) struct Library {
    path: PathBuf,
}

impl Library {
    /// Takes `explicit`, else `$FORKFIX_LIBRARY`, else the first place of the installation that has
    /// one.
    pub(crate) fn find(explicit: Option<&Path>, environment: &Environment) -> Result<Self, Error> {
        let variable = environment.get(LIBRARY).filter(|value| !value.is_empty()).map(Path::new);
        let path = match explicit.or(variable) {
            Some(path) => path.to_owned(),
            None => beside_executable()?,
        };
        let unreadable = |source| Error::LibraryUnreadable { path: path.clone(), source };
        // Symbolic links stay: they are how a path with a space in it is worked around.
        let path = std::path::absolute(&path).map_err(unreadable)?;
        Self::vet(path)
    }

    /// The absolute path.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// The library for programs of musl. It stands beside this one, and so does the command for musl,
    /// which can ask it. The path of what is missing if one of them does not.
    #[cfg(target_os = "linux")]
    pub(crate) fn for_musl(&self) -> Result<Self, PathBuf> {
        let library = Self { path: self.path.with_file_name(MUSL_LIBRARY_FILE) };
        let missing = [library.path.clone(), library.path.with_file_name(MUSL_COMMAND_FILE)];
        missing.into_iter().find(|path| !path.exists()).map_or(Ok(library), Err)
    }

    /// A program that can preload the library and is not that of any user: this command, or the one for
    /// musl.
    pub(crate) fn asker(&self) -> io::Result<PathBuf> {
        #[cfg(target_os = "linux")]
        if self.path.ends_with(MUSL_LIBRARY_FILE) && cfg!(target_env = "gnu") {
            return Ok(self.path.with_file_name(MUSL_COMMAND_FILE));
        }
        sys::own_executable()
    }

    fn vet(path: PathBuf) -> Result<Self, Error> {
        let separator =
            path.as_os_str().as_bytes().iter().find(|byte| PRELOAD_SEPARATORS.contains(byte));
        if let Some(separator) = separator {
            let separator = if *separator == b' ' { "space" } else { "colon" };
            return Err(Error::LibraryPath { path, separator });
        }
        let file = match File::open(&path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Err(Error::LibraryMissing { path });
            }
            Err(source) => return Err(Error::LibraryUnreadable { path, source }),
        };
        match kind::read(file) {
            Err(source) => Err(Error::LibraryUnreadable { path, source }),
            Ok(Kind::Image(image)) => match image.foreign_machine() {
                Some(machine) => Err(Error::LibraryMachine { path, machine }),
                None if !image.is_shared() => Err(Error::LibraryFormat { path }),
                None => Ok(Self { path }),
            },
            Ok(_) => Err(Error::LibraryFormat { path }),
        }
    }
}

/// The installation's library: in the build directory beside the command, or as `make install` puts
/// it.
fn beside_executable() -> Result<PathBuf, Error> {
    let executable = std::env::current_exe().map_err(|source| Error::OwnPath { source })?;
    let directory = executable.parent().unwrap_or(Path::new("/"));
    let prefix = directory.parent().unwrap_or(Path::new("/"));
    let places = [directory.to_owned(), prefix.join("lib/forkfix"), prefix.join("lib")];
    let candidates = places.map(|place| place.join(OsStr::new(LIBRARY_FILE)));
    let found = candidates.iter().find(|candidate| candidate.exists()).cloned();
    found.ok_or_else(|| Error::LibraryNowhere { searched: candidates.to_vec() })
}
