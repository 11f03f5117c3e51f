//! The command on a Mac: that what it calls protected is, and what it refuses. Elsewhere there is nothing
//! to run: what Linux can test of this is in the unit tests of `src/target/macho`.

#![cfg(target_os = "macos")]

mod common;

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process;
use std::time::Duration;

use assert_cmd::Command;
use predicates::prelude::*;
use predicates::str::{contains, is_match};
use tempfile::TempDir;

/// A program that says whether the library is mapped, and what is in one variable.
const SHOW: &str = r#"
#include <mach-o/dyld.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
int main(void) {
    int protected = 0;
    for (unsigned i = 0; i < _dyld_image_count(); i++)
        if (strstr(_dyld_get_image_name(i), "/libforkfix.dylib")) protected = 1;
    const char *safety = getenv("OBJC_DISABLE_INITIALIZE_FORK_SAFETY");
    printf("%s %s\n", protected ? "protected" : "bare", safety ? safety : "unset");
    return 7;
}
"#;

const ENTITLEMENTS: &str = r#"<?xml version="1.0" encoding="UTF-8"?>
<plist version="1.0"><dict>
<key>com.apple.security.cs.allow-dyld-environment-variables</key><true/>
</dict></plist>
"#;

fn forkfix() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_forkfix"));
    for name in ["FORKFIX", "FORKFIX_OPTIONS", "DYLD_INSERT_LIBRARIES"] {
        command.env_remove(name);
    }
    command.env("FORKFIX_LIBRARY", common::library()).timeout(Duration::from_secs(60));
    command
}

fn run(program: impl AsRef<Path>) -> Command {
    let mut command = forkfix();
    command.args(["run", "--"]).arg(program.as_ref());
    command
}

/// Runs a tool of the system; it must succeed.
fn tool(name: &str, arguments: &[&str]) {
    let result = process::Command::new(name).args(arguments).output();
    let result = result.unwrap_or_else(|error| panic!("{name}: {error}"));
    assert!(result.status.success(), "{name}: {}", String::from_utf8_lossy(&result.stderr));
}

fn file(directory: &TempDir, name: &str, content: &str) -> PathBuf {
    let path = directory.path().join(name);
    fs::write(&path, content).expect("it is ours");
    fs::set_permissions(&path, Permissions::from_mode(0o755)).expect("it is ours");
    path
}

/// [`SHOW`], compiled with `flags`.
fn show(directory: &TempDir, flags: &[&str]) -> PathBuf {
    let source = file(directory, "show.c", SHOW);
    let program = directory.path().join("show");
    let [source, output] = [&source, &program].map(|path| path.to_str().expect("it is text"));
    tool("cc", &[&[source, "-o", output], flags].concat());
    program
}

fn sign(program: &Path, flags: &[&str]) {
    let program = program.to_str().expect("it is text");
    tool("codesign", &[&["-s", "-", "--force"], flags, &[program]].concat());
}

fn directory() -> TempDir {
    tempfile::tempdir().expect("there is room for files")
}

/// Expects that `program` is refused with `reason`, and runs without the library where that is allowed.
fn refused(program: &Path, reason: &str) {
    let message = contains(reason).and(contains("--allow-unprotected"));
    run(program).assert().code(125).stderr(message).stdout("");
    let mut command = forkfix();
    command.args(["run", "--allow-unprotected", "--"]).arg(program);
    command.assert().code(7).stderr(contains("running unprotected")).stdout("bare unset\n");
}

#[test]
fn the_library_is_inserted() {
    let directory = directory();
    let program = show(&directory, &[]);
    run(program).assert().code(7).stdout("protected unset\n").stderr("");
}

#[test]
fn programs_of_the_system_are_refused() {
    let reason = contains("is protected by System Integrity Protection");
    for program in ["/bin/ls", "/usr/bin/env"] {
        run(program).assert().code(125).stderr(reason.clone()).stdout("");
    }
    let mut command = forkfix();
    command.args(["run", "--allow-unprotected", "--", "/usr/bin/true"]);
    command.assert().success().stderr(contains("running unprotected"));
}

#[test]
fn scripts_are_what_their_interpreters_are() {
    let directory = directory();
    for first in ["#!/bin/sh", "#!/usr/bin/env python3", "echo"] {
        let script = file(&directory, "script", &format!("{first}\n"));
        let message = contains("script' is a script: ").and(contains("name another interpreter"));
        run(script).assert().code(125).stderr(message).stdout("");
    }
    let interpreter = show(&directory, &[]);
    let script = file(&directory, "script", &format!("#!{}\n", interpreter.display()));
    run(script).assert().code(7).stdout("protected unset\n");
}

#[test]
fn signatures_are_obeyed() {
    let directory = directory();
    let program = show(&directory, &[]);
    sign(&program, &["--options", "runtime"]);
    refused(&program, "is signed with the hardened runtime");
    let entitlements = file(&directory, "entitlements.plist", ENTITLEMENTS);
    let entitlements = entitlements.to_str().expect("it is text");
    sign(&program, &["--options", "runtime", "--entitlements", entitlements]);
    refused(&program, "library validation");
    sign(&program, &["--options", "library"]);
    refused(&program, "library validation");
    // What the messages suggest works.
    sign(&program, &[]);
    run(&program).assert().code(7).stdout("protected unset\n");
}

#[test]
fn the_restrict_section_is_obeyed() {
    let directory = directory();
    let flag = "-Wl,-sectcreate,__RESTRICT,__restrict,/dev/null";
    refused(&show(&directory, &[flag]), "has the section __RESTRICT,__restrict");
}

#[test]
fn doctor_says_the_same() {
    let directory = directory();
    let program = show(&directory, &[]);
    let assert = forkfix().arg("doctor").arg(program).assert().success();
    let lines = String::from_utf8_lossy(&assert.get_output().stdout).into_owned();
    for line in [
        r"(?m)^ok    library      '.*libforkfix\.dylib' answers: version \d",
        r"(?m)^ok    kernel       ",
        r"(?m)^ok    libc         libSystem of macOS \d",
        r"(?m)^ok    target       '.*/show' is a program for macOS, of which .* runs",
        r"(?m)^'.*/show' would run protected\.$",
    ] {
        assert!(is_match(line).expect("it is a pattern").eval(&lines), "{line}\n{lines}");
    }
    forkfix().args(["doctor", "/bin/ls"]).assert().code(125).stdout(contains("fail  target"));
}

#[test]
fn presets_set_what_matters_here() {
    let directory = directory();
    let program = show(&directory, &[]);
    let mut command = forkfix();
    command.args(["run", "--preset", "ruby", "--"]).arg(&program);
    command.assert().code(7).stdout("protected YES\n");
    command.env("OBJC_DISABLE_INITIALIZE_FORK_SAFETY", "NO");
    command.assert().code(7).stdout("protected NO\n");
}

#[test]
fn prove_measures_both_sides() {
    let mut command = forkfix();
    command.args(["prove", "--forks", "50", "--cut-off", "1", "--family", "time-zone", "--json"]);
    command.timeout(Duration::from_secs(600)).assert().success();
}
