//! Forks while libc has threads of its own, which a child lacks.

#![cfg(target_os = "linux")]

mod common;

use common::{Preload, Program, forks, hangs_only_bare};

const FORKS: u64 = 1000;

fn program(mode: &str) -> Program {
    Program::compiled("helpers.c").args([mode])
}

/// What works bare must work protected, too.
#[track_caller]
fn still_works(mode: &str) {
    let count = forks(FORKS);
    let program = program(mode).args([&count.to_string(), "1"]);
    program.run(Preload::Bare).unharmed(count);
    program.run(Preload::Protected).unharmed(count);
}

#[test]
fn an_idle_thread_for_transfers_is_lost() {
    hangs_only_bare(&program("aio"), FORKS);
}

#[test]
fn an_idle_thread_for_look_ups_is_lost() {
    hangs_only_bare(&program("lookup"), FORKS);
}

#[test]
fn a_thread_for_look_ups_is_busy() {
    hangs_only_bare(&program("lookup-waiting"), FORKS);
}

/// Whoever waits for a request holds no lock, so no fork waits for it.
#[test]
fn a_thread_waits_for_a_transfer() {
    still_works("aio-waiting");
}

#[test]
fn a_child_can_make_transfers() {
    still_works("aio-alone");
}

#[test]
fn a_child_can_make_look_ups() {
    still_works("lookup-alone");
}
