//! `forkfix prove`: that it sees hangs and crashes where they are, that the library removes them,
//! and that neither column can be falsified by how it is started. On Linux; `macos.rs` has one for Macs.

#![cfg(target_os = "linux")]

mod common;

use std::path::{Path, PathBuf};
use std::process::Command as Compiler;
use std::time::Duration;

use assert_cmd::Command;
use assert_cmd::assert::Assert;
use predicates::prelude::*;
use predicates::str::{contains, is_match};
use serde_json::Value;
use tempfile::TempDir;

/// Answers the command's handshake as the library does, and then protects nothing.
const IMPOSTOR: &str = r#"
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
__attribute__((constructor)) static void load(void) {
    const char *fd = getenv("FORKFIX_HANDSHAKE");
    if (!fd) return;
    dprintf(atoi(fd), "forkfix %s ok\n", VERSION);
    _exit(0);
}
"#;

/// `forkfix prove` in an environment without any of our variables.
fn prove() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_forkfix"));
    for name in ["FORKFIX", "FORKFIX_OPTIONS", "FORKFIX_LIBRARY", "LD_PRELOAD"] {
        command.env_remove(name);
    }
    command.timeout(Duration::from_secs(300)).arg("prove");
    command
}

/// The same, with the real library.
fn prove_library() -> Command {
    let mut command = prove();
    command.arg("--library").arg(common::library());
    command
}

/// A library that passes for ours, with more C of its own; as long as the directory lives.
fn impostor(more: &str) -> (TempDir, PathBuf) {
    common::need("cc", "gcc");
    let directory = tempfile::tempdir().expect("there is room for files");
    let source = directory.path().join("impostor.c");
    std::fs::write(&source, format!("{IMPOSTOR}\n{more}")).expect("it is ours");
    let library = directory.path().join("impostor.so");
    let status = Compiler::new("cc")
        .arg(concat!("-DVERSION=\"", env!("CARGO_PKG_VERSION"), "\""))
        .args(["-shared", "-fPIC", "-pthread", "-o"])
        .args([&library, &source])
        .status();
    assert!(status.expect("the compiler starts").success());
    (directory, library)
}

fn prove_impostor(library: &Path) -> Command {
    let mut command = prove();
    command.arg("--library").arg(library);
    command
}

fn document(assert: &Assert) -> Value {
    let document: Value = serde_json::from_slice(&assert.get_output().stdout).expect("it is JSON");
    assert_eq!(document["schema"], "forkfix.prove/1");
    document
}

fn rows(document: &Value) -> &[Value] {
    document["rows"].as_array().expect("rows are an array")
}

#[track_caller]
fn number(value: &Value) -> u64 {
    value.as_u64().unwrap_or_else(|| panic!("{value} is not a number"))
}

/// No row was harmed with the library, and every family was without it.
#[track_caller]
fn assert_proved(document: &Value, forks: u64) {
    let mut unharmed_bare: Vec<&str> = Vec::new();
    let mut harmed_bare: Vec<&str> = Vec::new();
    for row in rows(document) {
        let protected = &row["protected"];
        assert_eq!(protected["ended"], "completed", "{row:#}");
        assert_eq!(number(&protected["forks"]), forks, "{row:#}");
        assert_eq!(number(&protected["hangs"]) + number(&protected["crashes"]), 0, "{row:#}");

        let family = row["family"].as_str().expect("a family is a string");
        let bare = &row["bare"];
        let harmed = number(&bare["hangs"]) + number(&bare["crashes"]) > 0;
        if harmed { &mut harmed_bare } else { &mut unharmed_bare }.push(family);
    }
    // By family, as some rows hang in a few forks of a hundred only.
    unharmed_bare.retain(|family| !harmed_bare.contains(family));
    assert!(unharmed_bare.is_empty(), "no hazard was seen in {unharmed_bare:?}: {document:#}");
}

#[test]
fn the_library_protects_every_family() {
    let mut command = prove_library();
    let assert = command.args(["--forks", "200", "--cut-off", "1", "--json"]).assert().code(0);
    let document = document(&assert);
    assert_proved(&document, 200);
    let summary = &document["summary"];
    assert_eq!(number(&summary["protected_forks"]), 200 * rows(&document).len() as u64);
    assert_eq!(number(&summary["protected_hangs"]), 0);
    assert!(number(&summary["bare_rows_that_hang"]) > 0);
}

/// In a translated locale, strerror and its kin take locks that they do not take in C.
#[test]
fn a_translated_locale_is_one_of_the_rows() {
    common::need("localedef", "libc-bin");
    common::need("/usr/share/i18n/locales/de_DE", "locales");
    common::need("/usr/share/locale/de/LC_MESSAGES/libc.mo", "libc-l10n");
    let locales = tempfile::tempdir().expect("there is room for files");
    let mut localedef = Compiler::new("localedef");
    localedef.args(["-i", "de_DE", "-f", "UTF-8"]).arg(locales.path().join("de_DE.UTF-8"));
    // Its exit status is 1 for mere warnings.
    localedef.output().expect("localedef starts");

    let rows_of_locale = |locales: &Path, more: &[&str]| {
        let mut command = prove_library();
        command.args(["--forks", "200", "--cut-off", "1", "--family", "locale", "--json"]);
        document(&command.args(more).env("LOCPATH", locales).assert().code(0))
    };
    let with = rows_of_locale(locales.path(), &[]);
    assert_proved(&with, 200);
    assert_eq!(with["left_out"].as_array().map(Vec::len), Some(0), "{with:#}");

    let nothing = tempfile::tempdir().expect("there is room for files");
    let without = rows_of_locale(nothing.path(), &["--only", "protected"]);
    let translated = |row: &&Value| row["id"].as_str().is_some_and(|id| id.contains("translated"));
    let of_both = rows(&with).iter().filter(translated).count();
    assert_eq!(without["left_out"].as_array().map(Vec::len), Some(of_both), "{without:#}");
    assert_eq!(rows(&without).len() + of_both, rows(&with).len());
}

