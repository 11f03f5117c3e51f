//! What entries events become, and that no event does harm.

use std::fs;

use proptest::collection::vec;
use proptest::prelude::*;

use super::super::ring::tests::event;
use super::*;
use crate::cli::ReportFile;
use crate::report::Form;

/// Hardly any process has this id or the few before.
const NOBODY: u32 = MOST_PID;

/// What a journal tells of `events`, with a look after them: each line without its beginning.
fn told(events: &[Event]) -> Vec<String> {
    let file = tempfile::NamedTempFile::new().unwrap();
    let mut journal =
        Journal::open(&[ReportFile { path: file.path().to_owned(), form: Form::Json }]).unwrap();
    let now = Instant::now();
    let mut table = Table::new(now);
    table.begun_ns = 0;
    events.iter().for_each(|event| table.take(event, now, &mut journal));
    let later = now + NEXT_SWEEP;
    assert!(table.look(later, Duration::ZERO, &mut journal).is_empty());
    assert!(table.processes.is_empty(), "none of them exists");
    table.finish(&mut journal);
    journal.flush();
    let lines = fs::read_to_string(file.path()).unwrap();
    let line = |line: &str| line.split_once("\"type\":").map(|(_, rest)| rest.to_owned());
    lines.lines().filter_map(line).collect()
}

fn with_text(kind: Kind, pid: u32, text: &str) -> Event {
    let mut event = event(kind, pid);
    event.text[..text.len()].copy_from_slice(text.as_bytes());
    event
}

fn of_fork(kind: Kind, pid: u32, numbers: [u64; 2]) -> Event {
    let mut event = event(kind, pid);
    (event.serial, event.code) = (77, 3);
    event.numbers[..2].copy_from_slice(&numbers);
    event
}

#[test]
fn a_fork_is_told_when_its_child_is_ready() {
    let told = told(&[
        with_text(Kind::Start, NOBODY - 1, "program"),
        Event { serial: 77, time_ns: 5000, ..with_text(Kind::Fork, NOBODY - 1, "TEST=one") },
        of_fork(Kind::Drain, NOBODY - 1, [1500, 1]),
        of_fork(Kind::GiveUp, NOBODY - 1, [0, 9000]),
        of_fork(Kind::Repair, NOBODY, [0, 0]),
        of_fork(Kind::Ready, NOBODY, [u64::from(NOBODY - 1), 0]),
    ]);
    let fork = "\"fork\",\"at_us\":5,\"pid\":4194303,\"tid\":4194303,\"child\":4194304,\"drain_us\":2,\
                \"gave_up\":[{\"tid\":4194303,\"name\":\"\",\"inside\":\"\",\"inside_us\":9}],\
                \"repaired\":3,\"test\":\"TEST=one\"}";
    assert!(told[0].starts_with("\"process\""), "{told:#?}");
    assert_eq!(told[1], fork);
    assert_eq!(told.iter().filter(|line| line.starts_with("\"end\"")).count(), 2, "{told:#?}");
    assert_eq!(told.len(), 4);
}

#[test]
fn a_fork_without_a_child_is_told_too() {
    let fork = of_fork(Kind::Fork, NOBODY, [0, 0]);
    let lost = told(&[fork]);
    assert!(lost[0].starts_with("\"fork\"") && !lost[0].contains("child"), "{lost:#?}");
    let failed = told(&[fork, of_fork(Kind::Failed, NOBODY, [0, 0])]);
    assert!(failed[0].contains("\"error\":3"), "{failed:#?}");
    assert_eq!((lost.len(), failed.len()), (1, 1));
}

#[test]
fn another_program_is_told_when_it_is_certain() {
    let ready = of_fork(Kind::Ready, NOBODY, [1, 0]);
    let exec = |path| with_text(Kind::Exec, NOBODY, path);
    let failed = event(Kind::ExecFailed, NOBODY);
    let told = told(&[
        ready,
        exec("/a/ls"),
        failed,
        exec("/b/ls"),
        with_text(Kind::Start, NOBODY, "ls"),
        event(Kind::Exit, NOBODY),
    ]);
    let kinds: Vec<&str> = told.iter().filter_map(|line| line.split('"').nth(1)).collect();
    assert_eq!(kinds, ["fork", "end", "process", "end"]);
    assert!(told[1].contains("\"exec\":\"/b/ls\""), "{told:#?}");
    assert!(!told[3].contains("exec"), "{told:#?}");
}

/// Kind, process, numbers, serial number, code, time and name.
type Parts = (u32, u32, [u64; 6], u64, u32, u64, [u8; 16]);

fn any_parts() -> impl Strategy<Value = Parts> {
    let pid = prop_oneof![Just(0), NOBODY - 3..NOBODY + 3, NOBODY + 1..];
    (0..12u32, pid, any::<[u64; 6]>(), 0..4u64, any::<u32>(), any::<u64>(), any::<[u8; 16]>())
}

fn of_parts((kind, pid, numbers, serial, code, time_ns, name): Parts) -> Event {
    Event { kind, numbers, serial, code, time_ns, name, ..event(Kind::Exit, pid) }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    /// Processes that do not exist are told to have ended, and nothing is kept of them.
    #[test]
    fn any_events_are_survived(events in vec(any_parts(), 1..500)) {
        told(&events.into_iter().map(of_parts).collect::<Vec<_>>());
    }
}

#[test]
fn forks_that_never_end_take_little_room() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let files = [ReportFile { path: file.path().to_owned(), form: Form::Json }];
    let mut journal = Journal::open(&files).unwrap();
    let now = Instant::now();
    let mut table = Table::new(now);
    for serial in 0..3 * MOST_FORKS as u64 {
        table.take(&Event { serial, ..event(Kind::Fork, NOBODY) }, now, &mut journal);
    }
    assert_eq!(table.forks.len(), MOST_FORKS);
    table.finish(&mut journal);
    assert_eq!(journal.figures.summary().forks, 3 * MOST_FORKS as u64);
}
