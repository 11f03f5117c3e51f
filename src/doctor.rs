//! `forkfix doctor`: says beforehand what will and will not work for a program.
//!
//! It asks the same questions as `forkfix run` through the same functions, so that the two cannot
//! disagree, and adds what is only good to know.

mod known;
mod parts;
mod print;
mod python;
mod scan;
mod signs;
#[cfg(test)]
mod tests;

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use serde::Serialize;

use crate::cli::DoctorArgs;
use crate::environment::Environment;
use crate::error::Error;
use crate::exit;
use crate::handshake::Answer;
use crate::library::Library;
use crate::preset::Preset;
use crate::run;
use crate::sys::{self, PRELOAD};
use crate::target::{Listing, Target};
use known::{Ground, Outcome};
use scan::Found;
use signs::Evidence;

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
    /// All of it in one sentence.
    message: String,
    /// Of something that was found in the program, and of what keeps it from being protected.
    #[serde(skip_serializing_if = "Option::is_none")]
    outcome: Option<Outcome>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    evidence: Vec<Evidence>,
    /// How many files it was found in; of more than a few not all are among the evidence.
    #[serde(skip_serializing_if = "is_none")]
    files: usize,
    #[serde(skip)]
    means: &'static str,
    #[serde(skip_serializing_if = "String::is_empty")]
    helps: String,
    /// The preset that helps.
    #[serde(skip_serializing_if = "Option::is_none")]
    preset: Option<String>,
}

impl Finding {
    /// Whether it is of forkfix and the program as a whole, not of something in it.
    fn is_check(&self) -> bool {
        self.means.is_empty()
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes fields so")]
fn is_none(count: &usize) -> bool {
    *count == 0
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
    let protected = findings.are_good();
    let findings = findings.0;
    let command = command.to_string_lossy().into_owned();
    let diagnosis = Diagnosis { schema: "forkfix.doctor/1", command, protected, findings };
    // A reader that closed the pipe has seen enough.
    let _ = if args.json { print::json(&diagnosis) } else { print::lines(&diagnosis) };
    ExitCode::from(if protected { 0 } else { exit::REFUSED })
}

struct Findings(Vec<Finding>);

impl Findings {
    fn add(&mut self, verdict: Verdict, check: impl Into<String>, message: impl Into<String>) {
        self.0.push(Finding {
            check: check.into(),
            verdict,
            message: message.into(),
            outcome: (verdict == Verdict::Fail).then_some(Outcome::Unprotected),
            evidence: Vec::new(),
            files: 0,
            means: "",
            helps: String::new(),
            preset: None,
        });
    }

    fn fail(&mut self, check: &str, error: &Error) {
        self.add(Verdict::Fail, check, error.to_string());
        if let Some(finding) = self.0.last_mut() {
            finding.evidence.extend(evidence(error));
        }
    }

    fn found(&mut self, found: Found) {
        let Found { row, evidence, files } = found;
        let preset = row.preset.map(Preset::name);
        let option = preset.as_ref().map(|name| format!("--preset {name}"));
        let helps: Vec<_> = option
            .into_iter()
            .chain((!row.helps.is_empty()).then(|| row.helps.to_owned()))
            .collect();
        let helps = helps.join(", or ");
        let means = row.means;
        let message = match helps.is_empty() {
            true => means.to_owned(),
            false => format!("{means}; {helps}"),
        };
        let is_good = row.outcome < Outcome::Diagnosable;
        self.0.push(Finding {
            check: row.name.to_owned(),
            verdict: if is_good { Verdict::Ok } else { Verdict::Warn },
            message,
            outcome: Some(row.outcome),
            evidence,
            files,
            means,
            helps,
            preset,
        });
    }

    fn are_good(&self) -> bool {
        self.0.iter().all(|finding| finding.verdict != Verdict::Fail)
    }
}

/// What in the program shows why it would run unprotected, where that is one fact.
fn evidence(error: &Error) -> Option<Evidence> {
    let fact = |path: &Path, kind, name: String| {
        Some(Evidence { file: path.to_string_lossy().into_owned(), kind, name })
    };
    match error {
        Error::Static { path } => fact(path, "header", "no PT_INTERP".to_owned()),
        Error::Loader { path, interpreter } | Error::Musl { path, interpreter, .. } => {
            fact(path, "interpreter", interpreter.to_string_lossy().into_owned())
        }
        Error::Script { cause, .. } => evidence(cause),
        _ => None,
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
    let listing = examine_target(library, &target, &environment, findings);
    examine_content(&target, listing.as_ref(), &environment, findings);
}

/// What the loader would map, if the library is usable and would be among it.
fn examine_target(
    library: Option<Library>,
    target: &Target,
    environment: &Environment,
    findings: &mut Findings,
) -> Option<Listing> {
    match target.describe() {
        Ok(what) => findings.add(Verdict::Ok, "target", describe(target, &what)),
        Err(error) => {
            findings.fail("target", &error);
            return None;
        }
    }
    let library = match run::fitting(library?, target, environment) {
        Ok(library) => library,
        Err(error) => {
            findings.fail("library", &error);
            return None;
        }
    };
    let mut protected = environment.clone();
    protected.preload(library.path());
    match run::verdict(&library, target, &protected) {
        Ok(mut listing) => {
            examine_listing(&listing, findings);
            // What is in the library is no business of the program.
            listing.libraries.retain(|name| Path::new(name) != library.path());
            return Some(listing);
        }
        // Told among the findings about the system.
        Err(Error::KillSwitch) => {}
        Err(error) => findings.fail("loader", &error),
    }
    None
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

fn examine_listing(listing: &Listing, findings: &mut Findings) {
    let count = listing.libraries.len();
    findings.add(Verdict::Ok, "loader", format!("it would map the library, among {count} objects"));
    for (name, reason) in &listing.ignored {
        let message =
            format!("the loader will leave out '{name}', which {PRELOAD} names: {reason}");
        findings.add(Verdict::Warn, "preload", message);
    }
}

/// What is in the program, in the libraries that it loads, and in those that its packages have.
fn examine_content(
    target: &Target,
    listing: Option<&Listing>,
    environment: &Environment,
    findings: &mut Findings,
) {
    let mut mapped = vec![target.program.clone()];
    mapped.extend(
        listing.into_iter().flat_map(|listing| listing.libraries.iter().map(PathBuf::from)),
    );
    let packages = match listing {
        Some(_) => python::packages(&target.program, environment),
        None => python::Packages::default(),
    };
    let count = packages.libraries.len();
    if packages.is_cut {
        let message =
            format!("the packages of Python have more libraries than the {count} looked at");
        findings.add(Verdict::Warn, "packages", message);
    } else if count > 0 {
        let message = format!("{count} libraries are in the packages of Python, imported or not");
        findings.add(Verdict::Ok, "packages", message);
    }
    let orphans = environment.option("orphans");
    let orphans = orphans.as_deref().unwrap_or("repair");
    let ground = Ground {
        is_linux: cfg!(target_os = "linux"),
        is_glibc: target.runs_on_glibc(),
        begins_pools: environment.option("pools").is_none_or(|value| value == "gomp"),
        waits_for_locks: orphans != "off",
        repairs_locks: orphans == "repair",
    };
    let is_protected = findings.are_good();
    for found in scan::scan(&ground, &mapped, &packages.libraries) {
        // Where the library does not get, there is nothing to cover or to diagnose.
        if is_protected || found.row.outcome == Outcome::Unprotected {
            findings.found(found);
        }
    }
}
