//! What loading the library adds to the start of a program.

use std::process::Command;
use std::time::Instant;

use crate::Programs;
use crate::common;
use crate::effort::Effort;
use crate::figures::Figures;
use crate::report::{Line, Section, Verdict};

/// What a start may take over bare, in milliseconds.
const LIMIT_MS: f64 = 1.0;

pub(crate) fn section(_: &Programs, effort: Effort) -> Section {
    Section {
        title: "Start and end of `true`",
        method: "milliseconds, median (the middle half) of spawn and wait",
        header: &["program", "bare", "protected", "added"],
        lines: vec![Line::measured(effort, || line(effort))],
    }
}

fn line(effort: Effort) -> Line {
    let mut samples = [Vec::new(), Vec::new()];
    let rounds = effort.pick(500, 200);
    for round in 0..rounds + 10 {
        let times = [start(false), start(true)];
        // The first rounds warm up.
        if round >= 10 {
            samples.iter_mut().zip(times).for_each(|(samples, time)| samples.push(time));
        }
    }
    let pairs = samples[0].iter().zip(&samples[1]);
    let added = Figures::of(pairs.map(|(bare, protected)| protected - bare).collect()).median();
    let [bare, protected] = samples.map(Figures::of);
    Line::judged(
        vec![
            "true".to_owned(),
            bare.with_spread(1.0, 2),
            protected.with_spread(1.0, 2),
            format!("{added:.2}"),
        ],
        Verdict::new(format!("{LIMIT_MS:.2}"), added <= LIMIT_MS),
    )
}

/// Milliseconds that one run takes.
fn start(protected: bool) -> f64 {
    let mut command = Command::new("/bin/true");
    command.env_clear();
    if protected {
        command.env("LD_PRELOAD", common::library());
    }
    let begin = Instant::now();
    let status = command.status().expect("/bin/true can be started");
    let took = begin.elapsed();
    assert!(status.success(), "/bin/true failed: {status}");
    took.as_secs_f64() * 1e3
}
