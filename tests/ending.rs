//! Forks while another thread ends the process.

#![cfg(target_os = "linux")]

mod common;

use std::ffi::CStr;

use common::{Program, hangs_only_bare, works_as_before};

const FORKS: u64 = 1000;

/// Whether libc's `exit` keeps a lock for ever, which a child inherits (glibc 2.41, stdlib/exit.c).
fn exit_keeps_its_lock() -> bool {
    // SAFETY: no preconditions.
    let version = unsafe { libc::gnu_get_libc_version() };
    // SAFETY: a constant of libc.
    let version = unsafe { CStr::from_ptr(version) }.to_string_lossy();
    let numbers: Vec<u32> = version.split('.').map_while(|part| part.parse().ok()).collect();
    numbers >= vec![2, 41]
}

#[track_caller]
fn children_end(mode: &str) {
    let program = Program::compiled("ending.c");
    if exit_keeps_its_lock() {
        hangs_only_bare(&program.args([mode]), FORKS);
    } else {
        works_as_before(&program.args([mode]), FORKS);
    }
}

#[test]
fn a_thread_is_in_exit() {
    children_end("exit");
}

#[test]
fn a_thread_is_in_quick_exit() {
    children_end("quick");
}

#[test]
fn main_has_returned() {
    children_end("return");
}

/// libc's list of exit handlers is locked while the next one is taken from it.
#[test]
fn a_thread_runs_many_exit_handlers() {
    let patient = Program::compiled("ending.c").options("bounded_ms=20000");
    hangs_only_bare(&patient.args(["many"]), 100);
}
