//! Other libraries that hook `random`, and what they add to a call.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::Programs;
use crate::common::{self, Build, Preload, Program};
use crate::effort::Effort;
use crate::figures::Figures;
use crate::instructions;
use crate::report::{Line, Section};

/// A way to hook `random`: what it is called, and the examples' name of its library.
const PEERS: [(&str, &str); 4] = [
    ("pass-through, by hand (the floor)", "peer_pass_through"),
    ("pass-through, redhook's hook!", "peer_redhook"),
    ("gate: parking_lot::RwLock", "peer_parking_lot"),
    ("gate: pthread_rwlock", "peer_pthread_rwlock"),
];

/// How many calls callgrind sees at first.
const COUNTED_CALLS: u32 = 20_000;
/// How many calls are timed: batches, and calls in a batch. Together they take longer than the time
/// slice of a thread, so that two threads really run at the same time.
const TIMED_CALLS: [&str; 2] = ["40", "50000"];

/// A way to call `random`, bare or through a hook.
struct Contender {
    name: &'static str,
    /// Whether our library is loaded.
    preload: Preload,
    /// The library of a peer.
    peer: Option<PathBuf>,
    /// What stands behind the hook instead of libc.
    behind: Option<PathBuf>,
}

impl Contender {
    /// The program with what this contender preloads; our library comes with [`Preload`].
    fn load_into(&self, program: Program) -> Program {
        let program = self.peer.iter().fold(program, |program, peer| program.preload_before(peer));
        self.behind.iter().fold(program, |program, behind| program.preload_after(behind))
    }
}

pub(crate) fn section(programs: &Programs, effort: Effort) -> Section {
    let mut contenders = vec![
        Contender { name: "bare", preload: Preload::Bare, peer: None, behind: None },
        Contender { name: "forkfix", preload: Preload::Protected, peer: None, behind: None },
    ];
    contenders.extend(PEERS.iter().zip(&programs.peers).map(|((name, _), library)| Contender {
        name,
        preload: Preload::Bare,
        peer: Some(library.clone()),
        behind: None,
    }));
    let calls = &programs.calls;
    let mut columns = vec![
        instructions(&contenders, calls),
        times(&contenders, calls, 1, effort),
        times(&contenders, calls, 2, effort),
    ];
    let no_lock = Build::of(&crate::source("no_lock.c")).library("libno_lock.so");
    contenders.iter_mut().for_each(|contender| contender.behind = Some(no_lock.clone()));
    columns.push(times(&contenders, calls, 1, effort));
    columns.push(times(&contenders, calls, 2, effort));

    let mut lines: Vec<_> = contenders.iter().map(|c| vec![c.name.to_owned()]).collect();
    for column in columns {
        lines.iter_mut().zip(column).for_each(|(line, cell)| line.push(cell));
    }
    Section {
        title: "Peers: what a hook of random adds to a call",
        method: "instructions, and nanoseconds (median, middle half) with one and with two threads \
                 that call, pinned to a\n  processor each; first libc's random, whose lock two \
                 threads fight for; then one without a lock, where they\n  meet in the hook only. \
                 \"bare\" is the whole call, the other lines are what they add to its median",
        header: &["hook", "instr", "1 thread", "2 threads", "1, no lock", "2, no lock"],
        lines: lines.into_iter().map(Line::plain).collect(),
    }
}

/// Builds the libraries, ours and the peers', which are returned in the order of [`PEERS`].
pub(crate) fn build() -> Vec<PathBuf> {
    let release = common::library().parent().expect("the library lies in a directory");
    let target = release.parent().expect("the directory lies in the target directory");
    let mut cargo = Command::new(env!("CARGO"));
    cargo.args(["build", "--quiet", "--release", "--package", env!("CARGO_PKG_NAME")]);
    cargo.args(PEERS.iter().flat_map(|(_, example)| ["--example", example]));
    cargo.current_dir(env!("CARGO_MANIFEST_DIR")).arg("--target-dir").arg(target);
    let status = cargo.status().expect("cargo starts");
    assert!(status.success(), "the peers cannot be built");
    let library = |example: &str| release.join("examples").join(format!("lib{example}.so"));
    PEERS.iter().map(|(_, example)| library(example)).collect()
}

fn instructions(contenders: &[Contender], calls: &Path) -> Vec<String> {
    let count = |contender: &Contender| {
        let callgrind = contender.load_into(instructions::callgrind());
        instructions::per_call(&callgrind, calls, contender.preload, "random", COUNTED_CALLS)
    };
    let counts: Vec<_> = contenders.iter().map(count).collect();
    let base = counts[0];
    let mut cells = vec![format!("{base:.1}")];
    cells.extend(counts[1..].iter().map(|count| format!("{:.1}", count - base)));
    cells
}

/// Nanoseconds of a call: every contender in turn, many times.
fn times(contenders: &[Contender], calls: &Path, threads: u32, effort: Effort) -> Vec<String> {
    let arguments = ["random", TIMED_CALLS[0], TIMED_CALLS[1], &threads.to_string()];
    let time = |contender: &Contender| {
        let program = contender.load_into(crate::program(calls)).args(arguments);
        let run = program.run(contender.preload).succeeded();
        run.stdout.trim().parse::<f64>().unwrap_or_else(|e| panic!("{e}: {run:?}"))
    };
    let mut samples = vec![Vec::new(); contenders.len()];
    for _ in 0..effort.pick(15, 5) {
        for (contender, samples) in contenders.iter().zip(&mut samples) {
            samples.push(time(contender));
        }
    }
    let base = Figures::of(samples[0].clone()).median();
    let mut cells = vec![Figures::of(samples[0].clone()).with_spread(1.0, 1)];
    cells.extend(samples[1..].iter().map(|samples| {
        let added = samples.iter().map(|time| time - base).collect();
        Figures::of(added).with_spread(1.0, 1)
    }));
    cells
}
