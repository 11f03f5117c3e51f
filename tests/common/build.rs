//! The programs of `tests/programs`, built once per test binary, and the tools that tests take.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Mutex, PoisonError};

use super::machine;

/// One compilation of `tests/programs/<source>`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Build {
    source: String,
    flags: Vec<String>,
}

impl Build {
    pub(crate) fn of(source: &str) -> Self {
        Self { source: source.to_owned(), flags: Vec::new() }
    }

    pub(crate) fn flags<S: AsRef<str>>(mut self, flags: impl IntoIterator<Item = S>) -> Self {
        self.flags.extend(flags.into_iter().map(|flag| flag.as_ref().to_owned()));
        self
    }

    /// Compiles to an executable with the source's name.
    pub(crate) fn executable(self) -> PathBuf {
        let stem = self.source.split('.').next().expect("split yields at least one").to_owned();
        self.output(&stem)
    }

    /// Compiles to a shared library `name` and returns its path.
    pub(crate) fn library(self, name: &str) -> PathBuf {
        self.flags(["-shared", "-fPIC"]).output(name)
    }

    /// Compiles to `name`, once per process: another build needs another name. Processes that do
    /// this at the same time do not disturb each other: each writes a file of its own and renames it.
    pub(crate) fn output(self, name: &str) -> PathBuf {
        static BUILT: Mutex<BTreeMap<String, Build>> = Mutex::new(BTreeMap::new());
        let mut built = BUILT.lock().unwrap_or_else(PoisonError::into_inner);
        let target = out_dir().join(name);
        if let Some(earlier) = built.get(name) {
            assert_eq!(*earlier, self, "two builds are called {name}");
            return target;
        }
        let source = programs().join(&self.source);
        let compiler = machine::compiler(&self.source);
        let scratch = tempfile::Builder::new().prefix(name).tempfile_in(out_dir());
        let scratch = scratch.expect("the target directory is writable").into_temp_path();
        let mut command = Command::new(compiler);
        // The flags come last: libraries must follow what needs them.
        command.args(["-O1", "-g", "-Wall", "-Werror", "-pthread"]).arg(&source);
        command.arg("-o").arg(&scratch).args(&self.flags);
        // Compilers of ours find their parts there.
        command.env("CARGO_TARGET_DIR", target_dir());
        let result = command.output().expect("the compiler starts");
        let messages = String::from_utf8_lossy(&result.stderr);
        assert!(result.status.success(), "{command:?}\n{messages}");
        scratch.persist(&target).expect("the target directory is writable");
        built.insert(name.to_owned(), self);
        target
    }
}

/// The directory of the test programs' sources.
pub(crate) fn programs() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/programs")
}

/// Where compiled programs go; apart for each test binary, since two may give one name to
/// different builds.
pub(crate) fn out_dir() -> PathBuf {
    let name = std::env::current_exe().expect("a test binary has a path");
    let name = name.file_name().expect("a test binary has a name").to_string_lossy().into_owned();
    let name = name.rsplit_once('-').map_or(name.as_str(), |(stem, _hash)| stem);
    let directory = target_dir().join("test-programs").join(name);
    std::fs::create_dir_all(&directory).expect("the target directory is writable");
    directory
}

/// Cargo's target directory: the test binary is `TARGET/PROFILE/deps/NAME`.
pub(crate) fn target_dir() -> PathBuf {
    let executable = std::env::current_exe().expect("a test binary has a path");
    executable.ancestors().nth(3).expect("it lies in TARGET/PROFILE/deps").to_path_buf()
}

/// Makes sure that `tool`, a command of `PATH` or a file with an absolute path, is there.
/// If it is missing, root installs Debian's `packages`; anybody else is told how.
pub(crate) fn need(tool: &str, packages: &str) {
    let there = || {
        let directories = std::env::var_os("PATH").unwrap_or_default();
        let found = std::env::split_paths(&directories).any(|d| d.join(tool).is_file());
        found || (tool.starts_with('/') && Path::new(tool).exists())
    };
    if there() {
        return;
    }
    // SAFETY: no arguments, no memory.
    if unsafe { libc::geteuid() } == 0 {
        let wait = "DPkg::Lock::Timeout=300";
        let mut apt = Command::new("apt-get");
        apt.args(["install", "-y", "-q", "-o", wait]).args(packages.split(' '));
        let result = apt.env("DEBIAN_FRONTEND", "noninteractive").output();
        drop(result);
    }
    assert!(there(), "{tool} is missing; install it with: apt-get install -y {packages}");
}

/// Makes sure that a program of crates.io is there, and returns its directory. Cargo looks whether it is.
pub(crate) fn need_crate(package: &str, version: &str) -> PathBuf {
    let root = target_dir().join("crates");
    let mut install = Command::new("cargo");
    install.args(["install", "--quiet", "--locked", "--debug", package, "--version", version]);
    install.arg("--root").arg(&root).arg("--target-dir").arg(root.join("target"));
    machine::run(&mut install);
    root.join("bin")
}
