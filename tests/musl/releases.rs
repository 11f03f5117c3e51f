//! Releases of musl: the one that is installed, and those of newer Debian releases, unpacked from their
//! packages. A program runs on one if that one's loader starts it; the loader is musl itself.

use std::path::PathBuf;
use std::process::Command;
use std::sync::OnceLock;

use crate::common::{self, Program, target_dir};
use crate::machine::Source;

/// Which musl.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Release {
    /// Debian 12's, 1.2.3, or whatever else is installed here.
    Installed,
    /// Debian 13's, 1.2.5.
    Trixie,
    /// Debian unstable's, 1.2.6 or later.
    Sid,
}

impl Release {
    pub(crate) const ALL: [Self; 3] = [Self::Installed, Self::Trixie, Self::Sid];

    /// `tests/programs/musl/<source>`, to be run on this release.
    pub(crate) fn program(self, source: &str) -> Program {
        let program = Source::of(source).executable();
        match self {
            Self::Installed => Program::at(program),
            Self::Trixie => Program::at(unpacked("trixie")).args([program]),
            Self::Sid => Program::at(unpacked("sid")).args([program]),
        }
    }
}

/// The loader of the musl in `suite`, unpacked once.
fn unpacked(suite: &str) -> PathBuf {
    static UNPACKED: OnceLock<()> = OnceLock::new();
    UNPACKED.get_or_init(|| {
        let mut unpack = Command::new("tests/matrix/unpack");
        common::run(unpack.args(["trixie:musl", "sid:musl"]).env("CARGO_TARGET_DIR", target_dir()));
    });
    let root = target_dir().join("matrix").join(format!("{suite}-musl"));
    let loader = root.join("usr/lib/x86_64-linux-musl/libc.so");
    assert!(loader.exists(), "there is no {}", loader.display());
    loader
}
