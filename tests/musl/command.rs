//! `forkfix run` and `forkfix prove` for programs of musl.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use crate::common;
use crate::machine::Source;

/// A file that was built for musl.
fn beside(name: &str) -> PathBuf {
    common::library().with_file_name(name)
}

/// `forkfix` with `arguments`, and the library for glibc in `directory`.
fn forkfix(directory: &Path, arguments: &[&str]) -> Output {
    let library = directory.join("libforkfix.so");
    fs::copy(common::own(), &library).expect("there is room");
    let mut command = Command::new(env!("CARGO_BIN_EXE_forkfix"));
    for name in ["FORKFIX", "FORKFIX_OPTIONS", "LD_PRELOAD"] {
        command.env_remove(name);
    }
    command.env("FORKFIX_LIBRARY", library).args(arguments).output().expect("it was built")
}

#[test]
fn run_takes_the_library_for_musl() {
    let directory = tempfile::tempdir().expect("there is room");
    let program = Source::of("streams.c").executable();
    let run = ["run", "--", program.to_str().expect("text"), "own", "print", "100", "1"];
    let refused = forkfix(directory.path(), &run);
    let sentence = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert_eq!(refused.status.code(), Some(125), "{sentence}");
    assert!(sentence.contains("runs on musl") && sentence.contains("'make musl'"), "{sentence}");
    for file in ["libforkfix-musl.so", "forkfix-musl"] {
        fs::copy(beside(file), directory.path().join(file)).expect("there is room");
    }
    let protected = forkfix(directory.path(), &run);
    let report = String::from_utf8_lossy(&protected.stdout).into_owned();
    assert_eq!(report, "forks=100 hangs=0 crashes=0\n", "{protected:?}");
    let doctor = forkfix(directory.path(), &["doctor", run[2]]);
    assert!(doctor.status.success(), "{doctor:?}");
}

/// The table of hazards, on musl's own rows.
#[test]
fn prove_finds_the_hangs() {
    let mut command = Command::new(beside("forkfix-musl"));
    let output =
        command.args(["prove", "--forks", "500", "--json"]).output().expect("it was built");
    let report = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{output:?}");
    let report: serde_json::Value = serde_json::from_str(&report).expect("JSON");
    let rows = report["rows"].as_array().expect("rows");
    assert!(rows.len() >= 5, "{report:#}");
    for row in rows {
        let (bare, protected) = (&row["bare"], &row["protected"]);
        assert_eq!((&protected["hangs"], &protected["crashes"]), (&0.into(), &0.into()), "{row:#}");
        // While the environment moves, the program itself may crash.
        let is_harmed = bare["hangs"] != 0 || bare["crashes"] != 0 || bare["ended"] != "completed";
        assert!(is_harmed, "nothing hangs bare: {row:#}");
    }
}
