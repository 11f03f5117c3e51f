//! A report as SARIF 2.1.0, for code hosts that show findings beside the source.
//!
//! A finding stands at the line that forks, which is the one to change; the lines that wait and that held
//! the lock are its related places. One rule for each [reason](super::model::Reason).

use std::collections::BTreeMap;
use std::io::{self, Write};

use serde::Serialize;
use serde_json::{Map, Value, json};

use super::json::Harmless;
use super::model::{Entry, Frame, Hang, Thread};
use super::overview::Overview;
use super::place;
use super::words::{
    command_line, function, headline, in_module, lock_name, plain, signature, thread_id,
};

/// Where a reader finds what the codes mean.
const HELP: &str = concat!(env!("CARGO_PKG_REPOSITORY"), "/blob/main/docs/reports.md");

/// The whole recording.
pub(super) fn render(entries: &[Entry], out: &mut dyn Write) -> io::Result<()> {
    let Overview { run, hangs, summary, is_whole } = Overview::of(entries);
    let codes: BTreeMap<_, _> =
        hangs.iter().map(|hang| (hang.reason.code.as_str(), *hang)).collect();
    let rules: Vec<_> = codes.iter().map(|(code, example)| rule(code, example)).collect();
    let index = |hang: &Hang| codes.keys().position(|code| *code == hang.reason.code);
    let mut invocation = json!({ "executionSuccessful": true });
    if !run.command.is_empty() {
        invocation["commandLine"] = command_line(&run.command).into();
    }
    if is_time(&run.started) {
        invocation["startTimeUtc"] = run.started.into();
    }
    if is_whole {
        invocation["exitCode"] = summary.status.into();
    }
    let report = json!({
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [{
            "tool": { "driver": {
                "name": "forkfix",
                "version": run.version,
                "informationUri": env!("CARGO_PKG_REPOSITORY"),
                "rules": rules,
            } },
            "invocations": [invocation],
            "columnKind": "unicodeCodePoints",
            "results": hangs.iter().map(|hang| result(hang, index(hang))).collect::<Vec<_>>(),
        }],
    });
    report.serialize(&mut serde_json::Serializer::with_formatter(&mut *out, Harmless))?;
    writeln!(out)
}

/// Whether a text can be a time in UTC; readers refuse the whole report for another.
fn is_time(text: &str) -> bool {
    let is_of_time = |c: char| c.is_ascii_digit() || "-:.TZ".contains(c);
    (20..=35).contains(&text.len()) && text.ends_with('Z') && text.chars().all(is_of_time)
}

/// What a code means, by the first hang that has it.
fn rule(code: &str, example: &Hang) -> Value {
    let mut rule = json!({
        "id": plain(code),
        "shortDescription": { "text": "A forked child hangs" },
        "fullDescription": message(&example.reason.text),
        "helpUri": format!("{HELP}#{}", uri(&code.to_lowercase())),
        "defaultConfiguration": { "level": "error" },
        "properties": { "tags": ["fork", "deadlock"] },
    });
    if !example.advice.is_empty() {
        rule["help"] = message(&example.advice.join(" "));
    }
    rule
}

/// What a thread did to make the child hang.
struct Step<'a> {
    thread: &'a Thread,
    what: String,
}

fn result(hang: &Hang, rule: Option<usize>) -> Value {
    let Hang { lock, holder, fork, waiting, reason, .. } = hang;
    let step = |thread, what: String| Step { thread, what };
    let lock = lock_name(lock);
    let holds = holder.as_ref().map(|holder| step(&holder.thread, format!("holds {lock}")));
    let forks = fork.as_ref().map(|fork| step(fork, format!("forks process {}", hang.pid)));
    let waits =
        waiting.first().map(|thread| step(thread, format!("waits in the child for {lock}")));
    // In the order in which it happened.
    let steps: Vec<_> = [&holds, &forks, &waits].into_iter().flatten().collect();
    let related = [&holds, &waits].into_iter().flatten().filter_map(Step::location);
    let mut result = json!({
        "ruleId": plain(&reason.code),
        "level": "error",
        "kind": "fail",
        "message": { "text": sentences(hang) },
        "locations": forks.iter().filter_map(Step::location).collect::<Vec<_>>(),
        "relatedLocations": related.collect::<Vec<_>>(),
        "partialFingerprints": { "forkHang/v1": signature(hang) },
    });
    if let Some(rule) = rule {
        result["ruleIndex"] = rule.into();
    }
    let stacks: Vec<_> = steps.iter().flat_map(|step| step.stacks()).collect();
    if !stacks.is_empty() {
        result["stacks"] = stacks.into();
    }
    let flows = (1..).zip(&steps).filter_map(|(order, step)| step.flow(order));
    let flows: Vec<_> = flows.collect();
    if !flows.is_empty() {
        result["codeFlows"] = json!([{ "threadFlows": flows }]);
    }
    result
}

