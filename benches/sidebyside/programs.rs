//! Programs as they are that use locks and threads: how much longer they take.

use std::fmt::Write;
use std::fs;
use std::path::Path;
use std::time::Instant;

use crate::Programs;
use crate::common::{self, Build, Preload, Program, need};
use crate::effort::Effort;
use crate::figures::Figures;
use crate::report::{Line, Section, Verdict};

/// What a program may take, as a multiple of bare.
const FACTOR: f64 = 1.03;

/// What xz compresses, in bytes.
const DATA: [usize; 2] = [200_000_000, 20_000_000];

pub(crate) fn section(_: &Programs, effort: Effort) -> Section {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let [xz, python, redis, sqlite] =
        [xz(directory.path(), effort), python(), redis(effort), sqlite(directory.path(), effort)];
    let line = |(name, program): (&str, Program)| {
        Line::measured(effort, || line(name, &program, effort.pick(7, 3)))
    };
    let programs = [
        ("xz -T2", xz),
        ("python3 -m test (threads, queues, futures)", python),
        ("redis-benchmark and BGSAVE", redis),
        ("sqlite, 4 threads", sqlite),
    ];
    Section {
        title: "Programs as they are",
        method: "seconds, median (the middle half) of runs that alternate; the ratio is that of the \
                 shortest, and 1.03 its limit",
        header: &["program", "bare", "protected", "ratio"],
        lines: programs.into_iter().map(line).collect(),
    }
}

/// How long `program` takes bare and protected, which must be about the same. It runs `runs` times each way.
pub(crate) fn line(name: &str, program: &Program, runs: u32) -> Line {
    compare(name, [(program, Preload::Bare), (program, Preload::Protected)], runs, FACTOR)
}

/// How long a program takes in one way and in another, which may take `factor` times as long. They alternate.
pub(crate) fn compare(name: &str, ways: [(&Program, Preload); 2], runs: u32, factor: f64) -> Line {
    let mut times = [Vec::new(), Vec::new()];
    for _ in 0..runs {
        for (times, (program, preload)) in times.iter_mut().zip(ways) {
            let begin = Instant::now();
            program.run(preload).succeeded();
            times.push(begin.elapsed().as_secs_f64());
        }
    }
    // What else the machine does only adds to a time: the shortest ones say what the program needs.
    let [first, second] =
        [0, 1].map(|way| times[way].iter().copied().fold(f64::INFINITY, f64::min));
    let ratio = second / first;
    let [first, second] = times.map(|times| Figures::of(times).with_spread(1.0, 2));
    let cells = vec![name.to_owned(), first, second, format!("{ratio:.3}")];
    Line::judged(cells, Verdict::new(format!("{factor:.2}"), ratio <= factor))
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
