//! What is a hang, when it is reported, and what is done then.

use std::fs;

use crate::common::DEADLINE;
use crate::{Forkfix, reports, status};

/// The numbers called `field` in lines of a recording that are of `kind`.
fn numbers(recording: &str, kind: &str, field: &str) -> Vec<u64> {
    let is_of_kind = |line: &&str| line.contains(&format!("\"type\":\"{kind}\""));
    let number = |line: &str| {
        let rest = line.split(&format!("\"{field}\":")).nth(1)?;
        rest.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok()
    };
    recording.lines().filter(is_of_kind).filter_map(number).collect()
}

#[test]
fn a_child_that_hangs_is_reported_in_time_and_killed_alone() {
    let report = tempfile::Builder::new().suffix(".jsonl").tempfile().expect("a file");
    let path = report.path().to_str().expect("it is UTF-8");
    for mode in ["hangs", "hangs-in-threads"] {
        let forkfix =
            Forkfix::new(&["--watch", "--hang-after", "1", "--on-hang", "kill", "--report", path]);
        let run = forkfix.watch(&[mode]);
        assert_eq!((status(&run), reports(&run)), (3, 1), "{run:#?}");
        assert_eq!(run.stdout, "child died by signal 9\n", "its parent waited, and goes on");
        assert!(run.stderr.contains("The child was killed."), "{run:#?}");
        let recording = fs::read_to_string(path).expect("it was written");
        let [forked] = numbers(&recording, "fork", "at_us")[..] else { panic!("{recording}") };
        let [hung] = numbers(&recording, "hang", "at_us")[..] else { panic!("{recording}") };
        // A second for --hang-after, one to notice, and two for a busy machine.
        assert!((1_000_000..4_000_000).contains(&(hung - forked)), "{recording}");
        assert_eq!(numbers(&recording, "hang", "pid"), numbers(&recording, "fork", "child"));
    }
}

#[test]
fn a_child_can_be_aborted_instead() {
    let run =
        Forkfix::new(&["--watch", "--hang-after", "0.3", "--on-hang", "core"]).watch(&["hangs"]);
    assert_eq!((status(&run), reports(&run)), (3, 1), "{run:#?}");
    assert_eq!(run.stdout, "child died by signal 6\n");
}

#[test]
fn a_child_is_reported_once_and_left_and_ended_with_the_program() {
    let arguments = ["--watch", "--hang-after", "0.3", "--timeout", "4"];
    let run = Forkfix::new(&arguments).watch(&["hangs"]);
    assert_eq!((status(&run), reports(&run)), (124, 1), "{run:#?}");
    assert!(run.stderr.contains("has not ended within 4 s"), "{run:#?}");
}

#[test]
fn a_time_out_reports_children_that_wait() {
    let run = Forkfix::new(&["--watch", "--timeout", "1"]).watch(&["hangs"]);
    assert_eq!((status(&run), reports(&run)), (124, 1), "{run:#?}");
    let arguments = ["--watch", "--timeout", "1", "--error-exitcode", "9"];
    assert_eq!(status(&Forkfix::new(&arguments).watch(&["hangs"])), 9);
    let run = Forkfix::new(&arguments).watch(&["sleeps", "60000"]);
    assert_eq!((status(&run), reports(&run)), (124, 0), "{run:#?}");
}

#[test]
fn what_does_not_mind_sigterm_is_killed() {
    let script = "trap '' TERM; sleep 100 & while :; do sleep 1; done";
    let run = Forkfix::new(&["--watch", "--timeout", "0.2"]).run(&["sh", "-c", script]);
    assert_eq!(status(&run), 124, "{run:#?}");
}

#[test]
fn a_hang_can_be_the_exit_status() {
    let arguments =
        ["--watch", "--hang-after", "0.3", "--on-hang", "kill", "--error-exitcode", "42"];
    assert_eq!(status(&Forkfix::new(&arguments).watch(&["hangs"])), 42);
    assert_eq!(status(&Forkfix::new(&arguments).watch(&["leaves-sleeping", "0"])), 5);
}

#[test]
fn what_a_program_left_hanging_is_waited_for() {
    let run = Forkfix::new(&["--watch", "--hang-after", "1"]).watch(&["leaves", "100"]);
    assert_eq!((status(&run), reports(&run)), (5, 1), "{run:#?}");
}

#[test]
fn what_a_program_left_working_is_not() {
    let run = Forkfix::new(&["--watch"]).watch(&["leaves-sleeping", "600000"]);
    assert_eq!((status(&run), run.stderr.as_str()), (5, ""), "{run:#?}");
}

#[test]
fn slow_children_are_none() {
    for mode in ["burns", "sleeps", "reads", "times", "shares", "threads"] {
        let run = Forkfix::new(&["--watch", "--hang-after", "0.3"]).watch(&[mode, "1500"]);
        let run = run.succeeded();
        assert_eq!(
            (run.stdout.as_str(), run.stderr.as_str()),
            ("child exited with 0\n", ""),
            "{mode}"
        );
    }
}

#[test]
fn another_program_is_none() {
    let script = format!("{} stands & sleep 1.5; kill $!", crate::watched());
    let run = Forkfix::new(&["--watch", "--hang-after", "0.3"]).run(&["sh", "-c", &script]);
    assert_eq!(run.succeeded().stderr, "");
}

/// `FORKFIX_HEALTHY_SECONDS` says for how long.
#[test]
fn a_thousand_healthy_children_a_second_are_none() {
    let seconds = std::env::var("FORKFIX_HEALTHY_SECONDS");
    let seconds = seconds.ok().and_then(|text| text.parse().ok()).unwrap_or(3);
    let mut forkfix = Forkfix::new(&["--watch", "--hang-after", "0.2", "--stats"]);
    forkfix.program =
        forkfix.program.deadline(DEADLINE + std::time::Duration::from_secs(2 * seconds));
    let run = forkfix.watch(&["healthy", &seconds.to_string()]).succeeded();
    let forks = seconds * 1000;
    let thousands = format!("{},{:03} forks in ", forks / 1000, forks % 1000);
    assert_eq!(reports(&run), 0);
    assert!(run.stderr.contains(&thousands), "{run:#?}");
    assert!(!run.stderr.contains("not complete"), "{run:#?}");
}

#[test]
fn reports_of_all_forms_are_written() {
    let directory = tempfile::tempdir().expect("there is room for files");
    let names = ["a.jsonl", "b.json", "c.txt", "d.xml", "e.sarif", "f.html"];
    let paths = names.map(|name| directory.path().join(name));
    let mut arguments = vec!["--watch", "--hang-after", "0.3", "--on-hang", "kill"];
    for path in &paths {
        arguments.extend(["--report", path.to_str().expect("it is UTF-8")]);
    }
    let run = Forkfix::new(&arguments).watch(&["hangs"]);
    assert_eq!(reports(&run), 1);
    let [lines, same, text, ..] =
        paths.each_ref().map(|path| fs::read_to_string(path).expect("written"));
    assert_eq!(lines, same);
    assert!(
        lines.lines().last().is_some_and(|line| line.contains("\"type\":\"summary\"")),
        "{lines}"
    );
    assert!(text.contains("SUMMARY: forkfix: "), "{text}");
    assert!(paths.iter().all(|path| path.metadata().is_ok_and(|found| found.len() > 0)));
}
