//! `forkfix doctor`: says beforehand what will and will not work for a program.
//!
//! It asks the same questions as `forkfix run` through the same functions, so that the two cannot
//! disagree, and adds what is only good to know.

mod known;

use std::ffi::OsStr;
use std::io::{Write, stdout};
use std::process::ExitCode;

use serde::Serialize;

use crate::cli::DoctorArgs;
use crate::environment::Environment;
use crate::error::Error;
use crate::exit;
use crate::handshake::Answer;
use crate::library::Library;
use crate::run;
use crate::sys::{self, PRELOAD};
use crate::target::{Listing, Target};

/// How much a finding matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
enum Verdict {
    /// Works.
    Ok,
    /// Works, but there is something to know.
    Warn,
    /// Does not work, so `forkfix run` would refuse.
    Fail,
}

/// One line of the diagnosis.
#[derive(Debug, Serialize)]
struct Finding {
    check: String,
    verdict: Verdict,
    message: String,
}

/// The whole diagnosis, as `--json` prints it.
#[derive(Debug, Serialize)]
struct Diagnosis {
    schema: &'static str,
    command: String,
    protected: bool,
    findings: Vec<Finding>,
}

/// Examines the command of `args` and prints the findings. Exits with 0 if `forkfix run` would run it
/// protected.
pub(crate) fn run(args: &DoctorArgs) -> ExitCode {
    let mut findings = Findings(Vec::new());
    let command = args.command.first().map(OsStr::new).unwrap_or_default();
    examine(args, command, &mut findings);
    let findings = findings.0;
    let protected = findings.iter().all(|finding| finding.verdict != Verdict::Fail);
    let command = command.to_string_lossy().into_owned();
    let diagnosis = Diagnosis { schema: "forkfix.doctor/1", command, protected, findings };
    // A reader that closed the pipe has seen enough.
    let _ = if args.json { print_json(&diagnosis) } else { print_lines(&diagnosis) };
    ExitCode::from(if protected { 0 } else { exit::REFUSED })
}

struct Findings(Vec<Finding>);

impl Findings {
    fn add(&mut self, verdict: Verdict, check: impl Into<String>, message: impl Into<String>) {
        self.0.push(Finding { check: check.into(), verdict, message: message.into() });
    }

    fn fail(&mut self, check: &str, error: &Error) {
        self.add(Verdict::Fail, check, error.to_string());
    }
}

fn examine(args: &DoctorArgs, command: &OsStr, findings: &mut Findings) {
    let environment = run::inherited();
    let library = examine_library(args, &environment, findings);
    examine_system(&environment, findings);
    let target = match Target::resolve(command, &environment) {
        Ok(target) => target,
        Err(error) => return findings.fail("target", &error),
    };
    match target.describe() {
        Ok(what) => findings.add(Verdict::Ok, "target", describe(&target, &what)),
        Err(error) => return findings.fail("target", &error),
    }
    let Some(library) = library else { return };
    let library = match run::fitting(library, &target, &environment) {
        Ok(library) => library,
        Err(error) => return findings.fail("library", &error),
    };
    let mut protected = environment;
    protected.preload(library.path());
    match run::verdict(&library, &target, &protected) {
        Ok(listing) => examine_listing(&target, &listing, findings),
        // Told among the findings about the system.
        Err(Error::KillSwitch) => {}
        Err(error) => findings.fail("loader", &error),
    }
}

fn examine_library(
    args: &DoctorArgs,
    environment: &Environment,
    findings: &mut Findings,
) -> Option<Library> {
    match run::ready(args.library.path(), environment) {
        Ok((library, answer)) => {
            let (path, version) = (library.path().display(), env!("CARGO_PKG_VERSION"));
            let options = match answer {
                Answer::Ready { options } => options,
                Answer::Help(_) => "help=1".to_owned(),
            };
            let message = format!("'{path}' answers: version {version}, {options}");
            findings.add(Verdict::Ok, "library", message);
            Some(library)
        }
        Err(error) => {
            findings.fail("library", &error);
            None
        }
    }
}

fn examine_system(environment: &Environment, findings: &mut Findings) {
    if environment.is_switched_off() {
        findings.fail("switch", &Error::KillSwitch);
    }
    match sys::barrier() {
        Ok(sentence) => findings.add(Verdict::Ok, "kernel", sentence),
        Err(sentence) => findings.add(Verdict::Warn, "kernel", sentence),
    }
    findings.add(Verdict::Ok, "libc", sys::libc());
}

/// One sentence on what the command is; `what` is the end of it.
fn describe(target: &Target, what: &str) -> String {
    let program = target.program.display();
    match target.scripts.first() {
        None => format!("'{program}' is {what}"),
        Some(script) => {
            format!("'{}' is a script run by '{program}', which is {what}", script.display())
        }
    }
}

fn examine_listing(target: &Target, listing: &Listing, findings: &mut Findings) {
    let count = listing.libraries.len();
    findings.add(Verdict::Ok, "loader", format!("it would map the library, among {count} objects"));
    for (name, reason) in &listing.ignored {
        let message =
            format!("the loader will leave out '{name}', which {PRELOAD} names: {reason}");
        findings.add(Verdict::Warn, "preload", message);
    }
    if let Some(image) = &target.image {
        for (name, note) in known::notes(&target.program, image, listing) {
            findings.add(Verdict::Warn, name, note);
        }
    }
}

fn print_lines(diagnosis: &Diagnosis) -> std::io::Result<()> {
    let mut out = stdout().lock();
    for Finding { check, verdict, message } in &diagnosis.findings {
        let verdict = match verdict {
            Verdict::Ok => "ok",
            Verdict::Warn => "warn",
            Verdict::Fail => "fail",
        };
        writeln!(out, "{verdict:<4}  {check:<11}  {message}")?;
    }
    let command = &diagnosis.command;
    match diagnosis.protected {
        true => writeln!(out, "'{command}' would run protected."),
        false => writeln!(out, "'{command}' would not run protected."),
    }
}

fn print_json(diagnosis: &Diagnosis) -> std::io::Result<()> {
    let mut out = stdout().lock();
    serde_json::to_writer_pretty(&mut out, diagnosis)?;
    writeln!(out)
}
