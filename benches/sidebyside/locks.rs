//! What the library adds to locks of the program, beside other tools that watch locks.

use std::path::Path;

use crate::Programs;
use crate::common::{Build, Preload, Program, need};
use crate::effort::Effort;
use crate::figures::Figures;
use crate::pairs::{self, Pair};
use crate::report::{Line, Section, Verdict};

/// What a turn of two threads that hand a mutex over may take, as a multiple of bare.
const HANDOVER_FACTOR: f64 = 1.05;

/// The most memory that a thread may cost, in bytes.
const BYTES_PER_THREAD: f64 = 4096.0;

/// Bare runs and others take turns, many times; of each, what it printed, a list for each program.
fn in_turn<const N: usize>(sides: &[(Program, Preload); N], rounds: u32) -> [Vec<f64>; N] {
    let mut samples = [const { Vec::new() }; N];
    for _ in 0..rounds {
        for ((program, preload), samples) in sides.iter().zip(&mut samples) {
            let run = program.run(*preload).succeeded();
            let number = run.stdout.trim().parse::<f64>();
            samples.push(number.unwrap_or_else(|e| panic!("{e}: {run:?}")));
        }
    }
    samples
}

/// A way to run the program that uses locks.
struct Tool {
    program: Program,
    preload: Preload,
    /// How many uses are timed together.
    uses: u32,
}

/// Bare, forkfix, and what else looks after locks. Some make them slower by so much that fewer must do.
fn tools(calls: &Path) -> [Tool; 5] {
    let gate = format!("{}/benches/peers/lock_gate.c", env!("CARGO_MANIFEST_DIR"));
    let gate = Build::of(&gate).library("liblock_gate.so");
    let sanitized = Build::of(&crate::source("calls.c")).flags(["-fsanitize=thread"]);
    let sanitized = sanitized.output("calls_tsan");
    need("setarch", "util-linux");
    let bare = crate::program(calls);
    // The sanitizer of older compilers does not start where addresses are as random as today.
    let tsan = crate::program("setarch").args(["-R"]).args([sanitized]);
    let helgrind = crate::program("valgrind").args(["-q", "--tool=helgrind"]).args([calls]);
    let tool = |program: &Program, preload, uses| Tool { program: program.clone(), preload, uses };
    [
        tool(&bare, Preload::Bare, 20_000),
        tool(&bare, Preload::Protected, 20_000),
        tool(&bare.preload_before(gate), Preload::Bare, 20_000),
        tool(&tsan, Preload::Bare, 2_000),
        tool(&helgrind, Preload::Bare, 500),
    ]
}

/// The kinds whose time is measured too; of the others it says no more than the count.
const TIMED: [&str; 6] = ["mutex", "recursive", "read", "write", "spin", "binary"];

pub(crate) fn pairs(programs: &Programs, effort: Effort) -> Section {
    let tools = tools(&programs.calls);
    Section {
        title: "Locks: taking one and giving it back",
        method: "instructions by callgrind, limits as in tests/instructions/pairs.rs; nanoseconds, median of one \
                 thread and a free lock,\n  and times that with forkfix, with a preloaded gate made of a \
                 pthread_rwlock_t (mutexes alone), with\n  ThreadSanitizer, under Helgrind",
        header: &["lock", "instr", "added", "ns", "forkfix", "gate", "TSan", "Helgrind"],
        lines: pairs::all().iter().map(|pair| line(pair, &tools, effort)).collect(),
    }
}

fn line(pair: &Pair, tools: &[Tool; 5], effort: Effort) -> Line {
    let mut cells = vec![pair.name.clone(), pair.bare.to_string(), pair.added.to_string()];
    if TIMED.contains(&&*pair.name) {
        cells.extend(times(&pair.name, tools, effort));
    } else {
        cells.resize(8, String::new());
    }
    Line::judged(cells, Verdict::new(pair.limit().to_string(), pair.added <= pair.limit()))
}

/// Nanoseconds of a pair bare, and how many times that with each tool.
fn times(name: &str, tools: &[Tool; 5], effort: Effort) -> [String; 5] {
    let sides = tools.each_ref().map(|Tool { program, preload, uses }| {
        (program.args([name, "20", &uses.to_string(), "1"]), *preload)
    });
    let [bare, others @ ..] = in_turn(&sides, effort.pick(7, 3));
    let [forkfix, gate, tsan, helgrind] = others.map(|other| {
        let ratios = bare.iter().zip(other).map(|(bare, other)| other / bare);
        format!("{:.1}", Figures::of(ratios.collect()).median())
    });
    [format!("{:.1}", Figures::of(bare).median()), forkfix, gate, tsan, helgrind]
}

pub(crate) fn handover(programs: &Programs, effort: Effort) -> Section {
    Section {
        title: "Two threads that take turns, by a mutex and a condition variable",
        method: "nanoseconds of a turn, median (the middle half); limit 1.05 times bare",
        header: &["program", "bare", "protected", "ratio"],
        lines: vec![Line::measured(effort, || handover_line(&programs.lock_threads, effort))],
    }
}

fn handover_line(program: &Path, effort: Effort) -> Line {
    let program = crate::program(program).args(["handover", "20", "1000"]);
    let sides = [(program.clone(), Preload::Bare), (program, Preload::Protected)];
    let [bare, protected] = in_turn(&sides, effort.pick(41, 11));
    let ratios = bare.iter().zip(&protected).map(|(bare, protected)| protected / bare);
    let ratio = Figures::of(ratios.collect()).median();
    let [bare, protected] = [bare, protected].map(|times| Figures::of(times).with_spread(1.0, 0));
    let cells = vec!["a turn".to_owned(), bare, protected, format!("{ratio:.3}")];
    Line::judged(cells, Verdict::new("1.05", ratio <= HANDOVER_FACTOR))
}

pub(crate) fn memory(programs: &Programs, _: Effort) -> Section {
    const THREADS: u32 = 1000;
    let measured = |preload| {
        let bytes = |threads: u32| {
            let program = crate::program(&programs.lock_threads);
            let program = program.args(["memory", &threads.to_string()]);
            in_turn(&[(program, preload)], 1)[0][0]
        };
        (bytes(THREADS) - bytes(0)) / f64::from(THREADS)
    };
    let [bare, protected] = [Preload::Bare, Preload::Protected].map(measured);
    let added = protected - bare;
    let cells = [bare, protected, added].map(|bytes| format!("{bytes:.0}"));
    let cells = [vec!["a thread".to_owned()], cells.into()].concat();
    Section {
        title: "Memory of a thread that used a lock",
        method: "bytes of private memory that was written to, one of 1,000 threads; limit 4 KB",
        header: &["of", "bare", "protected", "added"],
        lines: vec![Line::judged(cells, Verdict::new("4096", added <= BYTES_PER_THREAD))],
    }
}
