//! Forks while libc has threads of its own, which a child lacks.

#![cfg(target_os = "linux")]

mod common;

use common::{Program, hangs_only_bare, works_as_before};

const FORKS: u64 = 1000;

fn program(mode: &str) -> Program {
    Program::compiled("helpers.c").args([mode])
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
    works_as_before(&program("aio-waiting"), FORKS);
}

#[test]
fn a_child_can_make_transfers() {
    works_as_before(&program("aio-alone"), FORKS);
}

#[test]
fn a_child_can_make_look_ups() {
    works_as_before(&program("lookup-alone"), FORKS);
}
