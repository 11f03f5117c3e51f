//! cargo-nextest, with our script as its wrapper and as its runner.

use std::fs;
use std::process::Command;

use crate::{Suite, has, outcome};

/// Locks of Rust are numbers, which the library does not see.
const TESTS: &str = r#"
#![cfg(test)]
use std::sync::Mutex;
static LOCK: Mutex<()> = Mutex::new(());
unsafe extern "C" { safe fn fork() -> i32; safe fn _exit(code: i32) -> !; fn waitpid(child: i32, status: *mut i32, flags: i32) -> i32; }
fn child(work: fn()) {
    let child = fork();
    if child == 0 { work(); _exit(0) }
    let mut status = 0;
    assert!(unsafe { waitpid(child, &mut status, 0) } == child && status == 0, "status {status}");
}
#[test]
fn hangs() {
    let (held, is_held) = std::sync::mpsc::channel();
    std::thread::spawn(move || { let _guard = LOCK.lock(); held.send(()).unwrap(); loop { std::thread::park() } });
    is_held.recv().unwrap();
    child(|| drop(LOCK.lock()));
}
#[test]
fn works() { child(|| ()) }
"#;

/// The `toml` of docs/runners.md.
fn documented() -> &'static str {
    let document = include_str!("../../docs/runners.md");
    let (_, rest) = document.split_once("```toml\n").expect("there is one");
    rest.split_once("```").expect("it ends").0
}

fn nextest(suite: &Suite) -> Command {
    suite.file(
        "Cargo.toml",
        "[package]\nname = \"suite\"\nedition = \"2024\"\n[lib]\npath = \"lib.rs\"\n[workspace]\n",
    );
    suite.file("lib.rs", TESTS);
    let mut command = suite.command("cargo");
    command.args(["nextest", "run", "--no-fail-fast"]);
    command.env("FORKFIX_WATCH", "--on-hang=kill --error-exitcode=99 --hang-after=1");
    command
}

#[track_caller]
fn names_the_test(suite: &Suite, command: &mut Command) {
    let reports = suite.path().join("reports");
    let (text, status) = outcome(command.env("FORKFIX_REPORTS", &reports));
    assert_eq!(status, Some(100), "{text}");
    has(
        &text,
        &[
            "2 tests run: 1 passed, 1 failed",
            "==forkfix== FORK HANG",
            "SUMMARY: forkfix: fork hang",
        ],
    );
    let report = fs::read_to_string(reports.join("suite-hangs.jsonl")).expect("it was written");
    has(&report, &["\"type\":\"hang\"", "\"action\":\"killed\""]);
    let report = fs::read_to_string(reports.join("suite-works.jsonl")).expect("it was written");
    assert!(
        report.contains("\"type\":\"fork\"") && !report.contains("\"type\":\"hang\""),
        "{report}"
    );
}

#[test]
fn as_a_wrapper_the_script_names_the_test() {
    let suite = Suite::new();
    suite.file(".config/nextest.toml", documented());
    names_the_test(&suite, &mut nextest(&suite));
}

#[test]
fn as_a_runner_the_script_names_the_test() {
    let suite = Suite::new();
    let machine = std::env::consts::ARCH.to_uppercase();
    let variable = format!("CARGO_TARGET_{machine}_UNKNOWN_LINUX_GNU_RUNNER");
    names_the_test(&suite, nextest(&suite).env(variable, "forkfix-nextest"));
}

#[test]
fn a_missing_command_is_told() {
    let suite = Suite::new();
    let mut script = suite.command(suite.path().join("bin/forkfix-nextest"));
    let (text, status) = outcome(script.arg("true").env("FORKFIX_COMMAND", "/nonexistent"));
    assert_eq!(status, Some(127), "{text}");
    has(&text, &["there is no command '/nonexistent'"]);
}
