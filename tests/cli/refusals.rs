//! Programs that would run unprotected: each is refused with its reason, and runs all the same
//! where that is allowed.

use std::env::consts::ARCH;
use std::fs::Permissions;
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::Path;

use predicates::prelude::*;
use predicates::str::contains;

use crate::fixture::{
    Files, LOADER, MACHINE_OFFSET, NOBODY, OTHER_MACHINE, SHOW, forkfix, is_root, need_root, run,
    text,
};

/// Expects that `program` is refused with `reason`, with no part of it run.
fn refused(program: &Path, reason: &str) {
    let message = contains(reason).and(contains("--allow-unprotected"));
    run(program).assert().code(125).stderr(message).stdout("");
}

/// `forkfix run --allow-unprotected -- program`.
fn allowed(program: &Path) -> assert_cmd::Command {
    let mut command = forkfix();
    command.args(["run", "--allow-unprotected", "--"]).arg(program);
    command
}

#[test]
fn static_programs() {
    let files = Files::new();
    for flag in ["-static", "-static-pie"] {
        let program = files.compile("program", SHOW, &[flag]);
        refused(&program, "is statically linked, so no loader runs");
        let warning = contains("forkfix: warning: running unprotected: '");
        allowed(&program).assert().success().stderr(warning).stdout(contains(" bare\n"));
    }
}

#[test]
fn a_static_program_may_start_protected_ones() {
    let files = Files::new();
    let source =
        "#include <unistd.h>\nint main(int n, char **a) { (void)n; return execv(a[1], a + 1); }";
    let launcher = files.compile("launcher", source, &["-static"]);
    let show = files.show("show");
    assert!(text(allowed(&launcher).arg(show)).ends_with(" protected\n"));
}

#[test]
fn programs_for_another_machine() {
    let files = Files::new();
    let show = files.show("show");
    let (number, name) = OTHER_MACHINE;
    let other = files.patched(&show, MACHINE_OFFSET, &number);
    let reason = format!("is built for 64-bit {name}, but the library is built for {ARCH}");
    refused(&other, &reason);
    let small = files.patched(&show, 4, &[1]);
    refused(&small, &format!("is built for 32-bit {ARCH}, but the library"));
    // The kernel refuses a machine that not even an emulator is installed for, and that is not our
    // refusal.
    let unknown = files.patched(&show, MACHINE_OFFSET, &[0xfe, 0xfe]);
    refused(&unknown, "is built for ELF machine number 65278");
    allowed(&unknown).assert().code(126).stderr(contains("cannot be executed"));
}

#[test]
fn musl_programs() {
    let files = Files::new();
    let program = files.with_loader(&files.show("show"), "/lib/ld-musl-x86_64.so.1");
    refused(&program, "runs on musl (its loader is '/lib/ld-musl-x86_64.so.1')");
}

#[test]
fn a_library_for_glibc_stays_out_of_a_musl_program() {
    let files = Files::new();
    // The name is all that is told by; with glibc's loader behind it, the program runs.
    let short = tempfile::Builder::new().prefix("f").rand_bytes(3).tempdir_in("/tmp");
    let short = short.expect("there is room");
    let link = short.path().join("ld-musl-x");
    std::os::unix::fs::symlink(LOADER, &link).expect("it is ours");
    let link = link.to_str().expect("temporary paths are text");
    let program = files.with_loader(&files.show("show"), link);
    refused(&program, "runs on musl");
    allowed(&program).assert().success().stdout(contains(" bare\n"));
}

#[test]
fn programs_of_an_unknown_loader() {
    let files = Files::new();
    let program = files.with_loader(&files.show("show"), "/bin/true");
    refused(&program, "is loaded by '/bin/true', which is not glibc's loader");
    let program = files.with_loader(&files.show("show"), "/nonexistent/ld.so");
    let message = contains("is run by '/nonexistent/ld.so', which does not exist");
    run(program).assert().code(126).stderr(message);
}

#[test]
fn programs_that_may_not_be_read() {
    let files = Files::new();
    let mut command = files.unprivileged();
    let show = files.show("show");
    std::fs::set_permissions(&show, Permissions::from_mode(0o111)).expect("it is ours");
    let message = contains("may be executed but not read");
    command.args(["run", "--"]).arg(show).assert().code(125).stderr(message).stdout("");
}

