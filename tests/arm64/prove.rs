//! `forkfix prove`, of the command for arm64 with its library.

use std::process::Command;

use serde_json::Value;

use crate::common;

/// The forks of a family with the library are at least as many.
const OF_A_FAMILY: u64 = 500;
/// The forks of a row without it, which ends with the first hang.
const BARE: u64 = 100;

/// Runs `forkfix prove` and returns what it counted in each row: forks, hangs, failures.
#[track_caller]
fn prove(family: &str, side: &str, forks: u64) -> Vec<[u64; 3]> {
    let directory = common::arm64();
    let mut command = Command::new(directory.join("forkfix"));
    command.args(["prove", "--library"]).arg(directory.join("libforkfix.so"));
    command.args(["--json", "--family", family, "--only", side, "--cut-off", "1"]);
    command.args(["--forks", &forks.to_string()]);
    for name in ["FORKFIX", "FORKFIX_OPTIONS", "FORKFIX_LIBRARY", "LD_PRELOAD"] {
        command.env_remove(name);
    }
    command.env(common::EMULATOR.0, common::EMULATOR.1);
    let result = command.output().expect("the kernel runs programs for arm64");
    let messages = String::from_utf8_lossy(&result.stderr);
    assert!(result.status.success(), "{command:?}: {}\n{messages}", result.status);
    let document: Value = serde_json::from_slice(&result.stdout).expect("it prints JSON");
    let rows = document["rows"].as_array().expect("rows are an array");
    let count = |value: &Value| value.as_u64().expect("a number");
    let of_row = |row: &Value| ["forks", "hangs", "crashes"].map(|what| count(&row[side][what]));
    rows.iter().map(of_row).collect()
}

/// No row of `family` hangs or crashes with the library, in `forks` forks each; bare, one at least does.
#[track_caller]
fn proves(family: &str, forks: u64) {
    let bare = prove(family, "bare", BARE);
    let protected = prove(family, "protected", forks);
    println!("{family}: [forks, hangs, failures] of each row: {bare:?} → {protected:?}");
    assert!(bare.iter().any(|[_, hangs, failures]| hangs + failures > 0), "{bare:?}");
    assert!(protected.iter().all(|row| *row == [forks, 0, 0]), "{protected:?}");
    assert!(forks * protected.len() as u64 >= OF_A_FAMILY, "{protected:?}");
}

#[test]
fn time_zone() {
    proves("time-zone", 100);
}

#[test]
fn environment() {
    proves("environment", 170);
}

#[test]
fn locale() {
    proves("locale", 100);
}

#[test]
fn random() {
    proves("random", 250);
}

#[test]
fn syslog() {
    proves("syslog", 250);
}

#[test]
fn nss() {
    proves("nss", 100);
}

#[test]
fn resolver() {
    proves("resolver", 170);
}

#[test]
fn spawn() {
    proves("spawn", 500);
}
