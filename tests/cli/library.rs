//! Where the library is looked for, and which one is refused.

use std::env::consts::ARCH;
use std::fs::Permissions;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;

use predicates::prelude::*;
use predicates::str::contains;

use crate::common;
use crate::fixture::{Files, MACHINE_OFFSET, OTHER_MACHINE, run_true_with, text, without_ours};

#[test]
fn it_is_found_in_each_place_of_an_installation() {
    for place in ["bin/libforkfix.so", "lib/forkfix/libforkfix.so", "lib/libforkfix.so"] {
        let files = Files::new();
        let mut command = without_ours(files.install(place));
        let printed = text(command.args(["run", "--", "sh", "-c", "echo $LD_PRELOAD"]));
        let expected = files.path().join("prefix").join(place);
        let expected = expected.canonicalize().expect("it was installed");
        assert_eq!(Path::new(printed.trim()), expected);
    }
}

#[test]
fn it_is_not_looked_for_in_the_working_directory_or_the_loader_s_path() {
    let files = Files::new();
    let mut command = without_ours(files.install("elsewhere/libforkfix.so"));
    let elsewhere = files.path().join("prefix/elsewhere");
    command.current_dir(&elsewhere).env("LD_LIBRARY_PATH", &elsewhere).args(["run", "--", "true"]);
    let message = contains("the library was not found in any of").and(contains("make install"));
    command.assert().code(125).stderr(message);
}

#[test]
fn the_option_wins_over_the_variable_and_both_over_the_installation() {
    let files = Files::new();
    let exe = files.install("lib/libforkfix.so");
    let print = ["--", "sh", "-c", "echo $LD_PRELOAD"];
    let copy = files.path().join("copy.so");
    std::fs::copy(common::library(), &copy).expect("there is room");
    let mut command = without_ours(&exe);
    let printed = text(command.env("FORKFIX_LIBRARY", &copy).arg("run").args(print));
    assert_eq!(Path::new(printed.trim()), copy);
    let mut command = without_ours(&exe);
    command.env("FORKFIX_LIBRARY", "/nonexistent.so").current_dir(files.path());
    let printed = text(command.args(["run", "--library", "copy.so"]).args(print));
    assert_eq!(Path::new(printed.trim()), copy.canonicalize().expect("it is there"));
    let mut command = without_ours(&exe);
    command.env("FORKFIX_LIBRARY", "").arg("run").args(print).assert().success();
}

#[test]
fn a_missing_one_is_refused() {
    let message = contains("the library '/nonexistent.so' does not exist");
    run_true_with(Path::new("/nonexistent.so")).assert().code(125).stderr(message.clone());
    let mut command = crate::fixture::run("true");
    command.env("FORKFIX_LIBRARY", "/nonexistent.so").assert().code(125).stderr(message);
}

#[test]
fn a_missing_one_is_overlooked_only_if_that_is_allowed() {
    let files = Files::new();
    let show = files.show("show");
    let mut command = without_ours(env!("CARGO_BIN_EXE_forkfix"));
    command.args(["run", "--allow-unprotected", "--library", "/nonexistent.so", "--"]).arg(show);
    let warning = contains("warning: running unprotected: the library '/nonexistent.so'");
    command.assert().success().stderr(warning).stdout(contains(" bare\n"));
}

#[test]
fn a_path_that_the_preload_cannot_carry_is_refused() {
    let files = Files::new();
    for (name, separator) in [("a b", "space"), ("a:b", "colon")] {
        let directory = files.path().join(name);
        std::fs::create_dir(&directory).expect("it is ours");
        let library = directory.join("libforkfix.so");
        std::fs::copy(common::library(), &library).expect("there is room");
        let message = contains(format!("has a {separator} in it")).and(contains("symbolic link"));
        run_true_with(&library).assert().code(125).stderr(message);
        // What the message suggests works.
        let link = files.path().join(separator);
        symlink(&library, &link).expect("it is ours");
        run_true_with(&link).assert().success();
    }
}

#[test]
fn one_that_cannot_be_read_is_refused() {
    let files = Files::new();
    let mut command = files.unprivileged();
    let library = files.path().join("prefix/lib/libforkfix.so");
    std::fs::set_permissions(library, Permissions::from_mode(0o000)).expect("it is ours");
    let message = contains("libforkfix.so' cannot be read (Permission denied");
    command.args(["run", "--", "true"]).assert().code(125).stderr(message);
    run_true_with(files.path())
        .assert()
        .code(125)
        .stderr(contains("cannot be read (Is a directory"));
}

#[test]
fn one_that_is_no_library_is_refused() {
    let files = Files::new();
    let message = contains("is not an ELF shared library");
    let text = files.file("text.so", 0o644, "not a library");
    run_true_with(&text).assert().code(125).stderr(message.clone());
    let program = files.compile("program", "int main(void) { return 0; }", &["-no-pie"]);
    run_true_with(&program).assert().code(125).stderr(message);
}

#[test]
fn one_for_another_machine_is_refused() {
    let files = Files::new();
    let (number, name) = OTHER_MACHINE;
    let other = files.patched(common::library(), MACHINE_OFFSET, &number);
    let message = contains(format!("is built for 64-bit {name}, but this is {ARCH}"));
    run_true_with(&other).assert().code(125).stderr(message);
    let small = files.patched(common::library(), 4, &[1]);
    let message = contains(format!("is built for 32-bit {ARCH}"));
    run_true_with(&small).assert().code(125).stderr(message);
}
