//! The machine that the programs of a test binary are built for.
//!
//! That is this one, but `tests/arm64.rs` runs the tests of other files once more for Linux on arm64, in
//! an emulator, and `tests/matrix.rs` with other libcs. So each test file is written once, and knows nothing
//! of it.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Once, OnceLock};

use super::build::{need, target_dir};
#[cfg(target_os = "linux")]
use super::libcs::Libc;

/// True in `tests/arm64.rs`.
pub(crate) const EMULATED: bool = matches!(env!("CARGO_CRATE_NAME").as_bytes(), b"arm64");

/// True in `tests/musl.rs`, whose programs run on musl.
const MUSL: bool = matches!(env!("CARGO_CRATE_NAME").as_bytes(), b"musl");

/// A variable for the emulator: the allocator of glib that qemu 7.2 keeps its tables in has a lock that a
/// fork can orphan, and 12 of 7,000 children hung on it; with this it uses `malloc` instead (0 of 9,000).
pub(crate) const EMULATOR: (&str, &str) = ("G_SLICE", "always-malloc");

/// What the programs of this copy of the harness run with, if that is not this machine's libc.
#[cfg(target_os = "linux")]
pub(super) fn libc() -> Option<&'static Libc> {
    Libc::of(module_path!())
}

/// The Debian release whose libc that is.
pub(crate) fn suite() -> Option<&'static str> {
    #[cfg(target_os = "linux")]
    return libc().map(|libc| libc.suite);
    #[cfg(not(target_os = "linux"))]
    None
}

/// True if a test takes less of everything: there are several libcs, and a test of the library itself need
/// not be as long with each. `make matrix` has them all be as long.
pub(crate) fn is_short() -> bool {
    suite().is_some() && std::env::var_os("FORKFIX_MATRIX").is_none()
}

/// How many forks stand for `forks`: an emulator takes about five times as long for each.
pub(crate) fn forks(forks: u64) -> u64 {
    forks.div_ceil(if EMULATED {
        5
    } else if is_short() {
        20
    } else {
        1
    })
}

/// How many started programs stand for `starts`: an emulator takes about forty times as long for each.
pub(crate) fn starts(starts: u32) -> u32 {
    starts.div_ceil(if EMULATED || is_short() { 40 } else { 1 })
}

/// Makes this machine run programs for arm64, once.
fn emulator() {
    static READY: Once = Once::new();
    READY.call_once(|| run(&mut Command::new("tests/arm64/emulator")));
}

/// The compiler of a source with this name. It is installed if that can be done, and so is what runs its
/// programs.
pub(super) fn compiler(source: &str) -> &'static str {
    if EMULATED {
        emulator();
    }
    #[cfg(target_os = "linux")]
    if let Some(libc) = libc() {
        libc.directory();
        return if source.ends_with(".cc") {
            "interpose/baseline/c++"
        } else {
            "interpose/baseline/cc"
        };
    }
    let (name, package) = match (source.ends_with(".cc"), EMULATED) {
        (false, false) => ("cc", "gcc"),
        (true, false) => ("c++", "g++"),
        (false, true) => ("aarch64-linux-gnu-gcc", "gcc-aarch64-linux-gnu libc6-dev-arm64-cross"),
        (true, true) => ("aarch64-linux-gnu-g++", "g++-aarch64-linux-gnu"),
    };
    need(name, package);
    name
}

/// The library, built once per test binary as it is released.
pub(crate) fn library() -> &'static Path {
    static LIBRARY: OnceLock<PathBuf> = OnceLock::new();
    LIBRARY.get_or_init(|| {
        #[cfg(target_os = "linux")]
        if let Some(libc) = libc() {
            return libc.library();
        }
        if EMULATED {
            arm64().join("libforkfix.so")
        } else if MUSL {
            musl().join("libforkfix-musl.so")
        } else {
            own()
        }
    })
}

/// The library for this machine's own C library.
pub(crate) fn own() -> PathBuf {
    let mut cargo = Command::new(env!("CARGO"));
    cargo.args(["build", "--quiet", "--release", "--package", "forkfix-interpose"]);
    cargo.arg("--target-dir").arg(target_dir());
    run(&mut cargo);
    target_dir().join("release/libforkfix").with_extension(std::env::consts::DLL_EXTENSION)
}

/// The directory of the library and the command for arm64, which this machine can run.
pub(crate) fn arm64() -> PathBuf {
    emulator();
    run(Command::new("interpose/arm64/build").env("CARGO_TARGET_DIR", target_dir()));
    target_dir().join("arm64")
}

/// The directory of the library and the command for musl.
pub(crate) fn musl() -> PathBuf {
    run(Command::new("interpose/musl/build").env("CARGO_TARGET_DIR", target_dir()));
    target_dir().join("musl")
}

/// Runs a command of ours in the repository; it must succeed.
#[track_caller]
pub(crate) fn run(command: &mut Command) {
    command.current_dir(env!("CARGO_MANIFEST_DIR"));
    let result = command.output().unwrap_or_else(|e| panic!("cannot start {command:?}: {e}"));
    let messages = String::from_utf8_lossy(&result.stderr);
    assert!(result.status.success(), "{command:?} failed:\n{messages}");
}
