//! How long a fork takes: beside threads that sleep, and beside threads that call libc.

use std::path::Path;

use crate::Programs;
use crate::common::{Build, Preload, Program};
use crate::effort::Effort;
use crate::figures::Figures;
use crate::report::{Line, Section, Verdict};

/// What a fork with its wait may take over bare: a part of bare, and nanoseconds for each thread.
const IDLE_SHARE: f64 = 0.03;
const IDLE_NS_PER_THREAD: f64 = 60.0;
/// The same for a program that has no memory to speak of. No part of bare will do there: mapping an
/// empty library alone costs it 6 %. So the limit is a fixed number of nanoseconds instead.
const SMALLEST_NS: f64 = 25_000.0;

/// What the median of a fork under load may be, as a multiple of bare.
const BUSY_FACTOR: f64 = 1.25;
/// What a hundredth of the forks under load may exceed, in nanoseconds.
const BUSY_P99_NS: f64 = 6e6;

/// Which of the two times that the program prints for a fork.
#[derive(Clone, Copy)]
enum Clock {
    /// Until fork returned in the parent.
    Fork,
    /// Until the child was waited for.
    ForkAndWait,
}

/// Idle threads, and megabytes that the program has written to. None at all is the smallest program
/// there is, where whatever a fork costs more shows most.
const IDLE: [(u32, u32); 6] = [(0, 0), (10, 0), (100, 0), (1000, 0), (0, 64), (10, 64)];

pub(crate) fn idle(programs: &Programs, effort: Effort) -> Section {
    let empty = Build::of(&crate::source("empty.c")).library("libempty.so");
    let line = |(threads, megabytes)| {
        Line::measured(effort, || idle_line(&programs.forks, &empty, threads, megabytes, effort))
    };
    Section {
        title: "fork and wait beside idle threads",
        method: "microseconds, median (the middle half); beside bare and protected a program with \
                 an empty library\n  preloaded; limit 3 % over bare and 60 ns a thread; without memory 25 µs and 60 ns \
                 a thread",
        header: &["program", "bare", "empty library", "protected", "added", "added %"],
        lines: IDLE.map(line).into(),
    }
}

fn idle_line(program: &Path, empty: &Path, threads: u32, megabytes: u32, effort: Effort) -> Line {
    let [rounds, forks] = match (threads, megabytes) {
        (0..1000, 0) => effort.pick([60, 60], [20, 30]),
        _ => effort.pick([20, 20], [6, 10]),
    };
    let arguments = [threads, megabytes, forks].map(|number| number.to_string());
    let program = crate::program(program).args(["idle"]).args(arguments);
    let sides = [
        (program.clone(), Preload::Bare),
        (program.preload_before(empty), Preload::Bare),
        (program, Preload::Protected),
    ];
    let [bare, empty, protected] = in_turn(&sides, rounds, Clock::ForkAndWait);
    let added = compared(&bare, &protected, |bare, protected| protected - bare);
    let [bare, empty, protected] = [bare, empty, protected].map(Figures::pooled);
    let fixed = if megabytes == 0 { SMALLEST_NS } else { IDLE_SHARE * bare.median() };
    let limit = fixed + IDLE_NS_PER_THREAD * f64::from(threads);
    Line::judged(
        vec![
            format!("{threads} threads, {megabytes} MB"),
            in_us(&bare),
            in_us(&empty),
            in_us(&protected),
            format!("{:.1}", added / 1e3),
            format!("{:+.1}", 100.0 * added / bare.median()),
        ],
        Verdict::new(format!("{:.1}", limit / 1e3), added <= limit),
    )
}

pub(crate) fn busy(programs: &Programs, effort: Effort) -> Section {
    let line = |call| Line::measured(effort, || busy_line(&programs.forks, call, effort));
    Section {
        title: "fork beside two threads that call libc, or use a lock, all the time",
        method: "the time in the parent, in microseconds; limit for the median 1.25 times bare, \
                 for the 99th percentile 6 ms",
        header: &["they call", "bare", "p99", "protected", "p99", "ratio"],
        lines: ["random", "localtime_r", "setenv", "mutex", "write"].map(line).into(),
    }
}

fn busy_line(program: &Path, call: &str, effort: Effort) -> Line {
    let [rounds, forks] = effort.pick([12, 150], [5, 100]);
    let program = crate::program(program).args(["busy", call, &forks.to_string()]);
    let sides = [(program.clone(), Preload::Bare), (program, Preload::Protected)];
    let [bare, protected] = in_turn(&sides, rounds, Clock::Fork);
    let ratio = compared(&bare, &protected, |bare, protected| protected / bare);
    let [bare, protected] = [bare, protected].map(Figures::pooled);
    let p99 = protected.percentile(99);
    Line::judged(
        vec![
            call.to_owned(),
            in_us(&bare),
            format!("{:.0}", bare.percentile(99) / 1e3),
            in_us(&protected),
            format!("{:.0}", p99 / 1e3),
            format!("{ratio:.2}"),
        ],
        Verdict::new("1.25, p99 6000", ratio <= BUSY_FACTOR && p99 <= BUSY_P99_NS),
    )
}

/// Runs the programs in turn; of each, the nanoseconds of its forks, a list for each round.
fn in_turn<const N: usize>(
    programs: &[(Program, Preload); N],
    rounds: u32,
    clock: Clock,
) -> [Vec<Figures>; N] {
    let mut figures = [const { Vec::new() }; N];
    for round in 0..=rounds {
        for ((program, preload), figures) in programs.iter().zip(&mut figures) {
            let run = program.run(*preload).succeeded();
            // The first round warms up.
            if round > 0 {
                let samples = run.stdout.lines().map(|line| sample(line, clock));
                figures.push(Figures::of(samples.collect()));
            }
        }
    }
    figures
}

/// The median of what `compare` makes of the medians of each round, bare and protected: what
/// disturbs a round mostly disturbs both.
fn compared(bare: &[Figures], protected: &[Figures], compare: fn(f64, f64) -> f64) -> f64 {
    let rounds = bare.iter().zip(protected);
    Figures::of(rounds.map(|(b, p)| compare(b.median(), p.median())).collect()).median()
}

/// One of the times in a line of the program's output.
fn sample(line: &str, clock: Clock) -> f64 {
    let times = line.split_once(' ').unwrap_or_else(|| panic!("not two times: {line}"));
    let time = match clock {
        Clock::Fork => times.0,
        Clock::ForkAndWait => times.1,
    };
    time.parse().unwrap_or_else(|e| panic!("{e}: {line}"))
}

fn in_us(nanoseconds: &Figures) -> String {
    nanoseconds.with_spread(1e-3, 0)
}
