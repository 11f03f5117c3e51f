//! Tests that an emulator cannot run (see `arm64.rs`): programs that are installed on this machine only,
//! and figures that an emulator would be part of.

#![cfg(target_os = "linux")]

mod common;

use common::{
    Build, Preload, Program, assert_same_lines, hangs_bare_passes_protected, hangs_only_bare, need,
    programs,
};

const FORKS: u64 = 1000;

/// An interpreter that is as it is, with threads inside libc.
#[test]
fn python() {
    need("/usr/bin/python3", "python3");
    let program = Program::at("/usr/bin/python3").args([programs().join("storm.py")]);
    for call in ["tzset", "setlocale"] {
        hangs_bare_passes_protected(&program.args([call]), FORKS);
    }
}

/// qemu itself keeps 280 kB of each thread that ended (measured, 7.2).
#[test]
fn ended_threads_leave_nothing_behind() {
    let program = Program::compiled("fork_sequence.c").args(["thread-leak"]);
    hangs_bare_passes_protected(&program, FORKS);
}

/// `daemon` calls a fork inside libc that no symbol leads to. The processes that call it are started by
/// the program, which itself does not fork, and come back to it, which qemu 7.2 cannot do
/// (`PR_SET_CHILD_SUBREAPER`).
#[test]
fn daemon() {
    hangs_only_bare(&Program::compiled("processes.c").args(["daemon"]), FORKS);
}

/// No environment at all is an error for `fexecve` alone.
#[test]
fn fexecve_without_an_environment() {
    for preload in [Preload::Bare, Preload::Protected] {
        let program = Program::compiled("spawn.c").args(["follow", "fork-fexecve", "null"]);
        let run = program.run(preload);
        assert!(run.stderr.contains("fork-fexecve: error 22"), "{run:#?}");
    }
}

/// Threads that make their pools, and end them, while another one forks. (A child that qemu 7.2 forks while a
/// thread makes a thread cannot make any: qemu's `clone_lock` is held in it for ever.)
#[test]
fn openmp_of_threads_that_come_and_go() {
    let program = Build::of("openmp.c").flags(["-fopenmp"]).executable();
    hangs_bare_passes_protected(&Program::at(program).args(["newcomers"]), FORKS);
}

/// What cannot be started fails with the same error, whichever way it is tried. (qemu makes the child of
/// `posix_spawn` a process of its own, which cannot tell its parent.)
#[test]
fn errors_are_unchanged() {
    let errors = |preload| {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let program = Program::compiled("spawn.c").args(["errors".as_ref(), directory.path()]);
        program.run(preload).succeeded().stdout
    };
    let bare = errors(Preload::Bare);
    assert!(bare.lines().count() > 1000, "{bare}");
    for error in ["error 2,", "error 8,", "error 13,", "error 36,"] {
        assert!(bare.contains(error), "nothing fails with {error}");
    }
    for preload in [Preload::Protected, Preload::Off] {
        assert_same_lines(&bare, &errors(preload), &preload);
    }
}
