//! The library for musl, in programs of musl: on the release that is installed and on newer ones.

#![cfg(all(target_os = "linux", target_arch = "x86_64"))]

mod common;

#[path = "musl/command.rs"]
mod command;
#[path = "musl/image.rs"]
mod image;
#[path = "musl/machine.rs"]
mod machine;
#[path = "musl/releases.rs"]
mod releases;

use std::time::Duration;

use common::{Preload, Program, Run};
use machine::{Source, program};
use releases::Release;

const FORKS: u64 = 1000;

/// Bare a child hangs, protected none of `FORKS` does.
#[track_caller]
fn hangs_only_bare(program: &Program) -> Run {
    hangs_only_bare_of(program, FORKS)
}

/// The same with another number of forks.
#[track_caller]
fn hangs_only_bare_of(program: &Program, forks: u64) -> Run {
    program.args(["5000", "1"]).run(Preload::Bare).succeeded().hung();
    let patient = program.options("bounded_ms=10000:blocking_ms=10000:stdio_ms=10000");
    patient.args([&forks.to_string(), "1"]).run(Preload::Protected).unharmed(forks).drained()
}

/// What other threads do with a stream, or the forking thread itself, and what the child does.
#[test]
fn streams() {
    for release in Release::ALL {
        for how in ["hold", "write", "own"] {
            for use_in_child in ["print", "flush-all", "exit", "close"] {
                hangs_only_bare(&release.program("streams.c").args([how, use_in_child]));
            }
        }
    }
}

/// The parent's thread sits in a write to a full pipe. What it had in its buffer is not written again by the
/// child, and what the child writes arrives.
#[test]
fn a_stream_in_the_middle_of_a_write() {
    for release in Release::ALL {
        let program = release.program("transfer.c");
        program.run(Preload::Bare).succeeded().hung();
        program.run(Preload::Protected).unharmed(1);
    }
}

#[test]
fn locks_of_directories_and_threads() {
    for release in Release::ALL {
        let program = release.program("objects.c");
        let list = program.args(["list"]).run(Preload::Bare).succeeded();
        assert!(list.stdout.lines().count() >= 6, "{list:#?}");
        for call in list.stdout.lines() {
            hangs_only_bare(&program.args([call]));
        }
    }
}

/// Those of the program. They look the same in all releases, but for semaphores.
#[test]
fn user_locks() {
    for release in Release::ALL {
        let forks = if release == Release::Installed { FORKS } else { FORKS / 5 };
        let program = release.program("../user_locks.c").options("locks_ms=10000");
        let list = program.args(["list"]).run(Preload::Bare).succeeded();
        let kinds: Vec<_> = list.stdout.lines().filter(|kind| *kind != "once").collect();
        assert!(kinds.len() >= 9, "{kinds:?}");
        for kind in kinds {
            hangs_only_bare_of(&program.args([kind]), forks);
        }
        // The initialiser does not end: the fork goes on without, and the child begins anew.
        let once = release.program("../user_locks.c").args(["once", "100", "1"]);
        once.run(Preload::Bare).succeeded().hung();
        assert_eq!(once.run(Preload::Protected).unharmed(100).stats().get("gave_up"), 1);
    }
}

/// Since 1.2.6 `exit` has a lock that is never given back; before, nothing hangs here.
#[test]
fn a_fork_while_the_process_exits() {
    for release in Release::ALL {
        for who in ["thread", "errx", "main", "handler"] {
            let program = release.program("exit.c").args([who]);
            let bare = program.run(Preload::Bare).succeeded();
            assert_eq!(bare.tally().hangs, u64::from(release == Release::Sid), "{bare:#?}");
            program.run(Preload::Protected).unharmed(1);
        }
    }
}

/// `exit` waits for constructors in progress. One that is longer than the fork waits never ends in the child.
#[test]
fn a_fork_while_a_library_is_loaded() {
    let library = Source::of("loading.c").library();
    for release in Release::ALL {
        let program = release.program("loading.c").args([library.as_os_str()]);
        program.args(["exit"]).run(Preload::Bare).succeeded().hung();
        program.args(["exit"]).run(Preload::Protected).unharmed(1);
        // musl refuses to load it again, with the library as without.
        program.args(["dlopen"]).run(Preload::Bare).unharmed(1);
        program.args(["dlopen"]).run(Preload::Protected).unharmed(1);
    }
}

/// Handlers that fork wait for musl's lock of handlers.
#[test]
fn handlers_fork() {
    for release in Release::ALL {
        let nested = release.program("../fork_sequence.c").args(["nested", "200", "1"]);
        let bare = nested.deadline(Duration::from_secs(3)).run(Preload::Bare);
        assert_eq!(bare.status, None, "nothing hangs, so this shows nothing: {bare:#?}");
        nested.run(Preload::Protected).unharmed(200);
    }
}

/// What works bare works protected.
#[test]
fn forks_at_awkward_moments() {
    for mode in ["two", "eight", "thread-storm", "cloned"] {
        let program = program("fork_sequence.c").args([mode, "200", "1"]);
        program.run(Preload::Bare).unharmed(200);
        program.run(Preload::Protected).unharmed(200);
    }
    for mode in ["vfork", "_Fork", "clone", "forkpty"] {
        let program = program("processes.c").args([mode, "200"]);
        let program = if mode == "forkpty" { program.args(["1"]) } else { program };
        program.run(Preload::Bare).unharmed(200);
        program.run(Preload::Protected).unharmed(200);
    }
}

/// `errno` and signal masks around a fork are as musl leaves them, and failed forks fail.
#[test]
fn state_around_a_fork() {
    for mode in ["errno", "mask"] {
        let program = program("fork_state.c").args([mode]);
        let bare = program.run(Preload::Bare).succeeded();
        let protected = program.run(Preload::Protected).succeeded();
        common::assert_same_lines(&bare.stdout, &protected.stdout, &mode);
    }
    program("fork_state.c").args(["failure"]).run(Preload::Protected).unharmed(200);
}

/// A thread's `setenv` moves the array that `posix_spawn` reads; musl has no lock for that.
#[test]
fn programs_get_a_whole_environment() {
    let storm =
        |count: u32| program("spawn.c").args(["storm", "posix_spawn", &count.to_string(), "1"]);
    let bare = storm(4000).run(Preload::Bare);
    let whole = |count| format!("spawns={count} failed=0 incomplete=0");
    assert_ne!(bare.stdout.lines().last(), Some(&*whole(4000)), "nothing fails bare: {bare:#?}");
    let run = storm(2000).run(Preload::Protected).succeeded();
    assert_eq!(run.stdout.lines().last(), Some(&*whole(2000)), "{run:#?}");
}
