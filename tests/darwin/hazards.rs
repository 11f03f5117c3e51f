//! Each family of calls hangs in forked children without the library and does not with it.

use crate::common::Run;
use crate::machine::{Arch, Case};

on_both! {
    every_family
    forks_inside_libc_and_without_handlers
    every_way_to_sleep
    a_lock_that_fork_takes_later
    a_thread_that_waits_for_input
    the_kill_switch_brings_hangs_back
}

const FORKS: u64 = 500;
/// Such that a busy machine does not use them up: no thread may be given up.
const PATIENT: &str = "stats=1:bounded_ms=20000:blocking_ms=20000:stdio_ms=20000";

#[track_caller]
fn passes(case: Case, forks: u64) -> Run {
    let run = case.args([&forks.to_string(), "1"]).protected(PATIENT).go();
    run.unharmed(forks).drained()
}

#[track_caller]
fn hangs_only_bare(arch: Arch, app: &str, call: &[&str], way: &[&str]) {
    let case = arch.run(app).args(call);
    case.clone().args(["5000", "1"]).args(way).go().succeeded().hung();
    let forks = arch.forks(FORKS);
    let run = case.args([&forks.to_string(), "1"]).args(way).protected(PATIENT).go();
    run.unharmed(forks).drained();
}

fn every_family(arch: Arch) {
    let list = arch.run("hazards").args(["list"]).go().succeeded().stdout;
    let calls: Vec<_> = list.lines().filter(|call| *call != "runtime-lock").collect();
    assert!(calls.len() >= 19, "{calls:?}");
    for call in calls {
        hangs_only_bare(arch, "hazards", &[call], &[]);
    }
}

/// `vfork` has been fork without handlers since macOS 12; `forkpty` and `daemon` fork inside libc,
/// past every interposition.
fn forks_inside_libc_and_without_handlers(arch: Arch) {
    for way in ["vfork", "forkpty"] {
        hangs_only_bare(arch, "hazards", &["localtime"], &[way]);
        hangs_only_bare(arch, "hazards", &["setenv"], &[way]);
    }
    arch.run("daemons").args(["500", "1"]).go().succeeded().hung();
    let daemons = arch.forks(200);
    arch.run("daemons").args([daemons, 1]).protected("").go().unharmed(daemons);
}

/// macOS 14.4 has one way, older systems another; without either threads nap.
fn every_way_to_sleep(arch: Arch) {
    let case = arch.run("hazards").option(["--missing", "os_sync_wait_on_address_with_timeout"]);
    let oldest = case.clone().option(["--missing", "__ulock_wait"]);
    for case in [case, oldest] {
        passes(case.args(["setenv"]), arch.forks(FORKS));
    }
}

/// A thread that holds a lock of the Objective-C runtime, which fork takes when the gate is closed
/// already, waits at the gate: it must be let through.
fn a_lock_that_fork_takes_later(arch: Arch) {
    let forks = arch.forks(200);
    let case = arch.run("hazards").args(["runtime-lock", &forks.to_string(), "1"]);
    case.clone().go().unharmed(forks);
    case.protected("stats=1").go().unharmed(forks);
}

/// It holds its stream's lock for as long as no input comes, and is given up once, not for each fork.
fn a_thread_that_waits_for_input(arch: Arch) {
    let run = arch.run("blocked").args(["20"]).protected("stats=1").go().unharmed(20);
    assert_eq!(run.stats().get("gave_up"), 1, "{run:#?}");
    assert_eq!(run.stderr.matches("a child writes\n").count(), 20, "{run:#?}");
}

fn the_kill_switch_brings_hangs_back(arch: Arch) {
    let case = arch.run("hazards").args(["localtime", "5000", "1"]).protected("");
    let run = case.env("FORKFIX", "off").go().succeeded().hung();
    assert!(!run.stderr.contains("forkfix"), "the library speaks though it is off: {run:#?}");
}
