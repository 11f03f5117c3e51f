//! The libraries that a Python interpreter could import: those in the directories of packages that belong to it.
//!
//! Nothing is imported and nothing runs, so what a `.pth` file adds is not seen.

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};

use crate::environment::Environment;

/// So many directories below one of packages. Wheels have their libraries one or two below.
const DEEPEST: usize = 6;
/// So many libraries are looked into, and so many entries of directories at.
const MOST_LIBRARIES: usize = 4_000;
const MOST_ENTRIES: usize = 400_000;

/// Shared libraries in the packages of an interpreter.
#[derive(Debug, Default)]
pub(super) struct Packages {
    pub(super) libraries: Vec<PathBuf>,
    /// There are more than were listed.
    pub(super) is_cut: bool,
    entries: usize,
}

/// What `program` could import, if it is a Python interpreter by its name.
pub(super) fn packages(program: &Path, environment: &Environment) -> Packages {
    let mut packages = Packages::default();
    let name = program.file_name().unwrap_or_default().to_string_lossy();
    if !name.to_lowercase().starts_with("python") {
        return packages;
    }
    for directory in directories(program, environment) {
        packages.add(&directory, DEEPEST);
    }
    packages
}

/// Where the packages of `program` are: those of its virtual environment, else those of its installation.
fn directories(program: &Path, environment: &Environment) -> Vec<PathBuf> {
    let search = environment.get("PYTHONPATH").unwrap_or_default();
    let mut found: Vec<_> =
        std::env::split_paths(search).filter(|path| path.is_absolute()).collect();
    let prefix = |program: &Path| program.parent().and_then(Path::parent).map(Path::to_owned);
    let of_environment = prefix(program).filter(|prefix| prefix.join("pyvenv.cfg").is_file());
    let own = program.canonicalize().ok().and_then(|program| prefix(&program));
    let prefixes = match of_environment {
        Some(environment) => vec![environment],
        None => own.iter().cloned().chain(own.as_ref().map(|own| own.join("local"))).collect(),
    };
    for library in prefixes.iter().flat_map(|prefix| [prefix.join("lib"), prefix.join("lib64")]) {
        if library.is_symlink() {
            continue;
        }
        for entry in fs::read_dir(&library).into_iter().flatten().flatten() {
            let is_python = entry.file_name().to_string_lossy().starts_with("python3");
            let places = ["site-packages", "dist-packages"].map(|name| entry.path().join(name));
            found.extend(places.into_iter().filter(|place| is_python && place.is_dir()));
        }
    }
    found.sort();
    found.dedup();
    found
}

impl Packages {
    fn add(&mut self, directory: &Path, depth: usize) {
        let mut entries: Vec<_> = fs::read_dir(directory).into_iter().flatten().flatten().collect();
        entries.sort_by_key(fs::DirEntry::file_name);
        for entry in entries {
            self.entries += 1;
            if self.libraries.len() == MOST_LIBRARIES || self.entries >= MOST_ENTRIES {
                self.is_cut = true;
                return;
            }
            // Symbolic links are not followed: they could lead anywhere, also in a circle.
            let Ok(kind) = entry.file_type() else { continue };
            if kind.is_dir() && depth > 0 {
                self.add(&entry.path(), depth - 1);
            } else if kind.is_file() && is_library(&entry.file_name()) {
                self.libraries.push(entry.path());
            }
        }
    }
}

/// Whether a file is a shared library by its name: `x.so`, `x.so.1.2`, `x.dylib`.
fn is_library(name: &OsStr) -> bool {
    let name = name.to_string_lossy();
    name.ends_with(".so") || name.ends_with(".dylib") || name.contains(".so.")
}
