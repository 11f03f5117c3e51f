//! The plugin of pytest.

use std::fs;
use std::process::Command;

use crate::{Suite, has, outcome, programs};

/// A test whose child waits for a lock that a thread of the parent held, one whose child does not, and one that does not
/// look at how its child ended.
const TESTS: &str = r#"
import os, threading
import pytest

lock, held = threading.Lock(), threading.Event()

def hold():
    with lock:
        held.set()
        threading.Event().wait()

def child(work):
    pid = os.fork()
    if pid == 0:
        work()
        os._exit(0)
    return os.waitpid(pid, 0)[1]

def hang():
    threading.Thread(target=hold, name="holder", daemon=True).start()
    held.wait()
    return child(lock.acquire)

def test_hangs():
    assert hang() == 0

def test_works():
    assert child(int) == 0

def test_does_not_look():
    hang()
"#;

/// pytest with the plugin, which leaves locks as they are.
fn pytest(suite: &Suite) -> Command {
    suite.file("test_forks.py", TESTS);
    let mut command = suite.command(programs().join("pytest"));
    command.args(["-p", "forkfix", "-p", "no:cacheprovider", "--forkfix-hang-after=1"]);
    command.env("FORKFIX_OPTIONS", "orphans=report").env("PYTHONDONTWRITEBYTECODE", "1");
    command
}

const HUNG: &str = "test_forks.py::test_hangs (call): child ";
const UNSEEN: &str = "test_forks.py::test_does_not_look (call): child ";

/// The section of the terminal summary; what forkfix says on standard error comes after all of that.
#[track_caller]
fn section(text: &str) -> &str {
    let section = text.split_once("= forkfix =").and_then(|(_, rest)| rest.split_once("===\n"));
    let (_, section) = section.unwrap_or_else(|| panic!("{text}"));
    section.split_once("\n====").map_or(section, |(section, _)| section)
}

#[test]
fn the_test_whose_child_hung_is_named() {
    let suite = Suite::new();
    let (text, status) = outcome(pytest(&suite).args(["-k", "test_hangs or test_works"]));
    assert_eq!(status, Some(1), "{text}");
    has(&text, &["forkfix: watches forked children", "1 failed, 1 passed"]);
    let threads = [
        HUNG,
        "  waits:    test_forks.py:15 child\n",
        "  held by:  thread \"holder\", test_forks.py:10 hold\n",
        "  forked:   test_forks.py:13 child\n",
    ];
    has(section(&text), &threads);
    has(section(&text), &["(killed)", "  why:      ", "  to do:    "]);
    assert!(!section(&text).contains("SUMMARY: forkfix: fork hang"), "{text}");
    assert!(!section(&text).contains("test_works"), "{text}");
}

#[test]
fn the_whole_report_is_shown_on_request() {
    let suite = Suite::new();
    let (text, status) = outcome(pytest(&suite).args(["-v", "-k", "test_hangs"]));
    assert_eq!(status, Some(1), "{text}");
    let (first, rest) = section(&text).split_once("==forkfix== FORK HANG").expect("it is whole");
    assert!(first.contains(HUNG) && rest.contains("SUMMARY: forkfix: fork hang"), "{text}");
}

#[test]
fn a_healthy_run_says_nothing() {
    let suite = Suite::new();
    let (text, status) = outcome(pytest(&suite).args(["-k", "test_works"]));
    assert_eq!(status, Some(0), "{text}");
    assert!(text.contains("1 passed") && !text.contains("= forkfix ="), "{text}");
}

#[test]
fn a_strict_run_fails_whatever_the_test_says() {
    let suite = Suite::new();
    let (text, status) = outcome(pytest(&suite).args(["-k", "does_not_look"]));
    assert_eq!(status, Some(0), "{text}");
    has(section(&text), &[UNSEEN]);
    let report = suite.path().join("report.jsonl");
    let mut strict = pytest(&suite);
    strict.args(["-k", "does_not_look", "--forkfix-strict", "--forkfix-report"]).arg(&report);
    let (text, status) = outcome(&mut strict);
    assert_eq!(status, Some(1), "{text}");
    has(&text, &["1 passed"]);
    has(
        &fs::read_to_string(report).expect("it was written"),
        &["test_does_not_look", "\"summary\""],
    );
}

#[test]
fn workers_and_forked_tests_are_watched() {
    for argument in ["-n2", "--forked"] {
        let suite = Suite::new();
        let (text, status) = outcome(pytest(&suite).arg(argument));
        assert_eq!(status, Some(1), "{text}");
        has(section(&text), &[HUNG, UNSEEN]);
        assert_eq!(text.matches("SUMMARY: forkfix: fork hang").count(), 2, "{text}");
        assert_eq!(text.matches("= forkfix =").count(), 1, "{text}");
    }
}

#[test]
fn the_interpreter_and_its_arguments_stay() {
    let suite = Suite::new();
    let test = "import sys\ndef test(): assert sys.flags.utf8_mode == 1 and sys.flags.dont_write_bytecode == 1\n";
    suite.file("test_flags.py", test);
    let mut command = suite.command(programs().join("python"));
    command.args(["-X", "utf8", "-B", "-m", "pytest", "-p", "forkfix", "-p", "no:cacheprovider"]);
    let (text, status) = outcome(&mut command);
    assert_eq!(status, Some(0), "{text}");
    has(&text, &["forkfix: watches forked children", "1 passed"]);
}

#[test]
fn what_cannot_be_done_is_told() {
    let suite = Suite::new();
    let (text, status) = outcome(pytest(&suite).arg("--forkfix=/nonexistent/forkfix"));
    assert_eq!(status, Some(4), "{text}");
    has(&text, &["'/nonexistent/forkfix' is none that can be executed", "FORKFIX_COMMAND=PATH"]);
    let mut command = suite.command(programs().join("python"));
    let (text, status) = outcome(
        command.args(["-c", "import pytest; raise SystemExit(pytest.main(['-p', 'forkfix']))"]),
    );
    assert_eq!(status, Some(4), "{text}");
    has(&text, &["another program called pytest.main()"]);
}

#[test]
fn the_switch_switches_it_off() {
    let suite = Suite::new();
    let (text, status) = outcome(pytest(&suite).env("FORKFIX", "off").args(["-k", "works"]));
    assert_eq!(status, Some(0), "{text}");
    assert!(!text.contains("forkfix: watches"), "{text}");
}
