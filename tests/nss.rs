//! Calls that lead through the name service: modules of others, DNS, and the calls with a buffer
//! of libc's own.

#![cfg(target_os = "linux")]

mod common;

use common::{
    Build, Preload, Program, assert_same_lines, hangs_bare_passes_protected, hangs_only_bare,
};

const FORKS: u64 = 1000;

/// `nss.cc`, which finds the module `nss_fftest.cc`.
fn nss(mode: &str) -> Program {
    let soname = ["-Wl,-soname,libnss_fftest.so.2"];
    let module = Build::of("nss_fftest.cc").flags(soname).library("libnss_fftest.so.2");
    let directory = module.parent().expect("it lies in a directory").to_path_buf();
    let program = Build::of("nss.cc").flags([module.to_string_lossy()]).executable();
    Program::at(program).env("LD_LIBRARY_PATH", directory).args([mode])
}

/// `fork()` inside a callback of a libc call: the forker is inside itself.
#[test]
fn a_module_forks() {
    hangs_bare_passes_protected(&nss("fork"), FORKS);
}

#[test]
fn a_module_calls_other_families() {
    hangs_bare_passes_protected(&nss("nested"), FORKS);
}

/// Two threads never come back from a module: each is given up once, and later forks do not wait
/// for it again. The children get an entry or an error, and the other families as ever.
#[test]
fn threads_are_lost_in_a_module() {
    let run = hangs_only_bare(&nss("blocked"), 50);
    assert_eq!(run.stats().get("gave_up"), 2, "{run:#?}");
}

/// The same with an enumeration, whose lock no reentrant twin avoids.
#[test]
fn a_thread_is_lost_in_an_enumeration() {
    let run = hangs_only_bare(&nss("blocked-ent"), 50);
    assert_eq!(run.stats().get("gave_up"), 1, "{run:#?}");
}

/// A thread that was given up and came back is waited for again.
#[test]
fn a_lost_thread_comes_back() {
    let run = hangs_only_bare(&nss("released"), FORKS);
    assert!(run.stats().get("gave_up") > 0, "{run:#?}");
}

/// Threads leave a libc call by an exception or by their end: none of them is waited for.
#[test]
fn threads_leave_without_returning() {
    for (mode, caught) in [("throw", "caught 50\n"), ("exit-thread", "caught 0\n")] {
        let program = nss(mode).args(["1000", "1"]);
        let bare = program.run(Preload::Bare).unharmed(FORKS);
        assert!(bare.stdout.starts_with(caught), "{bare:#?}");
        let run = program.run(Preload::Protected).unharmed(FORKS).drained();
        assert_eq!(bare.stdout, run.stdout);
    }
}

/// An entry of some hundred kilobytes.
#[test]
fn entries_of_any_size() {
    let program = nss("big").args(["0", "0"]);
    let bare = program.run(Preload::Bare).succeeded();
    assert!(bare.stdout.starts_with("20000 members, last member19999\n"), "{bare:#?}");
    assert_eq!(bare.stdout, program.run(Preload::Protected).succeeded().stdout);
}

/// Threads that wait for a DNS server hold no lock, so no fork waits for them, and the
/// children can resolve.
#[test]
fn look_ups_wait_for_a_silent_server() {
    let run = hangs_bare_passes_protected(&Program::compiled("dns.c"), FORKS);
    assert!(run.stats().get("waived") > 0, "{run:#?}");
}

/// Every entry that this machine knows is found as without the library, and errors are the same.
#[test]
fn entries_and_errors_are_unchanged() {
    let program = Program::compiled("nss_table.c");
    let bare = program.run(Preload::Bare).succeeded();
    assert!(bare.stdout.lines().count() > 500, "{bare:#?}");
    for preload in [Preload::Protected, Preload::Off] {
        let run = program.run(preload).succeeded();
        assert_same_lines(&bare.stdout, &run.stdout, &preload);
    }
}
