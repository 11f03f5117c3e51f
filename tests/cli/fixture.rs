//! Files to run the command on, and the command itself.

use std::ffi::OsStr;
use std::fs::{self, Permissions};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{self, Output};
use std::time::Duration;

use assert_cmd::Command;
use tempfile::TempDir;

use crate::common;

/// A program that says which name it was given and whether the library is mapped.
pub(crate) const SHOW: &str = r#"
#include <stdio.h>
#include <string.h>
int main(int argc, char **argv) {
    (void)argc;
    char line[8192];
    int protected = 0;
    FILE *maps = fopen("/proc/self/maps", "r");
    while (maps && fgets(line, sizeof line, maps))
        if (strstr(line, "/libforkfix.so")) protected = 1;
    printf("%s %s\n", argv[0], protected ? "protected" : "bare");
    return 0;
}
"#;

/// glibc's loader on this machine.
pub(crate) const LOADER: &str = if cfg!(target_arch = "aarch64") {
    "/lib/ld-linux-aarch64.so.1"
} else {
    "/lib64/ld-linux-x86-64.so.2"
};

/// The number of another machine in an ELF header, as it stands there, and its name.
pub(crate) const OTHER_MACHINE: ([u8; 2], &str) =
    if cfg!(target_arch = "aarch64") { ([62, 0], "x86_64") } else { ([183, 0], "aarch64") };

/// Where the machine stands in an ELF header.
pub(crate) const MACHINE_OFFSET: usize = 18;

/// `nobody`, who stands for every user but root.
pub(crate) const NOBODY: u32 = 65534;

/// `forkfix` with the library that belongs to it, in an environment without any of our variables.
pub(crate) fn forkfix() -> Command {
    let mut command = without_ours(env!("CARGO_BIN_EXE_forkfix"));
    command.env("FORKFIX_LIBRARY", common::library());
    command
}

/// `forkfix run --` in front of `program`.
pub(crate) fn run(program: impl AsRef<OsStr>) -> Command {
    let mut command = forkfix();
    command.args(["run", "--"]).arg(program);
    command
}

/// The shell with `script`, in which `$FORKFIX` is the command.
pub(crate) fn shell(script: &str) -> Command {
    let mut command = without_ours("/bin/sh");
    command.env("FORKFIX_LIBRARY", common::library());
    command.env("FORKFIX_EXE", env!("CARGO_BIN_EXE_forkfix")).args(["-c", script]);
    command
}

/// `forkfix run` of `true`, with `library` named on the command line.
pub(crate) fn run_true_with(library: &Path) -> Command {
    let mut command = without_ours(env!("CARGO_BIN_EXE_forkfix"));
    command.args(["run", "--library"]).arg(library).args(["--", "true"]);
    command
}

/// `program` in an environment that none of our variables, and no preload, is in.
pub(crate) fn without_ours(program: impl AsRef<OsStr>) -> Command {
    clean(process::Command::new(program))
}

fn clean(command: process::Command) -> Command {
    let mut command = Command::from_std(command);
    for name in ["FORKFIX", "FORKFIX_LIBRARY", "FORKFIX_OPTIONS", "LD_PRELOAD", "ASAN_OPTIONS"] {
        command.env_remove(name);
    }
    command.timeout(Duration::from_secs(60));
    command
}

