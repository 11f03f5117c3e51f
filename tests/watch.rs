//! `forkfix run --watch`: what it reports, and that a program does not notice.

#![cfg(target_os = "linux")]

mod common;
#[path = "watch/session.rs"]
mod session;

#[path = "watch/attacks.rs"]
mod attacks;
#[path = "watch/hangs.rs"]
mod hangs;
#[path = "watch/unnoticed.rs"]
mod unnoticed;

use std::fs;

use common::{Preload, Program, Run, library};
use tempfile::TempDir;

/// `forkfix run` with a directory of its own for temporary files.
struct Forkfix {
    program: Program,
    temporary: TempDir,
}

impl Forkfix {
    /// With these arguments, up to the program's own.
    fn new(arguments: &[&str]) -> Self {
        let temporary = tempfile::tempdir().expect("there is room for files");
        let program = Program::at(env!("CARGO_BIN_EXE_forkfix"))
            .env("FORKFIX_LIBRARY", library())
            .env("TMPDIR", temporary.path())
            .env("XDG_RUNTIME_DIR", "")
            .args(["run"])
            .args(arguments);
        Self { program, temporary }
    }

    /// Runs a program, and looks that nothing is left of the recording.
    #[track_caller]
    fn run(&self, command: &[&str]) -> Run {
        let run = self.program.args(["--"]).args(command).run(Preload::Bare);
        assert_eq!(self.left(), [] as [String; 0], "{run:#?}");
        run
    }

    /// Runs `watched.c`.
    #[track_caller]
    fn watch(&self, arguments: &[&str]) -> Run {
        let watched = watched();
        let command: Vec<&str> = [watched.as_str()].iter().chain(arguments).copied().collect();
        self.run(&command)
    }

    /// What is in the directory for temporary files.
    fn left(&self) -> Vec<String> {
        let entries = fs::read_dir(self.temporary.path()).expect("it is ours");
        entries.flatten().map(|entry| entry.file_name().to_string_lossy().into_owned()).collect()
    }
}

/// The path of `watched.c`, compiled.
fn watched() -> String {
    let path = common::Build::of("watched.c").executable();
    path.into_os_string().into_string().expect("it is UTF-8")
}

/// The exit status, which there must be.
#[track_caller]
fn status(run: &Run) -> i32 {
    run.status.and_then(|status| status.code()).unwrap_or_else(|| panic!("no status: {run:#?}"))
}

/// How many hangs were reported.
fn reports(run: &Run) -> usize {
    run.stderr.lines().filter(|line| line.starts_with("SUMMARY: forkfix: ")).count()
}
