//! Locks of the program, one of each kind, with any libc: what differs by libc is how they look in memory. All
//! that they do is in other tests.

#![cfg(target_os = "linux")]

mod common;

use common::{Build, Preload, Program, forks, hangs_bare_passes_protected};

const FORKS: u64 = 500;

fn kind(kind: &str) -> Program {
    // A thread holds its lock for longer if the machine is busy.
    Program::compiled("user_locks.c").options("locks_ms=10000").args([kind])
}

#[test]
fn mutexes() {
    for name in ["mutex", "recursive", "errorcheck", "c11"] {
        hangs_bare_passes_protected(&kind(name), FORKS);
    }
}

#[test]
fn read_write_locks() {
    for name in ["write", "read"] {
        hangs_bare_passes_protected(&kind(name), FORKS);
    }
}

#[test]
fn spinlocks() {
    hangs_bare_passes_protected(&kind("spin"), FORKS);
}

/// A child that starts another thread costs more.
#[test]
fn condition_variables() {
    hangs_bare_passes_protected(&kind("cond"), FORKS / 2);
}

/// No fork waits for these.
#[test]
fn semaphores() {
    hangs_bare_passes_protected(&kind("semaphore"), 2 * FORKS);
}

/// glibc's own fork has others begin anew. So does ours.
#[test]
fn initialisation_in_progress() {
    let program = Program::compiled("user_locks.c").args(["once", &forks(FORKS).to_string(), "1"]);
    program.run(Preload::Bare).unharmed(forks(FORKS));
    program.run(Preload::Protected).unharmed(forks(FORKS));
}

/// Runs `kind` with functions that keep such locks in another shape, built with `flags`: the library says
/// that it does not know `what`, and leaves the program as it is. So children hang as bare.
#[track_caller]
fn is_left_alone(kind: &str, flags: &[&str], what: &str) {
    let impostor = Build::of("user_locks_impostor.c").flags(flags).library(&format!("{what}.so"));
    let program = Program::compiled("user_locks.c").preload_after(impostor);
    let program = program.args([kind, "5000", "1"]);
    program.run(Preload::Bare).succeeded().hung();
    let run = program.run(Preload::Protected).succeeded().hung();
    let said: Vec<_> = run.messages().into_iter().filter(|line| line.contains(what)).collect();
    let [said] = said[..] else { panic!("not one line: {run:#?}") };
    assert!(said.ends_with("locks of the program are left alone"), "{run:#?}");
}

#[test]
fn locks_of_unknown_shape_are_left_alone() {
    is_left_alone("mutex", &["-DMUTEXES"], "mutexes");
    is_left_alone("semaphore", &[], "semaphores");
}
