//! Programs as they are that use locks and threads: how much longer they take.

use std::fmt::Write;
use std::fs;
use std::path::Path;

use crate::Programs;
use crate::common::{self, Build, Preload, Program, need};
use crate::effort::Effort;
use crate::paired;
use crate::report::{Line, Section};

/// What a program may take, as a multiple of bare.
const FACTOR: f64 = 1.03;

/// What xz compresses, in bytes.
const DATA: [usize; 2] = [200_000_000, 20_000_000];

pub(crate) fn section(_: &Programs, effort: Effort) -> Section {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let [xz, python, redis, sqlite] =
        [xz(directory.path(), effort), python(), redis(effort), sqlite(directory.path(), effort)];
    let line = |(name, program): (&str, Program)| line(name, &program, effort);
    let programs = [
        ("xz -T2", xz),
        ("python3 -m test (threads, queues, futures)", python),
        ("redis-benchmark and BGSAVE", redis),
        ("sqlite, 4 threads", sqlite),
    ];
    Section {
        title: "Programs as they are",
        method: paired::METHOD,
        header: &["program", "bare", "protected", "ratio"],
        lines: programs.into_iter().map(line).collect(),
    }
}

/// How long `program` takes bare and protected, which must be about the same.
pub(crate) fn line(name: &str, program: &Program, effort: Effort) -> Line {
    let ways = [(program, Preload::Bare), (program, Preload::Protected)];
    paired::compare(name, ways, FACTOR, effort)
}

fn xz(directory: &Path, effort: Effort) -> Program {
    need("xz", "xz-utils");
    let size = effort.pick(DATA[0], DATA[1]);
    let mut text = String::with_capacity(size + 32);
    let mut number = 0_u64;
    while text.len() < size {
        number += 1;
        write!(text, "{:x} ", number * number % 104_729).expect("a string grows");
    }
    let path = directory.join("data");
    fs::write(&path, text).expect("there is room for files");
    let path = path.to_string_lossy().into_owned();
    crate::program("xz").args(["-0", "-T2", "--keep", "--force", &*path])
}

fn python() -> Program {
    const PYTHON: &str = "/usr/bin/python3.11";
    need(PYTHON, "python3.11");
    need("/usr/lib/python3.11/test/test_queue.py", "libpython3.11-testsuite");
    let tests = ["test_threading", "test_queue", "test_concurrent_futures"];
    // Where the tests of a class sleep, nothing can be measured; these make use of locks.
    let classes = ["*ThreadTests*", "*QueueTest*", "*ThreadPool*", "*LockTests*", "*Barrier*"];
    let only = classes.into_iter().flat_map(|class| ["--match", class]);
    crate::program(PYTHON).args(["-m", "test"]).args(only).args(tests)
}

fn redis(effort: Effort) -> Program {
    need("redis-benchmark", "redis-tools");
    let requests = effort.pick("200000", "50000");
    crate::program(common::programs().join("redis.sh")).args([requests, "20"])
}

fn sqlite(directory: &Path, effort: Effort) -> Program {
    need("/usr/include/sqlite3.h", "libsqlite3-dev");
    let program = Build::of("sqlite_threads.c").flags(["-lsqlite3"]).executable();
    let file = directory.join("file");
    let rows = effort.pick("20000", "2000");
    let script = format!("rm -f {0}*; exec \"$0\" {0} 4 {rows}", file.display());
    crate::program("sh").args(["-c", &*script]).args([program])
}
