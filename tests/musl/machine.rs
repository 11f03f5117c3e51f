//! The programs, built for the musl that is installed.

use std::path::PathBuf;
use std::process::Command;
use std::sync::{Mutex, PoisonError};

use crate::common::{self, Program, need, out_dir};

/// `tests/programs/<source>`, for the musl that is installed.
pub(crate) fn program(source: &str) -> Program {
    let path = std::env::var("PATH").unwrap_or_default();
    let program = Program::at(Source(format!("../{source}")).executable());
    program.env("PATH", format!("{}:{path}", out_dir().display()))
}

/// A program of `tests/programs/musl`.
pub(crate) struct Source(String);

impl Source {
    pub(crate) fn of(name: &str) -> Self {
        Self(name.to_owned())
    }

    /// Compiles to an executable with the source's name.
    pub(crate) fn executable(&self) -> PathBuf {
        self.compile("", &["-rdynamic"])
    }

    /// Compiles to a shared library, with `LIBRARY` defined.
    pub(crate) fn library(&self) -> PathBuf {
        self.compile(".so", &["-shared", "-fPIC", "-DLIBRARY"])
    }

    fn compile(&self, extension: &str, flags: &[&str]) -> PathBuf {
        static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());
        let _held = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
        need("musl-gcc", "musl-tools");
        let source = common::programs().join("musl").join(&self.0);
        let name = source.file_stem().expect("a source has a name").to_string_lossy();
        let target = out_dir().join(format!("{name}{extension}"));
        // A test may be running what another test compiled.
        let scratch = target.with_extension("new");
        let mut compiler = Command::new("musl-gcc");
        compiler.args(["-O1", "-g", "-Wall", "-Werror", "-Wno-nonnull", "-pthread"]).args(flags);
        common::run(compiler.arg(&source).arg("-o").arg(&scratch));
        std::fs::rename(&scratch, &target).expect("the target directory is writable");
        target
    }
}
