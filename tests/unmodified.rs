//! Large programs that are as they are, with their own ideas of what must work.

#![cfg(target_os = "linux")]

mod common;

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use common::{Build, Preload, Program, Run, need, programs};

const PYTHON: &str = "/usr/bin/python3.11";

/// The tests of `CPython` that have to do with processes, threads, time, locale and look-ups.
const PYTHON_TESTS: [&str; 9] = [
    "test_fork1",
    "test_os",
    "test_subprocess",
    "test_threading",
    "test_queue",
    "test_time",
    "test_locale",
    "test_pwd",
    "test_socket",
];

/// Runs the tests, or those of them that are called like one of `only`, and returns the result of
/// each.
fn python_tests(preload: Preload, only: &[&str]) -> BTreeMap<String, &'static str> {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let report = directory.path().join("report.xml");
    let mut arguments = vec!["-m", "test", "-j2", "--timeout", "240", "--junit-xml"];
    let path = report.to_str().expect("a temporary directory's name is UTF-8");
    // VM sockets need a hypervisor that carries them; without, their test waits for ever.
    arguments.extend([path, "--ignore", "*VSOCK*"]);
    arguments.extend(only.iter().flat_map(|name| ["--match", name]));
    arguments.extend(PYTHON_TESTS);
    let program = Program::at(PYTHON).args(arguments).quiet().deadline(Duration::from_secs(600));
    let run = program.run(preload);
    assert!(run.status.is_some(), "the deadline passed: {run:#?}");
    results(&report, &run)
}

/// The test cases of a report in the manner of `JUnit`.
fn results(report: &Path, run: &Run) -> BTreeMap<String, &'static str> {
    let text = std::fs::read_to_string(report).unwrap_or_else(|e| panic!("{e}: {run:#?}"));
    let cases = text.split("<testcase name=\"").skip(1);
    let result = |case: &str| {
        let (name, rest) = case.split_once('"').expect("a quoted name");
        let outcomes = ["error", "failure", "skipped"];
        let found = outcomes.into_iter().find(|outcome| rest.contains(&format!("<{outcome}")));
        (name.to_owned(), found.unwrap_or("passed"))
    };
    cases.map(result).collect()
}

/// The names of the tests whose results differ.
fn differences<'a>(
    bare: &'a BTreeMap<String, &'static str>,
    other: &'a BTreeMap<String, &'static str>,
) -> Vec<&'a str> {
    let names = bare.keys().chain(other.keys().filter(|name| !bare.contains_key(*name)));
    names.filter(|name| bare.get(*name) != other.get(*name)).map(String::as_str).collect()
}

#[test]
fn cpython_passes_its_own_tests() {
    need(PYTHON, "python3.11");
    need("/usr/lib/python3.11/test/test_fork1.py", "libpython3.11-testsuite");
    let bare = python_tests(Preload::Bare, &[]);
    assert!(bare.len() > 1000, "only {} tests", bare.len());
    let protected = python_tests(Preload::Protected, &[]);
    let differing = differences(&bare, &protected);
    if differing.is_empty() {
        return;
    }
    // Some of them depend on time; only what differs again, alone, is a difference.
    let bare = python_tests(Preload::Bare, &differing);
    let protected = python_tests(Preload::Protected, &differing);
    let again = differences(&bare, &protected);
    assert!(again.is_empty(), "{again:#?}");
}

#[test]
fn stress_ng_passes() {
    need("stress-ng", "stress-ng");
    let arguments = ["--fork", "2", "--vfork", "2", "--timeout", "10"];
    let program = Program::at("stress-ng").args(arguments).quiet();
    for preload in [Preload::Bare, Preload::Protected] {
        let run = program.run(preload).succeeded();
        let said = format!("{}{}", run.stdout, run.stderr);
        assert!(said.contains("successful run completed"), "{run:#?}");
        assert!(!said.contains("fail"), "{run:#?}");
    }
}

/// The program prints the same bare and protected.
#[track_caller]
fn prints_the_same(program: &Program) -> String {
    let bare = program.run(Preload::Bare).succeeded();
    let protected = program.run(Preload::Protected).succeeded();
    assert_eq!(bare.stdout, protected.stdout, "{bare:#?} {protected:#?}");
    bare.stdout
}

#[test]
fn xz_compresses_with_two_threads() {
    need("xz", "xz-utils");
    let data = tempfile::NamedTempFile::new().expect("there is room for files");
    // Compresses, but not to nothing.
    let words = (0..2_000_000_u64).map(|n| format!("{:x} ", n * n % 104_729));
    std::fs::write(data.path(), words.collect::<String>()).expect("it is ours");
    let script = "xz -0 -T2 --block-size=1MiB -c \"$0\" | tee \"$0.xz\" | sha256sum; \
                  xz -T2 -dc \"$0.xz\" | sha256sum; sha256sum <\"$0\"; rm \"$0.xz\"";
    let program = Program::at("sh").args(["-c", script]).args([data.path()]).quiet();
    let printed = prints_the_same(&program);
    let sums: Vec<_> = printed.lines().collect();
    assert!(sums.len() == 3 && sums[1] == sums[2] && sums[0] != sums[1], "{sums:?}");
}

#[test]
fn redis_saves_in_the_background() {
    need("redis-benchmark", "redis-tools");
    let program = Program::at(programs().join("redis.sh")).args(["50000", "10"]).quiet();
    let printed = prints_the_same(&program);
    assert!(printed.contains("rdb_last_bgsave_status:ok\n") && printed.contains("list: 50000\n"));
}

#[test]
fn sqlite_writes_from_several_threads() {
    need("/usr/include/sqlite3.h", "libsqlite3-dev");
    let program = Build::of("sqlite_threads.c").flags(["-lsqlite3"]).executable();
    let directory = tempfile::tempdir().expect("a temporary directory");
    let script =
        format!("rm -f {0}/file*; exec \"$0\" {0}/file 4 1000", directory.path().display());
    let program = Program::at("sh").args(["-c", &*script]).args([program]).quiet();
    let printed = prints_the_same(&program);
    let counted = printed.matches("count 4000, sum 1998000, threads 4").count();
    assert!(counted == 2 && printed.contains("integrity_check ok"), "{printed}");
}
