//! The libcs of `tests/matrix.rs`: each in a root directory of its own, with a build of the library that
//! fits it.
//!
//! A program that is run with one of them is [rooted](Libc::enter) there: so whatever it opens, executes
//! or loads while it runs comes from that libc, too. The directories of this machine that tests and
//! programs share are there under the same names.

use std::ffi::{CStr, CString};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::ptr;
use std::sync::OnceLock;

use super::build::target_dir;
use super::machine::run;

/// One libc.
#[derive(Debug)]
pub(crate) struct Libc {
    /// Debian's release, which the test's modules and the directory are called by; that of musl with
    /// `-musl` behind it.
    pub(crate) suite: &'static str,
    build: &'static Build,
}

/// A build of library and command.
#[derive(Debug)]
struct Build {
    script: &'static str,
    /// Where it puts them, in cargo's target directory.
    directory: &'static str,
    command: &'static str,
    library: &'static str,
    done: OnceLock<()>,
}

static BASELINE: Build = Build {
    script: "interpose/baseline/build",
    directory: "baseline",
    command: "forkfix",
    library: "libforkfix.so",
    done: OnceLock::new(),
};

static MUSL: Build = Build {
    script: "interpose/musl/build",
    directory: "musl",
    command: "forkfix-musl",
    library: "libforkfix-musl.so",
    done: OnceLock::new(),
};

/// musl 1.2.3, 1.2.5 and the newest one.
pub(crate) static MUSLS: [Libc; 3] = [
    Libc { suite: "bookworm-musl", build: &MUSL },
    Libc { suite: "trixie-musl", build: &MUSL },
    Libc { suite: "sid-musl", build: &MUSL },
];

/// glibc 2.31, 2.36, 2.41 and the newest one.
pub(crate) static LIBCS: [Libc; 4] = [
    Libc { suite: "bullseye", build: &BASELINE },
    Libc { suite: "bookworm", build: &BASELINE },
    Libc { suite: "trixie", build: &BASELINE },
    Libc { suite: "sid", build: &BASELINE },
];

impl Libc {
    /// The one that tests of this module run with: that whose name is in the path.
    pub(crate) fn of(module_path: &str) -> Option<&'static Self> {
        LIBCS.iter().find(|libc| module_path.split("::").any(|name| name == libc.suite))
    }

    /// The command that was built for it.
    pub(crate) fn command(&self) -> PathBuf {
        self.directory().join(self.build.command)
    }

    /// The library.
    pub(crate) fn library(&self) -> PathBuf {
        self.directory().join(self.build.library)
    }

    /// The directory of library and command, built once per test binary.
    pub(crate) fn directory(&self) -> PathBuf {
        let Build { script, directory, done, .. } = self.build;
        done.get_or_init(|| run(Command::new(script).env("CARGO_TARGET_DIR", target_dir())));
        target_dir().join(directory)
    }

    /// The root directory, made once.
    fn root(&self) -> PathBuf {
        static UNPACKED: OnceLock<()> = OnceLock::new();
        UNPACKED.get_or_init(|| {
            let mut unpack = Command::new("tests/matrix/unpack");
            let suites = LIBCS.iter().chain(&MUSLS).map(|libc| libc.suite.replace('-', ":"));
            unpack.args(suites);
            run(unpack.env("CARGO_TARGET_DIR", target_dir()));
        });
        target_dir().join("matrix").join(self.suite)
    }

    /// Has `command` run in the root directory, in a mount name space of its own: what is mounted there goes
    /// with its last process.
    pub(crate) fn enter(&self, command: &mut Command) {
        // SAFETY: no arguments, no memory.
        let root_user = unsafe { libc::geteuid() } == 0;
        assert!(root_user, "programs are run with another libc in chroot(2), which takes root");
        let root = self.root();
        let target = target_dir();
        let shared = ["/dev", "/proc", "/sys", "/tmp"].map(Path::new);
        let shared = shared.into_iter().chain([target.as_path()]);
        let mounts: Vec<_> = shared.map(|directory| Mount::of(directory, &root)).collect();
        let root = c_string(&root);
        // SAFETY: what runs between fork and exec makes system calls and touches memory that was made before.
        unsafe { command.pre_exec(move || enter(&root, &mounts)) };
    }
}

/// A directory of this machine, and where it is to be seen.
struct Mount {
    directory: CString,
    place: CString,
}

impl Mount {
    fn of(directory: &Path, root: &Path) -> Self {
        let place = root.join(directory.strip_prefix("/").expect("an absolute path"));
        std::fs::create_dir_all(&place).expect("the target directory is writable");
        Self { directory: c_string(directory), place: c_string(&place) }
    }
}

fn enter(root: &CStr, mounts: &[Mount]) -> io::Result<()> {
    // SAFETY: takes a number.
    check(unsafe { libc::unshare(libc::CLONE_NEWNS) })?;
    // Nothing that is mounted from here on is seen outside.
    mount(c"none", c"/", libc::MS_REC | libc::MS_PRIVATE)?;
    // A place where something is mounted, so that programs can move to a mount name space of their own.
    mount(root, root, libc::MS_BIND | libc::MS_REC)?;
    for Mount { directory, place } in mounts {
        mount(directory, place, libc::MS_BIND | libc::MS_REC)?;
    }
    // SAFETY: a C string.
    check(unsafe { libc::chroot(root.as_ptr()) })?;
    // SAFETY: as above.
    check(unsafe { libc::chdir(c"/".as_ptr()) })
}

fn mount(what: &CStr, place: &CStr, flags: libc::c_ulong) -> io::Result<()> {
    // SAFETY: C strings, and nothing that these flags need.
    check(unsafe { libc::mount(what.as_ptr(), place.as_ptr(), ptr::null(), flags, ptr::null()) })
}

fn check(result: libc::c_int) -> io::Result<()> {
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

fn c_string(path: &Path) -> CString {
    CString::new(path.as_os_str().as_bytes()).expect("a path has no zero byte")
}
