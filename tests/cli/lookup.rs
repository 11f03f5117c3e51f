//! How the command's name becomes a file: as `execvp` does it.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;

use predicates::str::contains;

use crate::fixture::{Files, forkfix, run, text};

#[test]
fn a_command_that_does_not_exist_is_127() {
    run("no-such-program").assert().code(127).stderr(contains("'no-such-program' was not found"));
    let stderr = contains("'./no/such' was not found; check the name");
    run("./no/such").assert().code(127).stderr(stderr);
    run("/etc/passwd/x").assert().code(127).stderr(contains("was not found"));
}

#[test]
fn an_empty_command_is_127() {
    run("").assert().code(127).stderr(contains("the command is an empty string"));
}

#[test]
fn a_directory_is_126() {
    run("/usr").assert().code(126).stderr(contains("'/usr' is a directory, not a program"));
}

#[test]
fn a_file_that_is_not_executable_is_126() {
    let files = Files::new();
    let data = files.file("data", 0o644, "#!/bin/sh\n");
    run(&data).assert().code(126).stderr(contains("may not be executed by this user"));
    run("/dev/null").assert().code(126).stderr(contains("may not be executed by this user"));
}

#[test]
fn a_file_that_is_no_program_is_126() {
    let files = Files::new();
    let garbage = files.file("garbage", 0o755, b"\x7fELF\x02\x01\x01\0and no more");
    run(garbage).assert().code(126).stderr(contains("is neither an ELF program nor a script"));
    let data = files.file("data", 0o755, [0, 1, 2, 3]);
    run(data).assert().code(126).stderr(contains("is neither an ELF program nor a script"));
    let object = files.compile("object.o", "int x;", &["-c"]);
    std::fs::set_permissions(&object, Permissions::from_mode(0o755)).expect("it is ours");
    run(object).assert().code(126).stderr(contains("is neither an ELF program nor a script"));
}

#[test]
fn unprotected_is_no_excuse_for_what_cannot_run() {
    let files = Files::new();
    let data = files.file("data", 0o644, "");
    for (command, code) in [("no-such-program", 127), ("", 127), ("/usr", 126)] {
        forkfix().args(["run", "--allow-unprotected", "--", command]).assert().code(code);
    }
    forkfix().args(["run", "--allow-unprotected", "--"]).arg(data).assert().code(126);
}

#[test]
fn only_path_is_searched() {
    let files = Files::new();
    files.show("show");
    let mut here = run("show");
    here.current_dir(files.path()).assert().code(127);
    let path = format!("/nonexistent:/etc/passwd:{}", files.path().display());
    assert_eq!(text(run("show").env("PATH", path)), "show protected\n");
}

#[test]
fn an_empty_entry_of_path_is_the_working_directory() {
    let files = Files::new();
    files.show("show");
    for path in ["", "/nonexistent::/etc"] {
        let mut command = run("show");
        assert_eq!(text(command.env("PATH", path).current_dir(files.path())), "show protected\n");
    }
}

#[test]
fn without_path_the_system_s_own_is_searched() {
    assert_eq!(text(run("echo").arg("found").env_remove("PATH")), "found\n");
}

#[test]
fn what_may_not_be_executed_is_passed_over() {
    let files = Files::new();
    files.file("first/show", 0o644, "");
    files.file("second/show/inside", 0o644, "");
    files.file("third/placeholder", 0o644, "");
    files.show("third/show");
    let directory = files.path().display();
    let path = format!("{directory}/first:{directory}/second:{directory}/third");
    assert_eq!(text(run("show").env("PATH", path)), "show protected\n");
    let path = format!("{directory}/first:{directory}/second");
    run("show").env("PATH", path).assert().code(126).stderr(contains("may not be executed"));
}

#[test]
fn a_directory_that_may_not_be_searched_is_126() {
    let files = Files::new();
    let program = files.show("show");
    files.file("locked/show", 0o755, std::fs::read(program).expect("it is ours"));
    std::fs::set_permissions(files.path().join("locked"), Permissions::from_mode(0o600))
        .expect("it is ours");
    let mut command = files.unprivileged();
    command.args(["run", "--"]).arg(files.path().join("locked/show"));
    command.assert().code(126).stderr(contains("may not be executed by this user"));
}
