//! `abort`, beside forks and by itself.

#![cfg(target_os = "linux")]

mod common;

use common::{Preload, Program, hangs_bare_passes_protected};

const FORKS: u64 = 1000;

fn program(mode: &str) -> Program {
    Program::compiled("aborts.c").args([mode])
}

/// libc's lock is held for moments only, and never while the handler runs (stdlib/abort.c).
#[test]
fn children_die_while_threads_jump_out_of_abort() {
    hangs_bare_passes_protected(&program("children"), FORKS);
}

/// A thread that a handler took out of `abort` does not count as inside any more.
#[test]
fn threads_are_waited_for_after_they_jumped_out_of_abort() {
    hangs_bare_passes_protected(&program("after"), FORKS);
}

#[test]
fn abort_ends_the_process_as_without_the_library() {
    for how in ["default", "ignored", "handled", "first"] {
        let program = program(how);
        let bare = program.run(Preload::Bare).succeeded();
        let ends = bare.stdout.lines().last().is_some_and(|line| line.starts_with(how));
        assert!(ends, "{bare:#?}");
        let protected = program.run(Preload::Protected).succeeded();
        assert_eq!(bare.stdout, protected.stdout);
    }
}
