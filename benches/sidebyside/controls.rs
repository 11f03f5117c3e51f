//! Programs whose children never hung, because what they use takes care of itself: they must be none the slower.
//! They run for about a second, so that it is not their starts that are measured: these have a table of their own.

use std::process::Command;

use crate::Programs;
use crate::common::{Build, Program, need, out_dir, run};
use crate::effort::Effort;
use crate::paired;
use crate::programs::line;
use crate::report::Section;

const MALLOCS: [(&str, &str, &str); 3] = [
    ("malloc of jemalloc", "/usr/lib/x86_64-linux-gnu/libjemalloc.so.2", "libjemalloc2"),
    ("malloc of tcmalloc", "/usr/lib/x86_64-linux-gnu/libtcmalloc.so.4", "libgoogle-perftools4"),
    ("malloc of mimalloc", "/usr/lib/x86_64-linux-gnu/libmimalloc.so.2.0", "libmimalloc2.0"),
];

pub(crate) const RUBY: &str = "lock = Mutex.new; sum = 0
threads = 4.times.map { Thread.new { 1_500_000.times { lock.synchronize { sum += 1 } } } }
20.times { Process.wait(fork { lock.synchronize { exit!(0) } }) }
threads.each(&:join); exit(sum == 6_000_000)";

pub(crate) const NODE: &str = "const { Worker } = require('worker_threads'), { spawnSync } = require('child_process');
for (let i = 0; i < 2; i++) new Worker('let x = 0; for (let i = 0; i < 4e8; i++) x += i % 7', { eval: true });
for (let i = 0; i < 20; i++) if (spawnSync('true').status !== 0) process.exit(1);";

pub(crate) fn section(_: &Programs, effort: Effort) -> Section {
    let controls = Build::of(&crate::source("controls.cc")).output("controls");
    let calls = |name: &str, count: u32| {
        let count = effort.pick(count, count / 4).to_string();
        crate::program(&controls).args([name, &count])
    };
    let mut programs: Vec<(&str, Program)> = vec![
        ("malloc of glibc", calls("malloc", 50_000_000)),
        ("fprintf to a file", calls("stdio", 4_000_000)),
        ("throw in C++", calls("throw", 500_000)),
        ("call_once", calls("once", 200_000_000)),
    ];
    for (name, library, package) in MALLOCS {
        need(library, package);
        programs.push((name, calls("malloc", 50_000_000).preload_before(library)));
    }
    need("ruby", "ruby");
    programs.push(("Mutex in Ruby", crate::program("ruby").args(["-e", RUBY])));
    need("node", "nodejs");
    programs.push(("workers of Node", crate::program("node").args(["-e", NODE])));
    programs.push(("monitor in Java", java(effort.pick("5000000", "2500000"))));
    need("/usr/include/tbb/parallel_reduce.h", "libtbb-dev");
    let tbb = Build::of(&crate::source("controls_tbb.cc")).flags(["-ltbb"]).output("controls_tbb");
    let sums = effort.pick("15000", "3000");
    programs.push(("a sum of oneTBB's", crate::program(tbb).args([sums])));
    let line = |(name, program): (&str, Program)| line(name, &program, effort);
    Section {
        title: "What never hung",
        method: paired::METHOD,
        header: &["program", "bare", "protected", "ratio"],
        lines: programs.into_iter().map(line).collect(),
    }
}

fn java(count: &str) -> Program {
    need("javac", "default-jdk-headless");
    let classes = out_dir();
    let source = crate::source("Controls.java");
    run(Command::new("javac").arg("-d").arg(&classes).arg(source));
    crate::program("java").args(["-cp".as_ref(), classes.as_os_str()]).args(["Controls", count])
}
