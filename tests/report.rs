//! `forkfix report`: each form of each recording of `tests/fixtures/report`, through the command, and the
//! page in a browser.
//!
//! What is written is compared with `tests/snapshots`; `INSTA_UPDATE=always` writes them anew.

mod common;

use std::fs;
use std::path::{Path, PathBuf};

use assert_cmd::Command;
use predicates::prelude::*;
use predicates::str::contains;
use serde_json::Value;
use tempfile::TempDir;

#[cfg(target_os = "linux")]
#[path = "report/browser.rs"]
mod browser;

/// The forms, as options and as endings of files.
const FORMS: [(&str, &str); 5] = [
    ("--text", "txt"),
    ("--json", "jsonl"),
    ("--junit", "xml"),
    ("--sarif", "sarif"),
    ("--html", "html"),
];

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/report").join(name)
}

fn report(recording: impl AsRef<Path>) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_forkfix"));
    command.arg("report").arg(recording.as_ref());
    command
}

/// What `forkfix report` writes of a fixture, with nothing on standard error. Versions are left out.
fn rendered(name: &str, form: &str) -> String {
    let assert = report(fixture(name)).arg(form).assert().success().stderr("");
    let text = String::from_utf8(assert.get_output().stdout.clone()).expect("it is text");
    text.replace(concat!("</a> ", env!("CARGO_PKG_VERSION")), "</a> VERSION")
}

#[test]
fn text() {
    insta::assert_snapshot!("rich_text", rendered("rich.jsonl", "--text"));
    insta::assert_snapshot!("healthy_text", rendered("healthy.jsonl", "--text"));
    insta::assert_snapshot!("hostile_text", rendered("hostile.jsonl", "--text"));
}

#[test]
fn json() {
    let lines = rendered("rich.jsonl", "--json");
    let there = fs::read_to_string(fixture("rich.jsonl")).expect("it is there");
    assert!(lines == there, "the form is not the recording's own");
    insta::assert_snapshot!("hostile_json", rendered("hostile.jsonl", "--json"));
}

#[test]
fn junit() {
    insta::assert_snapshot!("rich_junit", rendered("rich.jsonl", "--junit"));
    insta::assert_snapshot!("healthy_junit", rendered("healthy.jsonl", "--junit"));
    let hostile = rendered("hostile.jsonl", "--junit");
    insta::assert_snapshot!("hostile_junit", hostile);
    let report = quick_junit::Report::deserialize_from_str(&hostile).expect("it is XML");
    assert_eq!((report.tests, report.failures), (2, 2));
}

#[test]
fn sarif() {
    for name in ["rich", "healthy", "hostile"] {
        let text = rendered(&format!("{name}.jsonl"), "--sarif");
        let sarif: Value = serde_json::from_str(&text).expect("it is JSON");
        assert_is_sarif(&sarif);
        let pretty = serde_json::to_string_pretty(&sarif).expect("it is JSON");
        insta::assert_snapshot!(format!("{name}_sarif"), pretty);
    }
}

/// What SARIF 2.1.0 requires, as far as the report uses it.
fn assert_is_sarif(sarif: &Value) {
    let text = |value: &Value| value.as_str().is_some_and(|text| !text.is_empty());
    let all = |value: &Value| value.as_array().cloned().unwrap_or_default();
    let location = |value: &Value| {
        let physical = &value["physicalLocation"];
        let line = &physical["region"]["startLine"];
        assert!(physical.is_null() || text(&physical["artifactLocation"]["uri"]), "{value}");
        assert!(line.is_null() || line.as_u64().is_some_and(|line| line > 0), "{value}");
        let has_text = |message: &Value| message.is_null() || text(&message["text"]);
        assert!(has_text(&value["message"]), "{value}");
    };
    assert_eq!(sarif["version"], "2.1.0");
    let runs = all(&sarif["runs"]);
    assert_eq!(runs.len(), 1);
    for run in &runs {
        let driver = &run["tool"]["driver"];
        assert!(text(&driver["name"]));
        let rules = all(&driver["rules"]);
        assert!(rules.iter().all(|rule| rule["id"].is_string()));
        for invocation in all(&run["invocations"]) {
            assert!(invocation["executionSuccessful"].is_boolean());
        }
        for result in all(&run["results"]) {
            assert!(text(&result["message"]["text"]), "{result}");
            let index = result["ruleIndex"].as_u64().and_then(|index| usize::try_from(index).ok());
            let rule = index.and_then(|index| rules.get(index)).expect("each result has a rule");
            assert_eq!(rule["id"], result["ruleId"]);
            all(&result["locations"]).iter().for_each(location);
            all(&result["relatedLocations"]).iter().for_each(location);
            for stack in all(&result["stacks"]) {
                let frames = all(&stack["frames"]);
                assert!(!frames.is_empty());
                frames.iter().for_each(|frame| location(&frame["location"]));
            }
            for flow in all(&result["codeFlows"]) {
                let threads = all(&flow["threadFlows"]);
                assert!(!threads.is_empty());
                for thread in threads {
                    let steps = all(&thread["locations"]);
                    assert!(!steps.is_empty());
                    steps.iter().for_each(|step| location(&step["location"]));
                }
            }
        }
    }
}

/// A page's headings, paragraphs, and what its pictures say, one a line.
fn outline(page: &str) -> String {
    let (_, body) = page.split_once("<body>").expect("it has a body");
    let mut lines = Vec::new();
    for piece in body.split('<') {
        let Some((tag, text)) = piece.split_once('>') else { continue };
        let name = tag.split(' ').next().unwrap_or_default();
        if !text.trim().is_empty() {
            lines.push(format!("{name}: {}", text.trim()));
        }
    }
    lines.join("\n")
}

