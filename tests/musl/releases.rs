//! Releases of musl: the one that is installed, and those of newer Debian releases, unpacked from their
//! packages. A program runs on one if that one's loader starts it; the loader is musl itself.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Mutex;

use crate::common::{self, Program, need, target_dir};
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

/// The loader of the musl in `suite`, fetched once. apt checks what it fetches, with the keys of this
/// machine, and with sources of its own.
fn unpacked(suite: &str) -> PathBuf {
    static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());
    let _held = ONE_AT_A_TIME.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    let root = target_dir().join("musl/releases").join(suite);
    let loader = root.join("root/usr/lib/x86_64-linux-musl/libc.so");
    if !loader.exists() {
        fetch(suite, &root);
    }
    assert!(loader.exists(), "there is no {}", loader.display());
    loader
}

fn fetch(suite: &str, root: &Path) {
    need("dpkg-deb", "dpkg");
    fs::create_dir_all(root.join("lists/partial")).expect("the target directory is writable");
    fs::create_dir_all(root.join("cache/archives/partial")).expect("as above");
    fs::write(root.join("sources.list"), sources(suite)).expect("as above");
    let options = [
        ("Dir::Etc::sourcelist", root.join("sources.list")),
        ("Dir::Etc::sourceparts", "-".into()),
        ("Dir::State::lists", root.join("lists")),
        ("Dir::Cache", root.join("cache")),
        ("APT::Sandbox::User", "root".into()),
    ];
    let apt = |command: &[&str]| {
        let mut apt = Command::new("apt-get");
        apt.current_dir(root);
        for (name, value) in &options {
            apt.arg("-o").arg(format!("{name}={}", value.display()));
        }
        let result = apt.args(command).output().expect("apt-get starts");
        let messages = String::from_utf8_lossy(&result.stderr);
        assert!(result.status.success(), "musl of {suite} cannot be fetched: {messages}");
    };
    apt(&["-q", "update"]);
    apt(&["-q", "download", "musl"]);
    let package = fs::read_dir(root).expect("made above").filter_map(|entry| {
        let path = entry.ok()?.path();
        path.extension().is_some_and(|extension| extension == "deb").then_some(path)
    });
    let package = package.last().expect("apt-get said that it was there");
    common::run(Command::new("dpkg-deb").arg("-x").arg(package).arg(root.join("root")));
}

/// A source of `suite` on the mirror that this machine gets Debian from.
fn sources(suite: &str) -> String {
    let mut apt = Command::new("apt-get");
    let listed = apt.args(["indextargets", "--format", "$(REPO_URI)"]).output();
    let listed = listed.expect("apt-get starts");
    let listed = String::from_utf8_lossy(&listed.stdout).into_owned();
    let mirror =
        listed.split_whitespace().find(|word| word.trim_end_matches('/').ends_with("/debian"));
    let mirror = mirror.expect(
        "no source of Debian is configured; this test unpacks newer releases of musl from there",
    );
    let keys = "/usr/share/keyrings/debian-archive-keyring.gpg";
    format!("deb [signed-by={keys}] {mirror} {suite} main\n")
}
