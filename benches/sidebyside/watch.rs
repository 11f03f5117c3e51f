//! What `forkfix run --watch` costs the program that it watches, what it takes itself, and how soon it tells of a
//! hang.

use std::fs;
use std::time::Instant;

use serde_json::Value;

use crate::Programs;
use crate::common::{Build, Preload, Program, library, need};
use crate::controls::{NODE, RUBY};
use crate::effort::Effort;
use crate::figures::Figures;
use crate::paired;
use crate::report::{Line, Section, Verdict};

/// What a watched program may take, as a multiple of what it takes with the library alone.
const FACTOR: f64 = 1.02;
/// What the supervisor may take of one processor while nothing hangs, in per cent.
const SHARE: f64 = 1.0;
/// When a hang is told of at the latest, in seconds after the child stopped for good, beyond `--hang-after`.
const LATE: f64 = 1.0;

/// `forkfix run`, with `options`, for `program`.
fn run(options: &[&str], program: &[&str]) -> Program {
    let command = Program::at(env!("CARGO_BIN_EXE_forkfix")).env("FORKFIX_LIBRARY", library());
    command.args(["run"]).args(options).args(["--"]).args(program)
}

pub(crate) fn programs(_: &Programs, effort: Effort) -> Section {
    let built =
        |name: &str| Build::of(&crate::source(name)).output(name.split('.').next().unwrap());
    let paced = built("paced.c").to_string_lossy().into_owned();
    let controls = built("controls.cc").to_string_lossy().into_owned();
    need("ruby", "ruby");
    need("node", "nodejs");
    let mallocs = effort.pick("50000000", "25000000");
    let forks = effort.pick("100", "60");
    let programs: [(&str, Vec<&str>); 6] = [
        ("malloc of glibc, no fork", vec![&controls, "malloc", mallocs]),
        ("10 ms of work before each fork, no threads", vec![&paced, "0", forks]),
        ("the same, 1 thread", vec![&paced, "1", forks]),
        ("the same, 10 threads", vec![&paced, "10", forks]),
        ("Mutex in Ruby, 20 forks", vec!["ruby", "-e", RUBY]),
        ("workers of Node, 20 starts", vec!["node", "-e", NODE]),
    ];
    let line = |(name, program): (&str, Vec<&str>)| watched(name, &program, effort);
    Section {
        title: "Watched programs",
        method: paired::METHOD,
        header: &["program", "forkfix run", "--watch", "ratio"],
        lines: programs.into_iter().map(line).collect(),
    }
}

/// With the library, and with the supervisor too.
fn watched(name: &str, program: &[&str], effort: Effort) -> Line {
    let [plain, watched] = [&[][..], &["--watch"]].map(|options| run(options, program));
    paired::compare(name, [(&plain, Preload::Bare), (&watched, Preload::Bare)], FACTOR, effort)
}

/// The supervisor is the program's parent, and has one thread.
pub(crate) fn supervisor(_: &Programs, effort: Effort) -> Section {
    let watched = Build::of("watched.c").executable().to_string_lossy().into_owned();
    let seconds = effort.pick("30", "5");
    let script = "\"$@\" >&2 && cat /proc/$PPID/schedstat";
    let line = |(name, program): (&str, &[&str])| {
        let words = [&["sh", "-c", script, "sh"], program].concat();
        let begin = Instant::now();
        let run = run(&["--watch"], &words).run(Preload::Bare).succeeded();
        let took = begin.elapsed().as_secs_f64();
        let used = run.stdout.split_whitespace().next().and_then(|ns| ns.parse::<f64>().ok());
        let share = used.expect("the kernel says it") * 1e-9 / took * 100.0;
        let cells = vec![name.to_owned(), format!("{took:.1}"), format!("{share:.2}")];
        Line::judged(cells, Verdict::new("1", share < SHARE))
    };
    let programs: [(&str, &[&str]); 2] = [
        ("a program that sleeps", &["sleep", seconds]),
        ("1,000 forks a second", &[&watched, "healthy", seconds]),
    ];
    Section {
        title: "The supervisor while nothing hangs",
        method: "seconds, and per cent of a processor, its own start and end included",
        header: &["program", "seconds", "per cent"],
        lines: programs.into_iter().map(line).collect(),
    }
}

pub(crate) fn hangs(_: &Programs, effort: Effort) -> Section {
    let plugin = Build::of("hangs/plugin.c").library("libhangbench.so");
    let flags = [plugin.to_str().expect("a path of letters"), "-Wl,-rpath,$ORIGIN"];
    let program = Build::of("hangs/mutex.c").flags(flags).output("hang_bench");
    let program = program.to_string_lossy().into_owned();
    let line = |after: &str| {
        let wait: f64 = after.parse().expect("a number");
        let times = (0..effort.pick(10, 2)).map(|_| told_after(&program, after)).collect();
        let times = Figures::of(times);
        let last = times.percentile(100);
        let cells = vec![after.to_owned(), times.with_spread(1.0, 2), format!("{last:.2}")];
        Line::judged(cells, Verdict::new(format!("{:.0}", wait + LATE), last <= wait + LATE))
    };
    Section {
        title: "How soon a hang is told of",
        method: "seconds from the fork to the report with its stacks and symbols, median (the middle half), and \
                 the longest",
        header: &["--hang-after", "seconds", "longest"],
        lines: ["1", "5"].into_iter().map(line).collect(),
    }
}

fn told_after(program: &str, after: &str) -> f64 {
    let directory = tempfile::tempdir().expect("there is room for a recording");
    let file = directory.path().join("run.jsonl");
    let path = file.to_str().expect("a path of letters");
    let options = ["--watch", "--hang-after", after, "--on-hang", "kill", "--report", path];
    let watch =
        run(&options, &[program]).env("FORKFIX_OPTIONS", "orphans=report:locks_ms=0:log=off");
    watch.run(Preload::Bare).succeeded();
    let lines = fs::read_to_string(&file).expect("there is a recording");
    let lines: Vec<Value> =
        lines.lines().map(|line| serde_json::from_str(line).expect("a line of JSON")).collect();
    let at = |kind: &str| {
        let line = lines.iter().find(|line| line["type"] == kind);
        line.and_then(|line| line["at_us"].as_f64())
            .unwrap_or_else(|| panic!("no {kind}: {lines:?}"))
    };
    (at("hang") - at("fork")) * 1e-6
}
