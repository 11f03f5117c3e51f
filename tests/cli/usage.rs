//! The command line itself.

use predicates::prelude::*;
use predicates::str::contains;

use crate::fixture::{forkfix, shell, text};

#[test]
fn a_wrong_command_line_is_2() {
    forkfix().assert().code(2);
    forkfix().arg("fly").assert().code(2).stderr(contains("fly"));
    for (arguments, message) in [
        (&["run"][..], "there is no command to run; write it after '--'"),
        (&["run", "--"], "there is no command to run; write it after '--'"),
        (&["run", "--log", "loud", "--", "true"], "possible values: off, error, warn"),
        (&["run", "--option", "stats", "--", "true"], "it must be written as KEY=VALUE"),
        (&["run", "--option", "=1", "--", "true"], "it must be written as KEY=VALUE"),
        (&["run", "--option", "stats=1:log=off", "--", "true"], "repeat --option instead"),
        (&["doctor"], "<CMD>"),
    ] {
        forkfix().args(arguments).assert().code(2).stderr(contains(message)).stdout("");
    }
}

#[test]
fn help_has_examples_and_exit_codes() {
    let help = text(forkfix().arg("--help"));
    for part in ["Examples:\n  forkfix run -- ", "Exit codes:", "\n  125  ", "\n  127  "] {
        assert!(help.contains(part), "{part} is not in:\n{help}");
    }
    assert!(!help.contains("prove-worker") && !help.contains("generate"), "{help}");
    let help = text(forkfix().args(["run", "--help"]));
    assert!(help.contains("Usage: forkfix run [OPTIONS] -- <CMD> [ARG]..."), "{help}");
    assert!(help.contains("--allow-unprotected"), "{help}");
}

#[test]
fn version_is_the_package_s() {
    let version = concat!("forkfix ", env!("CARGO_PKG_VERSION"), "\n");
    forkfix().arg("--version").assert().success().stdout(version);
}

#[test]
fn the_manual_page_describes_every_option() {
    let page = text(forkfix().args(["generate", "man"]));
    for part in
        ["FORKFIX RUN", "FORKFIX DOCTOR", "FORKFIX PROVE", "no\\-follow", "preset", "Exit codes:"]
    {
        assert!(page.contains(part), "{part} is not in:\n{page}");
    }
    assert!(!page.contains("PROVE\\-WORKER") && !page.contains("PROVE-WORKER"));
}

#[test]
fn completions_offer_what_is_not_hidden() {
    for name in ["bash", "zsh", "fish"] {
        let offered = contains("allow-unprotected").and(contains("prove-worker").not());
        forkfix().args(["generate", name]).assert().success().stdout(offered);
    }
}

#[test]
fn bash_accepts_its_completions() {
    let script = text(forkfix().args(["generate", "bash"]));
    let check = "complete -p forkfix";
    let mut bash = assert_cmd::Command::new("bash");
    bash.args(["--norc", "-c", &format!("{script}\n{check}")]).assert().success();
}

#[test]
fn a_reader_that_has_seen_enough_does_no_harm() {
    for arguments in ["--help", "generate man", "doctor true", "run --option help=1"] {
        let script = format!("{{ \"$FORKFIX_EXE\" {arguments}; echo $? >&2; }} | true");
        shell(&script).assert().success().stderr(contains("panicked").not());
    }
}

#[test]
fn prove_takes_the_same_library_as_run() {
    forkfix().args(["prove", "--list"]).assert().success().stdout(contains("localtime"));
    let mut command = forkfix();
    command.args(["prove", "--library", "/nonexistent.so"]);
    command.assert().code(125).stderr(contains("the library '/nonexistent.so' does not exist"));
}