#[test]
fn html() {
    for name in ["rich", "healthy", "hostile"] {
        let page = rendered(&format!("{name}.jsonl"), "--html");
        assert!(page.starts_with("<!DOCTYPE html><html lang=\"en\">"));
        for tag in ["<script", "<img", "<iframe", "<object", "<link rel=\"stylesheet"] {
            assert!(!page.contains(tag), "{name}: {tag}");
        }
        // Where names are harmless, nothing else refers to anywhere either.
        for reference in [" src=", "@import", "url(", " onload=", "http-equiv=\"refresh"] {
            assert!(name == "hostile" || !page.contains(reference), "{name}: {reference}");
        }
        insta::assert_snapshot!(format!("{name}_html"), outline(&page));
    }
}

#[test]
fn the_form_is_the_option_s_or_the_file_s() {
    let directory = TempDir::new().expect("there is room");
    for (option, ending) in FORMS {
        let path = directory.path().join(format!("report.{ending}"));
        report(fixture("rich.jsonl")).arg("-o").arg(&path).assert().success().stdout("").stderr("");
        let named = fs::read(&path).expect("it was written");
        let mut printed = report(fixture("rich.jsonl"));
        let printed = printed.arg(option).assert().success().get_output().stdout.clone();
        assert!(named == printed && !named.is_empty(), "{option}");
        report(fixture("rich.jsonl"))
            .args([option, "-o"])
            .arg(directory.path().join("x"))
            .assert()
            .success();
        assert_eq!(fs::read(directory.path().join("x")).expect("it was written"), printed);
    }
    let text = report(fixture("rich.jsonl")).assert().success().get_output().stdout.clone();
    assert_eq!(String::from_utf8_lossy(&text), rendered("rich.jsonl", "--text"));
}

#[test]
fn a_recording_can_come_from_standard_input() {
    let mut command = report("-");
    command.pipe_stdin(fixture("rich.jsonl")).expect("it is there");
    command.assert().success().stdout(rendered("rich.jsonl", "--text"));
}

#[test]
fn what_was_recorded_before_the_end_is_kept() {
    let warning = || {
        let one = predicate::function(|text: &str| text.lines().count() == 1);
        let line = contains("forkfix: line 13 of '");
        line.and(contains("truncated.jsonl', the last one, is broken")).and(one)
    };
    let told = contains("has no last line")
        .and(contains("3 forks in 4 processes"))
        .and(contains("status unknown"));
    report(fixture("truncated.jsonl")).assert().success().stderr(warning()).stdout(told);
    let page = contains("The recording has no last line").and(contains("status is unknown"));
    report(fixture("truncated.jsonl"))
        .arg("--html")
        .assert()
        .success()
        .stderr(warning())
        .stdout(page);
}

#[test]
fn what_is_no_recording_is_refused_in_one_sentence() {
    let directory = TempDir::new().expect("there is room");
    let file = |name: &str, content: &[u8]| {
        let path = directory.path().join(name);
        fs::write(&path, content).expect("it is ours");
        path
    };
    let rich = fs::read(fixture("rich.jsonl")).expect("it is there");
    let damaged: Vec<_> = rich.iter().map(|byte| if *byte == b'5' { 0 } else { *byte }).collect();
    for (path, message) in [
        (
            fixture("other-schema.jsonl"),
            "has the schema 'forkfix.report/2' in line 2, and this forkfix reads",
        ),
        (fixture("nothing.jsonl"), "cannot be read (No such file or directory"),
        (directory.path().to_owned(), "cannot be read (Is a directory"),
        (file("empty", b""), "has no line of a recording in it"),
        (file("elf", b"\x7fELF\0\0\x01\n\xff\n"), "line 1 is not a JSON object of the schema"),
        (file("damaged", &damaged), "line 1 is not a JSON object of the schema"),
        (
            file("other", b"{\"forks\": 3}\n{\"forks\": 3}\n"),
            "line 1 is not a JSON object of the schema",
        ),
    ] {
        let one = predicate::function(|text: &str| text.lines().count() == 1);
        let sentence =
            one.and(contains(format!("forkfix: '{}' ", path.display()))).and(contains(message));
        report(&path).assert().code(125).stdout("").stderr(sentence);
    }
    let nowhere = directory.path().join("no/where.html");
    let sentence =
        contains("forkfix: the report cannot be written to '").and(contains("where.html'"));
    report(fixture("rich.jsonl")).arg("-o").arg(nowhere).assert().code(125).stderr(sentence);
}

#[test]
fn a_wrong_command_line_is_2() {
    report(fixture("rich.jsonl")).args(["--text", "--html"]).assert().code(2);
    Command::new(env!("CARGO_BIN_EXE_forkfix"))
        .arg("report")
        .assert()
        .code(2)
        .stderr(contains("<FILE>"));
}

#[test]
fn a_reader_that_has_seen_enough_does_no_harm() {
    for (option, _) in FORMS {
        let mut shell = Command::new("/bin/sh");
        let script = "{ \"$0\" report \"$1\" \"$2\"; echo $? >&2; } | true";
        shell
            .args(["-c", script, env!("CARGO_BIN_EXE_forkfix")])
            .arg(fixture("rich.jsonl"))
            .arg(option);
        shell.assert().success().stderr("0\n");
    }
}