/// The library, even switched off, in the caller's own environment changes neither column.
#[test]
fn a_preload_of_the_caller_does_not_falsify_the_columns() {
    for switch in ["on", "off"] {
        let mut command = prove_library();
        command.args(["--forks", "100", "--family", "time-zone", "--json"]);
        command.env("LD_PRELOAD", common::library()).env("FORKFIX", switch);
        assert_proved(&document(&command.assert().code(0)), 100);
    }
}

#[test]
fn what_does_not_protect_fails() {
    let (_directory, library) = impostor("");
    let mut command = prove_impostor(&library);
    let assert = command.args(["--forks", "30", "--family", "time-zone"]).assert().code(1);
    let summary = concat!(
        r"(?m)^prove: 1 families, 6 rows: protected [1-9]\d* hangs, 0 crashes in 180 forks; ",
        r"bare rows that hang: [1-6] of 6; took \d+ s\n\z"
    );
    assert.stdout(is_match(summary).expect("a regular expression"));
}

#[test]
fn children_that_die_are_crashes() {
    let (_directory, library) = impostor(
        "static pid_t start;
         __attribute__((constructor)) static void remember(void) { start = getpid(); }
         long random(void) { if (getpid() != start) abort(); return 4; }",
    );
    let mut command = prove_impostor(&library);
    command.args(["--forks", "10", "--family", "random", "--only", "protected", "--json"]);
    let document = document(&command.assert().code(1));
    let row = rows(&document).iter().find(|row| row["id"] == "random").expect("it is a row");
    assert_eq!(number(&row["protected"]["crashes"]), 10, "{row:#}");
    assert_eq!(row["bare"], Value::Null);
}

#[test]
fn a_wrong_answer_is_a_crash() {
    let (_directory, library) = impostor(
        "static pid_t start;
         __attribute__((constructor)) static void remember(void) { start = getpid(); }
         long random(void) { return getpid() == start ? 4 : -1; }",
    );
    let mut command = prove_impostor(&library);
    command.args(["--forks", "10", "--family", "random", "--only", "protected", "--json"]);
    let document = document(&command.assert().code(1));
    let row = rows(&document).iter().find(|row| row["id"] == "random").expect("it is a row");
    assert_eq!(number(&row["protected"]["crashes"]), 10, "{row:#}");
}

#[test]
fn a_parent_that_dies_is_a_crash() {
    let (_directory, library) = impostor(
        "#include <signal.h>
         pid_t fork(void) { raise(SIGKILL); return -1; }",
    );
    let mut command = prove_impostor(&library);
    command.args(["--forks", "10", "--family", "random", "--only", "protected", "--json"]);
    let document = document(&command.assert().code(1));
    for row in rows(&document) {
        assert_eq!(row["protected"]["ended"]["died"], "died by signal 9", "{row:#}");
        assert_eq!(number(&row["protected"]["crashes"]), 1, "{row:#}");
    }
}

#[test]
fn a_parent_that_hangs_is_a_hang() {
    // The threads need not keep the processors busy while nothing happens.
    let (_directory, library) = impostor(
        "int posix_spawn() { for (;;) pause(); }
         int setenv(const char *n, const char *v, int o) { return usleep(1000); }
         int unsetenv(const char *n) { return usleep(1000); }",
    );
    let mut command = prove_impostor(&library);
    command.args(["--forks", "10", "--family", "spawn", "--only", "protected", "--json"]);
    let document = document(&command.args(["--threads", "1"]).assert().code(1));
    for row in rows(&document) {
        assert_eq!(row["protected"]["ended"], "stalled", "{row:#}");
        assert_eq!(number(&row["protected"]["hangs"]), 1, "{row:#}");
    }
}

/// The impostor answers the handshake, but the loader of the worker must find it too.
#[test]
fn what_is_not_loaded_proves_nothing() {
    let file = tempfile::NamedTempFile::new().expect("there is room for files");
    let mut command = prove_impostor(file.path());
    let assert = command.args(["--forks", "1", "--family", "random"]).assert().code(125);
    let name = file.path().to_str().expect("a plain name");
    assert.stdout("").stderr(contains(name));
}

#[test]
fn an_unknown_family_is_answered_with_the_known_ones() {
    let assert = prove().args(["--family", "tea"]).assert().code(2);
    assert.stderr(contains("'tea'").and(contains("time-zone").and(contains("resolver"))));
}

#[test]
fn the_list_names_calls_and_families() {
    let assert = prove_library().args(["--list", "--family", "locale"]).assert().code(0);
    assert.stdout(contains("strerror").and(contains("locale")).and(contains("localtime").not()));
}
