//! Each interposed function reaches ours from the program, and the original from ours.

use std::collections::BTreeMap;
use std::fs;

use crate::machine::Arch;

on_both! {
    every_call_passes_the_library
    every_import_has_a_stand_in
    the_kill_switch_passes_calls_on
}

/// What ours calls instead of the function of the same name: the form that takes a list of
/// arguments, or the one that takes an environment.
const OTHER_ORIGINALS: [(&str, &str); 17] = [
    ("_printf", "_vprintf"),
    ("_printf_l", "_vprintf_l"),
    ("_fprintf", "_vfprintf"),
    ("_fprintf_l", "_vfprintf_l"),
    ("_wprintf", "_vwprintf"),
    ("_fwprintf", "_vfwprintf"),
    ("_scanf", "_vscanf"),
    ("_fscanf", "_vfscanf"),
    ("_wscanf", "_vwscanf"),
    ("_fwscanf", "_vfwscanf"),
    ("_syslog", "_vsyslog"),
    ("_syslog$DARWIN_EXTSN", "_vsyslog"),
    ("_execv", "_execve"),
    ("_execl", "_execve"),
    ("_execle", "_execve"),
    ("_execlp", "_execvp"),
    ("_vfork", "_fork"),
];

/// By who called, and what.
type Counts = BTreeMap<(String, String), u64>;

/// Runs the program that calls everything once; its calls, and what it wrote.
fn calls(arch: Arch, label: &str, off: bool) -> (Counts, String) {
    let scratch = tempfile::NamedTempFile::with_prefix(label).expect("a temporary file");
    let path = scratch.path().to_str().expect("a path in UTF-8");
    let case = arch.run("every").option(["--calls", path]);
    let case = if off { case.protected("").env("FORKFIX", "off") } else { case.protected("") };
    let output = case.go().succeeded().stdout;
    let text = fs::read_to_string(scratch.path()).expect("the loader wrote it");
    let count = |line: &str| {
        let words: Vec<_> = line.split(' ').collect();
        let [who, what, count] = words[..] else { panic!("not a count: {line}") };
        ((who.to_owned(), what.to_owned()), count.parse().expect("a number"))
    };
    (text.lines().map(count).collect(), output)
}

/// The symbols that the library interposes.
pub(crate) fn interposed(arch: Arch) -> Vec<String> {
    let run = arch.inspect("--tuples").go().succeeded();
    let first = |line: &str| line.split(' ').next().expect("a name").to_owned();
    run.stdout.lines().map(first).collect()
}

#[track_caller]
fn pass_the_library(arch: Arch, counts: &Counts) {
    let count = |who: &str, what: &str| {
        counts.get(&(who.to_owned(), what.to_owned())).copied().unwrap_or(0)
    };
    let symbols = interposed(arch);
    assert!(symbols.len() > 150, "only {}", symbols.len());
    for symbol in &symbols {
        let from_app = count("app", symbol);
        assert!(from_app > 0, "every.c does not call {symbol}");
        let other = OTHER_ORIGINALS.iter().find(|(name, _)| name == symbol);
        let original = other.map_or(symbol.as_str(), |(_, original)| original);
        assert!(count("dylib", original) >= from_app, "{symbol} does not reach {original}");
        assert!(other.is_none() || count("dylib", symbol) == 0, "{symbol} is called after all");
    }
}

fn every_call_passes_the_library(arch: Arch) {
    let (counts, _) = calls(arch, "every", false);
    pass_the_library(arch, &counts);
}

/// With `FORKFIX=off` the same functions are called, and the program writes the same.
fn the_kill_switch_passes_calls_on(arch: Arch) {
    let (counts, output) = calls(arch, "off", true);
    pass_the_library(arch, &counts);
    assert_eq!(output, arch.run("every").go().succeeded().stdout);
}

/// Nothing that the library imports is unknown to the loader: no call of it can end in a trap.
fn every_import_has_a_stand_in(arch: Arch) {
    assert_eq!(arch.inspect("--unknown").go().succeeded().stdout, "");
}
