//! Forks of programs that only start others: they wait for no lock of the program, and nothing is told of those
//! that were held.

#![cfg(target_os = "linux")]

mod common;

use common::{Preload, Program, Run};

const FORKS: u64 = 20;

/// Runs `history MODE`; its children must come to their ends.
#[track_caller]
fn protected(mode: &str) -> Run {
    let program = Program::compiled("history.c").args([mode, &FORKS.to_string()]);
    let run = program.run(Preload::Protected).unharmed(FORKS);
    let orphaned = run.stats().get("orphaned");
    assert_eq!(orphaned, run.tally().forks, "each fork found the mutex held: {run:#?}");
    run
}

/// The first fork waits, because it cannot know.
#[test]
fn children_that_become_other_programs() {
    let run = protected("start");
    assert_eq!(run.stats().get("gave_up"), 1, "{run:#?}");
    assert!(run.messages().is_empty(), "{run:#?}");
}

/// Every fork waits for a thread that keeps the mutex, and that is told of once.
#[test]
fn children_that_stay() {
    let run = protected("stay");
    assert_eq!(run.stats().get("gave_up"), FORKS, "{run:#?}");
    assert_eq!(run.messages().len(), 1, "{run:#?}");
}

#[test]
fn children_whose_exec_fails() {
    let run = protected("fail");
    assert_eq!(run.stats().get("gave_up"), FORKS, "{run:#?}");
    assert_eq!(run.messages().len(), 1, "{run:#?}");
}

/// The mutex is free in the child all the same, and is told of when the program ends.
#[test]
fn a_child_that_stays_where_others_did_not() {
    let run = protected("guess");
    assert_eq!(run.stats().get("gave_up"), 1, "{run:#?}");
    let [message] = run.messages()[..] else { panic!("not one message: {run:#?}") };
    assert!(message.ends_with("the child has it free, and what it guards may be half done"));
}

/// Who asked for reports gets them, whatever the children do.
#[test]
fn reports_that_were_asked_for() {
    let program = Program::compiled("history.c").args(["start", &FORKS.to_string()]);
    let run = program.options("orphans=report").run(Preload::Protected).unharmed(FORKS);
    assert_eq!(run.stats().get("gave_up"), FORKS, "{run:#?}");
    assert_eq!(run.messages().len(), 1, "{run:#?}");
}