/// What happened, why, what to do, and in which test.
fn sentences(hang: &Hang) -> String {
    let mut sentences = vec![headline(hang), hang.reason.text.clone()];
    sentences.extend(hang.advice.iter().cloned());
    sentences.extend(hang.test.iter().map(|test| format!("Test: {test}")));
    sentences.iter().map(|sentence| plain(sentence)).collect::<Vec<_>>().join("\n")
}

impl Step<'_> {
    /// The place that the thread's stack is about.
    fn location(&self) -> Option<Value> {
        let mut location = location(place::of(self.thread)?);
        location["message"] = message(&format!("{} {}", thread_id(self.thread), self.what));
        Some(location)
    }

    /// This step alone, as the `order`th of all threads.
    fn flow(&self, order: u64) -> Option<Value> {
        let location = self.location()?;
        Some(json!({
            "id": thread_id(self.thread),
            "locations": [{ "location": location, "executionOrder": order }],
        }))
    }

    /// The thread's stacks, Python's first.
    fn stacks(&self) -> Vec<Value> {
        let Thread { tid, python, frames, .. } = self.thread;
        let text = format!("{} {}", thread_id(self.thread), self.what);
        let stacks = [(format!("{text} (Python)"), python), (text, frames)];
        let stacks = stacks.into_iter().filter(|(_, frames)| !frames.is_empty());
        let stack = |(text, frames): (String, &Vec<Frame>)| {
            let frames: Vec<_> = frames.iter().map(|frame| stack_frame(*tid, frame)).collect();
            json!({ "message": message(&text), "frames": frames })
        };
        stacks.map(stack).collect()
    }
}

fn stack_frame(tid: u32, frame: &Frame) -> Value {
    let mut value = json!({ "threadId": tid, "location": location(frame) });
    if let Some(module) = in_module(frame.module.as_deref(), frame.offset.as_deref()) {
        value["module"] = module.into();
    }
    value
}

/// A frame's line, if it is known, and its function.
fn location(frame: &Frame) -> Value {
    let mut location = Map::new();
    if let Some(file) = &frame.file {
        let mut physical = json!({ "artifactLocation": { "uri": uri(file) } });
        if let Some(line) = frame.line.filter(|line| *line > 0) {
            physical["region"] = json!({ "startLine": line });
        }
        location.insert("physicalLocation".to_owned(), physical);
    }
    let logical = json!([{ "fullyQualifiedName": function(frame), "kind": "function" }]);
    location.insert("logicalLocations".to_owned(), logical);
    location.into()
}

/// A message is never empty.
fn message(text: &str) -> Value {
    let text = plain(text);
    json!({ "text": if text.is_empty() { "no more is known" } else { &text } })
}

/// A path as a reference of RFC 3986: relative as it is, absolute with its scheme.
fn uri(path: &str) -> String {
    let mut uri = if path.starts_with('/') { "file://".to_owned() } else { String::new() };
    for byte in path.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' | b'/' => {
                uri.push(char::from(byte));
            }
            _ => uri.push_str(&format!("%{byte:02X}")),
        }
    }
    uri
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_and_times_are_as_readers_want_them() {
        assert_eq!(uri("/a b/ä.c"), "file:///a%20b/%C3%A4.c");
        assert!(is_time("2026-11-22T09:30:00.25Z") && !is_time("yesterday"));
        assert_eq!(uri("src/c:d?#.rs"), "src/c%3Ad%3F%23.rs");
    }
}
