//! A report as JUnit's XML, for CI systems that show test results: one failed test case for each hang.

use std::io::{self, Write};
use std::time::Duration;

use quick_junit::{NonSuccessKind, Report, TestCase, TestCaseStatus, TestSuite};

use super::model::{Entry, Hang};
use super::overview::Overview;
use super::words::{command_line, headline, plain};
use super::{place, text, words};

/// The whole recording.
pub(super) fn render(entries: &[Entry], out: &mut dyn Write) -> io::Result<()> {
    let Overview { run, hangs, summary, .. } = Overview::of(entries);
    let mut suite = TestSuite::new("forkfix");
    let command = command_line(&run.command);
    for (name, value) in [
        ("command", command.as_str()),
        ("started", &plain(&run.started)),
        ("forkfix", &plain(&run.version)),
        ("forks", &summary.forks.to_string()),
        ("gave_up", &summary.gave_up.to_string()),
        ("repaired", &summary.repaired.to_string()),
    ] {
        suite.add_property((name, value));
    }
    suite.add_test_cases(hangs.iter().map(|hang| failure(hang)));
    if hangs.is_empty() {
        let mut passed = TestCase::new("no forked child hangs", TestCaseStatus::success());
        passed.set_classname("forkfix");
        suite.add_test_case(passed);
    }
    suite.set_time(Duration::from_micros(summary.at_us));
    suite.set_system_out(text::summary(&summary));
    let mut report = Report::new("forkfix");
    report.set_time(Duration::from_micros(summary.at_us));
    report.add_test_suite(suite);
    // Not straight to `out`: of an error there it would not tell the kind.
    let xml = report.to_string().map_err(io::Error::other)?;
    out.write_all(xml.as_bytes())
}

fn failure(hang: &Hang) -> TestCase {
    let mut status = TestCaseStatus::non_success(NonSuccessKind::Failure);
    status.set_message(headline(hang));
    status.set_type(plain(&hang.reason.code));
    status.set_description(text::hang(hang));
    let mut case = TestCase::new(name(hang), status);
    case.set_classname("forkfix");
    case.set_time(Duration::from_millis(hang.waited_ms));
    case
}

/// The test's id; without one, what stays the same from run to run.
fn name(hang: &Hang) -> String {
    if let Some(test) = &hang.test {
        return plain(test).into_owned();
    }
    let place = hang.fork.as_ref().and_then(place::of).map(words::whereabouts);
    let place = place.unwrap_or_else(|| "an unknown place".to_owned());
    format!("child of {} forked at {place}", plain(&hang.argv0))
}
