//! Handlers that programs and their libraries register with `pthread_atfork`.

#![cfg(target_os = "linux")]

mod common;

use std::path::PathBuf;

use common::{Build, Preload, Program, hangs_bare_passes_protected, suite};

const FORKS: u64 = 1000;

fn handlers() -> Program {
    let early = Build::of("handlers_early.c").library("libearly.so");
    let directory = early.parent().expect("it lies in a directory");
    let path = format!("-Wl,-rpath,{}", directory.display());
    let flags = [early.to_string_lossy().into_owned(), path];
    Program::at(Build::of("handlers.cc").flags(flags).executable())
}

fn plugin() -> PathBuf {
    Build::of("handlers_plugin.c").library("plugin.so")
}

/// The handlers run in the same order with and without the library; returns that order.
#[track_caller]
fn same_order(program: &Program) -> String {
    let bare = program.run(Preload::Bare).succeeded().stdout;
    for preload in [Preload::Protected, Preload::Off] {
        assert_eq!(bare, program.run(preload).succeeded().stdout, "{program} ({preload:?})");
    }
    bare
}

/// Prepare handlers run last come, first served; the others first come, first served; those of a
/// closed library do not run.
#[test]
fn order_of_handlers() {
    let order = same_order(&handlers().args(["order".as_ref(), plugin().as_os_str()]));
    let all = "program and plugin, parent: pC p(plugin) pA PA P(plugin) PC\n";
    assert!(order.contains(all), "{order}");
    let closed = "plugin closed, child: pA pD pC pA cA cC cF cA\n";
    assert!(order.contains(closed), "{order}");
}

/// A handler that a handler registers runs from the next fork on; before glibc 2.36 half of it runs in the
/// same fork, which the library does not do.
#[test]
fn handlers_register_handlers() {
    let program = handlers().args(["inside"]);
    let order = if suite() == Some("bullseye") {
        program.run(Preload::Protected).succeeded().stdout
    } else {
        same_order(&program)
    };
    let first = "registration in handlers, parent: pA p(enroll X) P(enroll Y) PA\n";
    assert!(order.starts_with("registration in handlers, child: pA p(enroll X)"), "{order}");
    assert!(order.contains(first), "{order}");
    assert!(order.contains("in the child, child: pZ "), "{order}");
}

/// A handler that is registered while another thread forks runs on both sides of a fork or on
/// neither.
#[test]
fn handlers_registered_during_a_fork() {
    assert_eq!(same_order(&handlers().args(["concurrent"])), "1000 handlers\n");
}

/// Forks while the process ends, when libraries have taken their handlers back.
#[test]
fn forks_at_exit() {
    let order = same_order(&handlers().args(["exit"]));
    assert!(order.contains("static destructor, child: pA cA\n"), "{order}");
    assert!(order.contains("library destructor, child:\n"), "{order}");
}

/// Handlers run while the gate is open: the thread that holds the application's lock is inside
/// libc, and must get out.
#[test]
fn a_handler_takes_a_lock_of_threads_inside_libc() {
    hangs_bare_passes_protected(&handlers().args(["lock"]), FORKS);
}

#[test]
fn handlers_call_libc() {
    hangs_bare_passes_protected(&handlers().args(["libc"]), FORKS);
}

#[test]
fn a_thousand_handlers() {
    hangs_bare_passes_protected(&handlers().args(["many"]), FORKS);
}

/// A dependency's constructor runs before that of the preloaded library.
#[test]
fn forks_before_the_constructor() {
    let early = handlers().env("EARLY_FORKS", "1000").env("EARLY_MAX_HANGS", "1");
    hangs_bare_passes_protected(&early.args(["early"]), FORKS);
}
