//! Forks at awkward moments, and what a program can see of them.

#![cfg(target_os = "linux")]

mod common;

use std::time::Duration;

use common::{
    Preload, Program, assert_same_lines, forks, hangs_bare_passes_protected, hangs_only_bare,
    suite, works_as_before,
};

const FORKS: u64 = 1000;

#[track_caller]
fn storm(mode: &str, count: u64) {
    hangs_bare_passes_protected(&Program::compiled("fork_sequence.c").args([mode]), count);
}

#[test]
fn fork_in_a_signal_handler() {
    storm("signal", FORKS);
}

#[test]
fn fork_in_a_signal_handler_without_threads() {
    works_as_before(&Program::compiled("fork_sequence.c").args(["signal-alone"]), FORKS);
}

#[test]
fn two_threads_fork_at_once() {
    storm("two", FORKS);
}

#[test]
fn eight_threads_fork_at_once() {
    storm("eight", FORKS);
}

/// The child is gone when the thread's next call is made, but not the thread.
#[test]
fn threads_call_first_in_a_child_of_vfork() {
    storm("vfork", FORKS);
}

/// Before 2.36 glibc keeps a lock while handlers run, and a handler that forks waits for itself.
#[test]
fn handlers_fork() {
    if suite() == Some("bullseye") {
        let program = Program::compiled("fork_sequence.c").args(["nested"]);
        let bare = program.args(["1", "1"]).deadline(Duration::from_secs(10)).run(Preload::Bare);
        assert_eq!(bare.status, None, "it does not hang any more: {bare:#?}");
        let count = forks(FORKS);
        program.args([&count.to_string(), "1"]).run(Preload::Protected).unharmed(count);
    } else {
        storm("nested", FORKS);
    }
}

#[test]
fn forked_children_start_threads_and_fork() {
    storm("descendants", 200);
}

/// A child of `_Fork` runs no handler, so the library first hears of it when it forks itself.
#[test]
fn a_process_that_cloned_itself_starts_threads_and_forks() {
    // The process that prints the figures is not the one that was started.
    let program = Program::compiled("fork_sequence.c").args(["cloned"]);
    if program.args(["1", "1"]).run(Preload::Bare).lacks_fork_without_handlers() {
        return;
    }
    let run = hangs_only_bare(&program.options("bounded_ms=10000"), FORKS);
    assert!(run.stderr.contains(" gave_up=0 "), "{run:#?}");
}

#[test]
fn threads_start_and_end_all_the_time() {
    storm("thread-storm", FORKS);
}

#[test]
fn signal_handlers_call_libc() {
    storm("handlers", FORKS);
}

/// A thread that holds a stream's lock may have to wait for the fork, while another that holds
/// the list of streams waits for it: the fork must come back nevertheless.
#[test]
fn a_thread_holds_a_stream_lock_while_it_calls_libc() {
    // A flush that waits for a stream which its user keeps is given up: it holds no lock meanwhile.
    hangs_only_bare(&Program::compiled("fork_sequence.c").args(["flockfile"]), 200);
}

/// The program prints the same, whether or not the library is there.
#[track_caller]
fn looks_the_same(mode: &str) {
    let program = Program::compiled("fork_state.c").args([mode]);
    let bare = program.run(Preload::Bare).succeeded();
    assert!(bare.stdout.lines().count() > 10, "{bare:#?}");
    for preload in [Preload::Protected, Preload::Off] {
        let run = program.run(preload).succeeded();
        assert_same_lines(&bare.stdout, &run.stdout, &preload);
    }
}

#[test]
fn errno_is_as_libc_leaves_it() {
    looks_the_same("errno");
}

#[test]
fn signal_masks_are_the_callers_own() {
    looks_the_same("mask");
}

/// At the limit of processes, fork fails as it does without the library, and recovers.
#[test]
fn failed_forks() {
    let program = Program::compiled("fork_state.c").args(["failure"]);
    program.run(Preload::Bare).unharmed(200);
    let run = program.run(Preload::Protected).unharmed(200).drained();
    assert_eq!(run.stats().get("failed"), 100, "{run:#?}");
}
