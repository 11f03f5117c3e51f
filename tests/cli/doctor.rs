//! `forkfix doctor` says what `forkfix run` would do.

use predicates::prelude::*;
use predicates::str::{contains, is_match};
use serde_json::Value;

use crate::fixture::{
    Files, MACHINE_OFFSET, OTHER_MACHINE, SHOW, forkfix, output, run, without_ours,
};

fn doctor(program: impl AsRef<std::ffi::OsStr>) -> assert_cmd::Command {
    let mut command = forkfix();
    command.arg("doctor").arg(program);
    command
}

#[test]
fn a_good_program_is_found_good() {
    let files = Files::new();
    let show = files.show("show");
    let mut command = doctor(&show);
    let assert = command.arg("--any=argument").assert().success().stderr("");
    for line in [
        r"(?m)^ok    library      '.*libforkfix\.so' answers: version \d",
        r"(?m)^(ok  |warn)  kernel       it (has|lacks) membarrier",
        r"(?m)^ok    libc         glibc 2\.\d+$",
        r"(?m)^ok    target       '.*/show' is dynamically linked, loaded by '.*ld-linux",
        r"(?m)^ok    loader       it would map the library",
        r"(?m)^'.*/show' would run protected\.$",
    ] {
        assert!(is_match(line).expect("it is a pattern").eval(&text_of(&assert)), "{line}");
    }
    assert!(!text_of(&assert).contains("fail"));
}

fn text_of(assert: &assert_cmd::assert::Assert) -> String {
    String::from_utf8_lossy(&assert.get_output().stdout).into_owned()
}

#[test]
fn it_agrees_with_run() {
    let files = Files::new();
    let show = files.show("show");
    let script = files.script("script", "#!/bin/sh\n");
    let missing = files.script("missing", "#!/nonexistent\n");
    let programs = [
        show.clone(),
        script,
        missing,
        files.compile("static", SHOW, &["-static"]),
        files.patched(&show, MACHINE_OFFSET, &OTHER_MACHINE.0),
        files.with_loader(&show, "/lib/ld-musl-x86_64.so.1"),
        files.compile("sanitized", SHOW, &["-fsanitize=address"]),
        files.path().to_owned(),
        files.path().join("nothing"),
    ];
    for program in programs {
        let refusal = output(&mut run(&program));
        let diagnosis = output(&mut doctor(&program));
        let lines = String::from_utf8_lossy(&diagnosis.stdout).into_owned();
        let code = if refusal.status.success() { 0 } else { 125 };
        assert_eq!(diagnosis.status.code(), Some(code), "{}\n{lines}", program.display());
        // The same sentence, after `forkfix: ` there and after the check's name here.
        let sentence = String::from_utf8_lossy(&refusal.stderr).replace("forkfix: ", "");
        assert!(lines.contains(sentence.trim()), "{sentence} is not in:\n{lines}");
    }
}

#[test]
fn scripts_are_described_with_their_interpreter() {
    let files = Files::new();
    let script = files.script("script", "#!/bin/sh\n");
    doctor(script).assert().success().stdout(contains("is a script run by '/bin/sh'"));
}

#[test]
fn the_library_and_its_options_are_part_of_it() {
    let mut command = without_ours(env!("CARGO_BIN_EXE_forkfix"));
    command.args(["doctor", "--library", "/nonexistent.so", "true"]);
    command.assert().code(125).stdout(contains("fail  library      the library '/nonexistent.so'"));
    let mut command = doctor("true");
    command
        .env("FORKFIX_OPTIONS", "colour=1")
        .assert()
        .code(125)
        .stdout(contains("unknown option"));
}

#[test]
fn the_switch_and_other_preloads_are_part_of_it() {
    let mut command = doctor("true");
    let switch = contains("fail  switch       FORKFIX=off (or 0) is set");
    command.env("FORKFIX", "off").assert().code(125).stdout(switch);
    let mut command = doctor("true");
    let preload = contains("warn  preload      the loader will leave out '/nonexistent/other.so'");
    command.env("LD_PRELOAD", "/nonexistent/other.so").assert().success().stdout(preload);
}

#[test]
fn what_preloading_does_not_cure_is_told() {
    let files = Files::new();
    let library = files.compile("libgrpc.so.1", "int grpc;", &["-shared", "-fPIC"]);
    let library = library.to_str().expect("a path in ASCII");
    let program = "int main(void) { return 0; }";
    let user = files.compile("user", program, &["-Wl,--no-as-needed", library]);
    let grpc = r"only diagnosable .*:\n  libgrpc +gRPC's locks.*\n +helps: leave GRPC.*\n +found: .*/libgrpc\.so\.1\n";
    let grpc = is_match(grpc).expect("it is a pattern");
    doctor(user).assert().success().stdout(grpc.clone());
    let rust = contains("  rust             locks of Rust's standard library");
    doctor(env!("CARGO_BIN_EXE_forkfix")).assert().success().stdout(rust.clone());
    doctor("true").assert().success().stdout(rust.not().and(grpc.not()));
}

#[test]
fn json_says_the_same() {
    for (program, code) in [("true", 0), ("/usr", 125)] {
        let mut command = forkfix();
        let result = output(command.args(["doctor", "--json", program]));
        assert_eq!(result.status.code(), Some(code));
        let json: Value = serde_json::from_slice(&result.stdout).expect("it is JSON");
        assert_eq!(json["schema"], "forkfix.doctor/1");
        assert_eq!(json["command"], program);
        assert_eq!(json["protected"], code == 0);
        let findings = json["findings"].as_array().expect("it is a list");
        let fails = findings.iter().filter(|finding| finding["verdict"] == "fail").count();
        assert_eq!(fails == 0, code == 0, "{findings:?}");
        assert!(findings.iter().all(|finding| finding["message"].is_string()));
    }
}
