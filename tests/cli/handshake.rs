//! The library is asked, not trusted: its options, its version, and whether it works at all.

use std::path::PathBuf;

use predicates::prelude::*;
use predicates::str::contains;

use crate::fixture::{Files, forkfix, run, run_true_with, without_ours};

/// A library whose constructor runs `body` if it is asked; `fd` is where to answer.
fn library(files: &Files, body: &str) -> PathBuf {
    let source = format!(
        "#define _GNU_SOURCE
        #include <stdio.h>
        #include <stdlib.h>
        #include <unistd.h>
        __attribute__((constructor)) static void start(void) {{
            if (!getenv(\"FORKFIX_HANDSHAKE\")) return;
            int fd = atoi(getenv(\"FORKFIX_HANDSHAKE\"));
            (void)fd;
            {body}
        }}"
    );
    files.compile("library.so", &source, &["-shared", "-fPIC"])
}

#[test]
fn unknown_options_and_bad_values_are_refused() {
    for (option, message) in [
        ("colour=1", "unknown option \"colour\""),
        ("bounded_ms=soon", "bounded_ms=\"soon\""),
        ("blocking_ms=-1", "blocking_ms=\"-1\""),
    ] {
        let mut command = forkfix();
        command.args(["run", "--option", option, "--", "true"]);
        let named = || contains(message).and(contains("forkfix: FORKFIX_OPTIONS has "));
        command.assert().code(125).stderr(named()).stdout("");
        run("true").env("FORKFIX_OPTIONS", option).assert().code(125).stderr(named());
    }
    run("true").env("FORKFIX_OPTIONS", "log=info:stats=1").assert().success();
}

#[test]
fn help_lists_the_options() {
    let listed = || contains("bounded_ms").and(contains("stats"));
    for arguments in
        [&["run", "--option", "help=1"][..], &["run", "--option", "help=1", "--", "false"]]
    {
        forkfix().args(arguments).assert().success().stdout(listed()).stderr("");
    }
    run("false").env("FORKFIX_OPTIONS", "help=1").assert().success().stdout(listed());
    let mut command = without_ours(env!("CARGO_BIN_EXE_forkfix"));
    command.args(["run", "--library", "/nonexistent.so", "--option", "help=1"]);
    command.assert().code(125).stderr(contains("does not exist"));
}

#[test]
fn a_library_that_does_not_answer_is_refused() {
    let files = Files::new();
    // The process goes on as `forkfix --version`, and what that prints is no answer.
    let message = contains("did not answer when it was preloaded");
    run_true_with(&library(&files, "")).assert().code(125).stderr(message);
    let quiet = library(&files, "_exit(0);");
    let message = contains("the process ended with exit status: 0 and said nothing");
    run_true_with(&quiet).assert().code(125).stderr(message);
    let garbage = library(&files, "dprintf(fd, \"hello, here I am\\n\");");
    run_true_with(&garbage).assert().code(125).stderr(contains("did not answer"));
}

#[test]
fn a_library_that_crashes_is_refused_with_its_end() {
    let files = Files::new();
    let crash = library(&files, "abort();");
    run_true_with(&crash).assert().code(125).stderr(contains("ended with signal: 6"));
}

#[test]
fn a_library_that_cannot_be_loaded_is_refused_with_the_loader_s_reason() {
    let files = Files::new();
    let needed = files.compile("needed.so", "int needed = 1;", &["-shared", "-fPIC"]);
    let source = "extern int needed; int *use(void) { return &needed; }";
    let needed_path = needed.to_str().expect("temporary paths are text");
    let library = files.compile("library.so", source, &["-shared", "-fPIC", needed_path]);
    std::fs::remove_file(&needed).expect("it is ours");
    let message = contains("needed.so: cannot open shared object file");
    run_true_with(&library).assert().code(125).stderr(message);
}

#[test]
fn a_library_of_another_version_is_refused() {
    let files = Files::new();
    let other = library(&files, "dprintf(fd, \"forkfix 9.8.7 ok log=off\\n\"); _exit(0);");
    let message = contains("has version 9.8.7, but this command has ")
        .and(contains(env!("CARGO_PKG_VERSION")));
    run_true_with(&other).assert().code(125).stderr(message);
}

#[test]
fn a_library_that_hangs_is_given_up_on() {
    let files = Files::new();
    let stuck = library(&files, "for (;;) pause();");
    run_true_with(&stuck).assert().code(125).stderr(contains("did not answer within 5 s"));
    let babbling = library(&files, "for (;;) dprintf(fd, \"%1000d\\n\", 1);");
    run_true_with(&babbling).assert().code(125).stderr(contains("did not answer"));
}