#[test]
fn setuid_programs() {
    let files = Files::new();
    let show = files.show("show");
    let mode = Permissions::from_mode(0o4755);
    if is_root() {
        chown(&show, Some(NOBODY), None).expect("root may");
        std::fs::set_permissions(&show, mode).expect("root may");
        refused(&show, "is setuid to user 65534, so its loader runs in secure mode");
        let warning = contains("running unprotected");
        allowed(&show).assert().success().stderr(warning).stdout(contains(" bare\n"));
        // The kernel raises nothing here, so the loader listens.
        chown(&show, Some(0), None).expect("root may");
        std::fs::set_permissions(&show, Permissions::from_mode(0o4755)).expect("root may");
        assert!(text(&mut run(&show)).ends_with(" protected\n"));
    } else {
        std::fs::set_permissions(&show, mode).expect("it is ours");
        assert!(text(&mut run(&show)).ends_with(" protected\n"), "it is setuid to ourselves");
        refused(Path::new("/bin/su"), "is setuid to user 0, so its loader runs in secure mode");
    }
}

#[test]
fn setuid_programs_as_an_ordinary_user() {
    let files = Files::new();
    let mut command = files.unprivileged();
    let message = contains("/su' is setuid to user 0");
    command.args(["run", "--", "su", "--version"]).env("PATH", "/usr/bin:/bin");
    command.assert().code(125).stderr(message).stdout("");
}

#[test]
fn setgid_programs() {
    need_root("giving a file another group");
    let files = Files::new();
    let show = files.show("show");
    chown(&show, None, Some(NOBODY)).expect("root may");
    std::fs::set_permissions(&show, Permissions::from_mode(0o2755)).expect("root may");
    refused(&show, "is setgid to group 65534, so its loader runs in secure mode");
    allowed(&show).assert().success().stdout(contains(" bare\n"));
    std::fs::set_permissions(&show, Permissions::from_mode(0o2745)).expect("root may");
    assert!(text(&mut run(&show)).ends_with(" protected\n"), "without x, the bit means nothing");
}

#[test]
fn programs_with_capabilities() {
    need_root("giving a file capabilities");
    let files = Files::new();
    let show = files.show("show");
    Files::set_capabilities(&show, 1 << 10);
    let run_show =
        |command: &mut assert_cmd::Command| command.args(["run", "--"]).arg(&show).assert();
    let message = contains("has file capabilities, so its loader runs in secure mode");
    run_show(&mut files.unprivileged()).code(125).stderr(message).stdout("");
    let mut command = files.unprivileged();
    command.args(["run", "--allow-unprotected", "--"]).arg(&show);
    command.assert().success().stdout(contains(" bare\n"));
    // Root gains nothing from them.
    run_show(&mut forkfix()).success().stdout(contains(" protected\n"));
}

#[test]
fn programs_in_a_process_that_gave_up_privileges() {
    need_root("giving a file away");
    let files = Files::new();
    let show = files.show("show");
    chown(&show, Some(NOBODY), None).expect("root may");
    std::fs::set_permissions(&show, Permissions::from_mode(0o4755)).expect("root may");
    let mut command = crate::fixture::without_ours("setpriv");
    command.args(["--no-new-privs", env!("CARGO_BIN_EXE_forkfix"), "run", "--library"]);
    command.arg(crate::common::library()).arg("--").arg(show);
    command.assert().success().stdout(contains(" protected\n"));
}

#[test]
fn programs_whose_loader_leaves_the_library_out() {
    let files = Files::new();
    let loader = files.script("ld-linux-x", "#!/bin/sh\necho nothing >&2\n");
    let short = tempfile::Builder::new().prefix("f").rand_bytes(3).tempdir_in("/tmp");
    let short = short.expect("there is room");
    let link = short.path().join("ld-linux");
    std::os::unix::fs::symlink(loader, &link).expect("it is ours");
    let link = link.to_str().expect("temporary paths are text");
    let program = files.with_loader(&files.show("show"), link);
    refused(&program, "would not map the library (nothing)");
}

#[test]
fn programs_with_address_sanitizer() {
    let files = Files::new();
    let program = files.compile("sanitized", SHOW, &["-fsanitize=address"]);
    refused(&program, "set ASAN_OPTIONS=verify_asan_link_order=0");
    let mut command = run(&program);
    command.env("ASAN_OPTIONS", "detect_leaks=0:verify_asan_link_order=0");
    command.assert().success().stdout(contains(" protected\n"));
    let mut command = allowed(&program);
    command.env("ASAN_OPTIONS", "detect_leaks=0").assert().success().stdout(contains(" bare\n"));
}

#[test]
fn the_kill_switch() {
    let files = Files::new();
    let show = files.show("show");
    for value in ["off", "0"] {
        let message = contains("FORKFIX=off (or 0) is set, which makes the library inert");
        run(&show).env("FORKFIX", value).assert().code(125).stderr(message).stdout("");
    }
    let mut command = allowed(&show);
    command.env("FORKFIX", "off").assert().success().stderr(contains("running unprotected"));
    run(&show).env("FORKFIX", "").assert().success().stdout(contains(" protected\n"));
}
