//! The loader itself: what it runs without forkfix, and with a small library of its own.

use crate::machine::Arch;

on_both! {
    runs_a_program
    runs_chained_fixups
    applies_tuples
    refuses_what_is_missing
    a_hang_is_one
}

fn runs_a_program(arch: Arch) {
    let run = arch.run("selftest").args(["argument"]).go().succeeded();
    assert!(run.stdout.ends_with("0 failures\n"), "{run:#?}");
}

/// Those of Apple's linker for newer systems.
fn runs_chained_fixups(arch: Arch) {
    let run = arch.run("selftest-chained").args(["argument"]).go().succeeded();
    assert!(run.stdout.ends_with("0 failures\n"), "{run:#?}");
}

/// The program's calls are replaced, the library's own are not, and a tuple without a replacee has
/// no effect.
fn applies_tuples(arch: Arch) {
    for app in ["selftest", "selftest-chained"] {
        let case = arch.run(app).args(["argument"]).with(arch.app("counting.dylib"));
        let run = case.env("COUNTING", "1").go().succeeded();
        assert_eq!(run.stderr, "dylib loads\ndylib ends: 3 forks, 3 look-ups\n", "{run:#?}");
    }
}

/// As dyld does: without a strong import nothing runs.
fn refuses_what_is_missing(arch: Arch) {
    let run = arch.run("selftest").option(["--missing", "getpid"]).args(["argument"]).go();
    assert_eq!(run.status.and_then(|status| status.code()), Some(98), "{run:#?}");
    assert!(run.stderr.contains("Symbol not found: _getpid"), "{run:#?}");
    assert_eq!(run.stdout, "");
}

/// Without `--hang-status`, a child whose lock is lost waits until its deadline: the status stands
/// for a real hang.
fn a_hang_is_one(arch: Arch) {
    let run = arch.run("hazards").option(["--hang-status", "-1"]).args(["localtime", "5000", "1"]);
    let run = run.go().succeeded();
    assert_eq!(run.tally().hangs, 1, "{run:#?}");
    assert!(run.stderr.contains("waits for ever for the lock of the time zone"), "{run:#?}");
}