/// What `command` printed to standard output; it must succeed.
pub(crate) fn text(command: &mut Command) -> String {
    let output = command.output().expect("the command starts");
    let errors = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{command:?}: {:?}\n{errors}", output.status);
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// Status and output of `command`, which is expected to run.
pub(crate) fn output(command: &mut Command) -> Output {
    command.output().expect("the command starts")
}

/// Whether this test may make files of other users.
pub(crate) fn is_root() -> bool {
    // SAFETY: takes nothing and cannot fail.
    unsafe { libc::geteuid() == 0 }
}

/// Ends the test, with the command to repeat it with, unless it runs as root.
pub(crate) fn need_root(what: &str) {
    assert!(is_root(), "{what} takes root; repeat with: sudo -E cargo test --test cli");
}

/// A directory of files that every user can reach.
pub(crate) struct Files(TempDir);

impl Files {
    pub(crate) fn new() -> Self {
        let directory = tempfile::tempdir().expect("there is room for files");
        fs::set_permissions(directory.path(), Permissions::from_mode(0o755)).expect("it is ours");
        Self(directory)
    }

    pub(crate) fn path(&self) -> &Path {
        self.0.path()
    }

    /// A file with `content` and permissions `mode`; directories on the way are made.
    pub(crate) fn file(&self, name: &str, mode: u32, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path().join(name);
        fs::create_dir_all(path.parent().expect("it is in our directory")).expect("it is ours");
        fs::write(&path, content).expect("it is ours");
        fs::set_permissions(&path, Permissions::from_mode(mode)).expect("it is ours");
        path
    }

    /// An executable script.
    pub(crate) fn script(&self, name: &str, content: &str) -> PathBuf {
        self.file(name, 0o755, content)
    }

    /// `source` compiled with `flags`.
    pub(crate) fn compile(&self, name: &str, source: &str, flags: &[&str]) -> PathBuf {
        let path = self.path().join(name);
        let compiler = without_ours("cc")
            .args(["-x", "c", "-", "-x", "none", "-o"])
            .arg(&path)
            .args(flags)
            .write_stdin(source)
            .output()
            .expect("cc starts; install it with: apt-get install gcc");
        let messages = String::from_utf8_lossy(&compiler.stderr);
        assert!(compiler.status.success(), "cc {flags:?}\n{messages}");
        path
    }

    /// [`SHOW`], dynamically linked against glibc as usual.
    pub(crate) fn show(&self, name: &str) -> PathBuf {
        self.compile(name, SHOW, &[])
    }

    /// A copy of `original` in which `bytes` stand at `offset`.
    pub(crate) fn patched(&self, original: &Path, offset: usize, bytes: &[u8]) -> PathBuf {
        let mut content = fs::read(original).expect("it is ours");
        content[offset..offset + bytes.len()].copy_from_slice(bytes);
        let name = format!("patched-{offset}-{}", bytes[0]);
        self.file(&name, 0o755, content)
    }

    /// A copy of `original` that asks for another loader, whose path is not longer than the usual
    /// one's.
    pub(crate) fn with_loader(&self, original: &Path, loader: &str) -> PathBuf {
        let usual = [LOADER.as_bytes(), b"\0"].concat();
        let content = fs::read(original).expect("it is ours");
        let at = content.windows(usual.len()).position(|window| window == usual);
        let mut path = loader.as_bytes().to_vec();
        path.resize(usual.len(), 0);
        self.patched(original, at.expect("cc links with glibc's loader"), &path)
    }

    /// The command, installed in `prefix/bin`, with the library at `place` relative to that prefix.
    pub(crate) fn install(&self, place: &str) -> PathBuf {
        let library = fs::read(common::library()).expect("cargo built it");
        self.file(&format!("prefix/{place}"), 0o644, library);
        let command = fs::read(env!("CARGO_BIN_EXE_forkfix")).expect("cargo built it");
        self.file("prefix/bin/forkfix", 0o755, command)
    }

    /// The command as a user without privileges runs it, installed where that user can reach it.
    pub(crate) fn unprivileged(&self) -> Command {
        let mut command = process::Command::new(self.install("lib/libforkfix.so"));
        if is_root() {
            command.uid(NOBODY).gid(NOBODY);
        }
        clean(command)
    }

    /// Gives `path` capabilities, of which the first word `permitted` holds.
    pub(crate) fn set_capabilities(path: &Path, permitted: u32) {
        // Revision 2, effective; the other words are inheritable and the high halves.
        let value = [0x0200_0001, permitted, 0, 0, 0].map(u32::to_le_bytes).concat();
        let path = std::ffi::CString::new(path.as_os_str().as_bytes()).expect("a path has no NUL");
        // SAFETY: both names are C strings, and `value` has as many bytes as we say.
        let set = unsafe {
            libc::setxattr(
                path.as_ptr(),
                c"security.capability".as_ptr(),
                value.as_ptr().cast(),
                value.len(),
                0,
            )
        };
        assert_eq!(set, 0, "{}", std::io::Error::last_os_error());
    }
}
