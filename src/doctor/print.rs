//! The diagnosis as text and as JSON.

use std::fmt::{self, Display};
use std::io::{Result, Write, stdout};

use super::known::Outcome;
use super::signs::Evidence;
use super::{Diagnosis, Finding, Verdict};

/// What stands above the findings of one kind, in their order.
const GROUPS: [(Outcome, &str); 5] = [
    (Outcome::Covered, "covered:"),
    (Outcome::Repaired, "repaired in the child:"),
    (Outcome::Unaffected, "takes care of forks itself:"),
    (Outcome::Diagnosable, "only diagnosable (forkfix run --watch names what a child waits for):"),
    (Outcome::Unprotected, "cannot be protected:"),
];

/// Prints lines: first what decides whether it runs protected, then what was found in it, in groups.
pub(super) fn lines(diagnosis: &Diagnosis) -> Result<()> {
    let mut out = stdout().lock();
    for finding in diagnosis.findings.iter().filter(|finding| finding.is_check()) {
        let Finding { check, verdict, message, .. } = finding;
        let verdict = match verdict {
            Verdict::Ok => "ok",
            Verdict::Warn => "warn",
            Verdict::Fail => "fail",
        };
        writeln!(out, "{verdict:<4}  {check:<11}  {message}")?;
    }
    for (outcome, title) in GROUPS {
        let is_in = |finding: &&Finding| !finding.is_check() && finding.outcome == Some(outcome);
        let mut group = diagnosis.findings.iter().filter(is_in).peekable();
        if group.peek().is_some() {
            writeln!(out, "{title}")?;
        }
        for finding in group {
            writeln!(out, "  {:<15}  {}", finding.check, finding.means)?;
            if !finding.helps.is_empty() {
                writeln!(out, "  {:<15}  helps: {}", "", finding.helps)?;
            }
            if let Some(first) = finding.evidence.first() {
                let more = More(finding.files.saturating_sub(1));
                writeln!(out, "  {:<15}  found: {first}{more}", "")?;
            }
        }
    }
    let command = &diagnosis.command;
    match diagnosis.protected {
        true => writeln!(out, "'{command}' would run protected."),
        false => writeln!(out, "'{command}' would not run protected."),
    }
}

/// Prints one object.
pub(super) fn json(diagnosis: &Diagnosis) -> Result<()> {
    let mut out = stdout().lock();
    serde_json::to_writer_pretty(&mut out, diagnosis)?;
    writeln!(out)
}

impl Display for Evidence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { file, kind, name } = self;
        match *kind {
            "file" => write!(f, "{file}"),
            kind => write!(f, "{kind} {name} in {file}"),
        }
    }
}

/// How many files more.
struct More(usize);

impl Display for More {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            0 => Ok(()),
            1 => write!(f, ", and 1 more file"),
            count => write!(f, ", and {count} more files"),
        }
    }
}
