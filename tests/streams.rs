//! Forks while other threads use streams.

#![cfg(target_os = "linux")]

mod common;

use std::collections::BTreeSet;
use std::fs;

use common::{Preload, Program, forks, hangs_bare_passes_protected, hangs_only_bare};

const FORKS: u64 = 1000;

/// Fewer, as thousands of records are written beside each.
const FORKS_BESIDE_RECORDS: u64 = 300;

fn streams(mode: &str) -> Program {
    Program::compiled("streams.c").args([mode])
}

/// They are in no list of libc's, so a fork does not reset their locks.
#[test]
fn in_memory() {
    for mode in ["memory", "wide-memory"] {
        hangs_bare_passes_protected(&streams(mode), FORKS);
    }
}

/// Calls on streams have the smallest budget, as they may wait for input. But who waits for a lock of libc's, in
/// the midst of a call, has left a trace in it that a child cannot do away with.
#[test]
fn no_thread_is_given_up_that_waits_for_libc() {
    let program = streams("error-text").options("stdio_ms=1");
    hangs_only_bare(&program, 3 * FORKS).drained();
}

/// Bare, `fflush(NULL)` keeps the list of all streams locked while it waits for the one that waits for
/// input, and so each fork waits for input too.
#[test]
fn a_fork_does_not_wait_for_input() {
    let program = streams("input");
    let bare = program.run(Preload::Bare).succeeded();
    assert_eq!(bare.stdout, "before the input: input=0 flush=0 fork=0\n", "{bare:#?}");
    let protected = program.run(Preload::Protected).succeeded();
    assert_eq!(protected.stdout, "before the input: input=0 flush=1 fork=1\n", "{protected:#?}");
}

/// What became of the records that threads and children wrote.
#[derive(Debug, Default)]
struct Records {
    /// Lines that are no record.
    torn: u64,
    /// Records of threads and of children that are there once more than they were written.
    threads_twice: u64,
    children_twice: u64,
    /// Records that are not there.
    lost: u64,
}

/// True if the line is as `streams.c` writes it: `t 0000000001 sum 4294967294 end   |`.
fn is_record(line: &str) -> bool {
    let words: Vec<_> = line.split_ascii_whitespace().collect();
    let [writer, number, "sum", sum, "end", "|"] = words[..] else {
        return false;
    };
    let number = number.parse::<u32>().ok().filter(|_| number.len() == 10);
    let known = matches!(writer, "t" | "c") && line.len() == 63;
    known && number.is_some_and(|number| sum.parse() == Ok(!number))
}

fn storm(mode: &str, preload: Preload) -> Records {
    let file = tempfile::NamedTempFile::new().expect("there is room for files");
    let forks = forks(FORKS_BESIDE_RECORDS);
    let program =
        streams(mode).options("stdio_ms=10000").args([&forks.to_string()]).args([file.path()]);
    let run = program.run(preload).unharmed(forks);
    let written = run.stdout.lines().find_map(|line| line.strip_prefix("numbers="));
    let written: u64 = written.and_then(|count| count.parse().ok()).expect("a count");
    if preload == Preload::Protected {
        assert_eq!(run.stats().get("gave_up"), 0, "{run:#?}");
    }
    let text = fs::read(file.path()).expect("it is ours");
    let mut records = Records::default();
    let mut seen = BTreeSet::new();
    for line in String::from_utf8_lossy(&text).lines() {
        if !is_record(line) {
            records.torn += 1;
        } else if !seen.insert(line.to_owned()) {
            let twice = if line.starts_with('t') {
                &mut records.threads_twice
            } else {
                &mut records.children_twice
            };
            *twice += 1;
        }
    }
    records.lost = written.saturating_sub(seen.len() as u64);
    records
}

/// A stream that writes each line out has nothing in it when no call is in progress: no child has
/// anything of its parent's to write again.
#[test]
fn lines_are_whole_and_there_once() {
    let bare = storm("line", Preload::Bare);
    assert!(
        bare.torn + bare.threads_twice > 0,
        "nothing goes wrong, so this shows nothing: {bare:?}"
    );
    let protected = storm("line", Preload::Protected);
    let wrong =
        protected.torn + protected.threads_twice + protected.children_twice + protected.lost;
    assert_eq!(wrong, 0, "{protected:?}");
}

/// One with a buffer hands on what it holds, as it does without any other thread; but only whole records.
#[test]
fn buffered_records_are_whole() {
    let bare = storm("full", Preload::Bare);
    assert!(bare.torn > 0, "nothing is torn, so this shows nothing: {bare:?}");
    let protected = storm("full", Preload::Protected);
    assert_eq!(protected.torn + protected.children_twice + protected.lost, 0, "{protected:?}");
    assert!(protected.threads_twice > 0, "a child inherits what is in the buffer: {protected:?}");
}
