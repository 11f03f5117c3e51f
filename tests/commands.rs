//! Forks while other threads run commands with `popen` and `system`.

#![cfg(target_os = "linux")]

mod common;

use common::{Preload, Program, forks, hangs_bare_passes_protected};

const FORKS: u64 = 300;

fn commands(mode: &str) -> Program {
    Program::compiled("commands.c").args([mode])
}

/// glibc before 2.41 leaves the lock of popen's list as it was at the fork.
#[test]
fn popen() {
    hangs_bare_passes_protected(&commands("popen"), FORKS);
}

/// Children ignore SIGINT and SIGQUIT bare, for ever, and do not with the library.
#[track_caller]
fn ignored_only_bare(mode: &str) {
    let program =
        commands(mode).options("blocking_ms=10000").args([&forks(FORKS).to_string(), "0"]);
    let bare = program.run(Preload::Bare).succeeded();
    assert!(
        bare.tally().crashes > 0,
        "no child ignores a signal, so this shows nothing: {bare:#?}"
    );
    program.run(Preload::Protected).unharmed(forks(FORKS)).drained();
}

#[test]
fn system_again_and_again() {
    ignored_only_bare("system");
}

/// A fork does not wait for a command to end.
#[test]
fn system_that_goes_on() {
    ignored_only_bare("waiting");
}
