//! What it takes to make a report of a long run.

use std::fmt::Write as _;
use std::fs::{self, File};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Instant;

use crate::Programs;
use crate::effort::Effort;
use crate::report::{Line, Section, Verdict};

/// Forks of the recording; half of the children go on to another program.
const FORKS: u32 = 100_000;

/// What a report of it may take.
const LIMIT_S: f64 = 2.0;
const LIMIT_MB: f64 = 200.0;

pub(crate) fn section(_: &Programs, effort: Effort) -> Section {
    let directory = tempfile::tempdir().expect("there is room for a recording");
    let recording = directory.path().join("run.jsonl");
    fs::write(&recording, long_run()).expect("there is room for a recording");
    let forms = ["text", "json", "junit", "sarif", "html"];
    let line = |form: &&str| Line::measured(effort, || line(form, &recording));
    Section {
        title: "Reports of a run of 100,000 forks",
        method: "seconds and megabytes that `forkfix report` takes, once",
        header: &["form", "seconds", "megabytes"],
        lines: forms.iter().map(line).collect(),
    }
}

#[allow(clippy::zombie_processes, reason = "wait4 waits for it, and says what it used")]
fn line(form: &str, recording: &Path) -> Line {
    let sink = File::options().write(true).open("/dev/null").expect("there is /dev/null");
    let begin = Instant::now();
    let mut command = Command::new(env!("CARGO_BIN_EXE_forkfix"));
    command.arg("report").arg(recording).arg(format!("--{form}"));
    let child = command.stdin(Stdio::null()).stdout(sink).spawn().expect("the command starts");
    let mut status = 0;
    // SAFETY: `rusage` is plain data, for which zeroes are valid.
    let mut usage: libc::rusage = unsafe { std::mem::zeroed() };
    let pid = libc::pid_t::try_from(child.id()).expect("a pid");
    // SAFETY: both places are ours and outlive the call; nobody else waits for this child.
    let waited = unsafe { libc::wait4(pid, &raw mut status, 0, &raw mut usage) };
    let seconds = begin.elapsed().as_secs_f64();
    assert!(waited == pid && status == 0, "there is no report: status {status:#x}");
    // Linux counts in units of 1,024 bytes.
    let megabytes = f64::from(u32::try_from(usage.ru_maxrss).expect("less than 4 TB")) * 1.024e-3;
    let holds = seconds <= LIMIT_S && megabytes <= LIMIT_MB;
    let cells = vec![form.to_owned(), format!("{seconds:.2}"), format!("{megabytes:.0}")];
    Line::judged(cells, Verdict::new(format!("{LIMIT_S:.0} s, {LIMIT_MB:.0} MB"), holds))
}

/// A recording as a test suite writes it that forks from eight workers.
fn long_run() -> String {
    let mut text = String::new();
    let mut add = |entry: std::fmt::Arguments<'_>| {
        writeln!(text, "{{\"schema\":\"forkfix.report/1\",{entry}}}").expect("memory takes all");
    };
    add(format_args!("\"type\":\"run\",\"command\":[\"pytest\"],\"hang_after_ms\":5000"));
    for index in 0..FORKS {
        let (at, pid, child) = (u64::from(index) * 700, 100 + index % 8, 1_000 + index);
        add(format_args!(
            "\"type\":\"fork\",\"at_us\":{at},\"pid\":{pid},\"tid\":{pid},\"child\":{child},\
             \"drain_us\":{},\"repaired\":2,\"test\":\"tests/test_{}.py::test_case (call)\"",
            index % 300,
            index % 97
        ));
        if index % 2 == 0 {
            let at = at + 90;
            add(format_args!(
                "\"type\":\"end\",\"at_us\":{at},\"pid\":{child},\"exec\":\"/bin/sh\""
            ));
            let process = format_args!("\"at_us\":{at},\"pid\":{child},\"ppid\":{pid}");
            add(format_args!("\"type\":\"process\",{process},\"argv0\":\"/bin/sh\""));
        }
        let at = at + 500;
        add(format_args!("\"type\":\"end\",\"at_us\":{at},\"pid\":{child}"));
    }
    text
}
