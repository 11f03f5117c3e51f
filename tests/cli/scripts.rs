//! Scripts are what their interpreters are.

use std::path::Path;
use std::process::Command;

use predicates::prelude::*;
use predicates::str::contains;

use crate::fixture::{Files, SHOW, run, text};

#[test]
fn a_script_of_a_protected_interpreter_runs_protected() {
    let files = Files::new();
    let show = files.show("show");
    let script = files.script("script", &format!("#!{}\n", show.display()));
    assert_eq!(text(&mut run(script)), format!("{} protected\n", show.display()));
    let script = files.script("script", "#!/bin/sh -e\necho $0 $1\nfalse\necho not reached\n");
    let expected = format!("{} x\n", script.display());
    run(&script).arg("x").assert().code(1).stdout(expected).stderr("");
}

#[test]
fn a_script_of_a_static_interpreter_is_refused() {
    let files = Files::new();
    let interpreter = files.compile("interpreter", SHOW, &["-static"]);
    let interpreter = interpreter.display();
    let script = files.script("script", &format!("#! {interpreter} -x\n"));
    let message =
        contains(format!("'{}' is a script: '{interpreter}' is statically", script.display()));
    run(&script).assert().code(125).stderr(message).stdout("");

    let outer = files.script("outer", &format!("#!{}\n", script.display()));
    let message = contains("outer' is a script: ").and(contains("is statically linked"));
    run(&outer).assert().code(125).stderr(message).stdout("");

    let env = files.script("env", "#!/usr/bin/env interpreter\n");
    let mut command = run(&env);
    command.env("PATH", format!("{}:/usr/bin", files.path().display()));
    let message = contains("env' is a script: ").and(contains("is statically linked"));
    command.assert().code(125).stderr(message).stdout("");
}

#[test]
fn a_script_whose_interpreter_is_missing_cannot_run() {
    let files = Files::new();
    let script = files.script("script", "#!/nonexistent/python\n");
    let message = contains("script' is run by '/nonexistent/python', which does not exist");
    run(&script).assert().code(126).stderr(message);
    let script = files.script("script", "#!/usr/bin/env no-such-program\n");
    let message = contains("script' is a script: 'no-such-program' was not found");
    run(&script).assert().code(127).stderr(message);
    let script = files.script("script", "#!/usr\n");
    run(&script).assert().code(126).stderr(contains("'/usr' is a directory"));
    let script = files.script("script", "#!\n");
    run(&script).assert().code(126).stderr(contains("neither an ELF program nor a script"));
}

#[test]
fn a_script_without_a_first_line_is_run_by_the_shell() {
    let files = Files::new();
    for (name, content, expected) in [("script", "echo $1 $0\n", true), ("empty", "", false)] {
        let script = files.script(name, content);
        let expected = if expected { format!("x {}\n", script.display()) } else { String::new() };
        run(&script).arg("x").assert().success().stdout(expected).stderr("");
    }
}

#[test]
fn scripts_are_followed_as_deep_as_the_kernel_does() {
    let files = Files::new();
    let mut interpreter = files.show("show");
    let mut depth = 0;
    loop {
        depth += 1;
        let content = format!("#!{}\n", interpreter.display());
        interpreter = files.script(&format!("script{depth}"), &content);
        let runs_bare = runs(&interpreter);
        let result = run(&interpreter).output().expect("the command starts");
        assert_eq!(runs_bare, result.status.success(), "{depth} deep");
        if !runs_bare {
            let message = contains("deeper than the kernel follows");
            run(&interpreter).assert().code(126).stderr(message);
            break;
        }
        assert!(depth < 20, "the kernel has a limit");
    }
    assert!(depth > 1);
}

fn runs(program: &Path) -> bool {
    Command::new(program).output().is_ok_and(|output| output.status.success())
}
