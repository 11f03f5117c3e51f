//! The schema, and that every form takes all that a recording can say.

use std::fs;
use std::path::{Path, PathBuf};

use proptest::prelude::*;
use serde_json::Value;

use super::model::{
    End, Entry, Fork, Frame, GaveUp, Hang, Holder, Line, Lock, Process, Reason, Run, Summary,
    Thread,
};
use super::{Form, json, read, render};

fn in_repository(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

fn fixture(name: &str) -> String {
    let path = in_repository("tests/fixtures/report").join(name);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

#[test]
fn the_schema_is_the_model_s() {
    let schema = schemars::schema_for!(Line);
    let text = serde_json::to_string_pretty(&schema).expect("it is JSON") + "\n";
    let path = in_repository("docs/report.schema.json");
    if std::env::var_os("FORKFIX_BLESS").is_some() {
        fs::write(&path, text).expect("docs is writable");
        return;
    }
    let there = fs::read_to_string(&path).unwrap_or_default();
    let differ = text.lines().zip(there.lines()).find(|(new, old)| new != old);
    assert!(
        text == there,
        "docs/report.schema.json is not what the model says now; the first difference, new and old: \
         {differ:#?}\nWrite it anew: FORKFIX_BLESS=1 cargo test --bin forkfix report"
    );
}

/// Whether `value` is as `schema` says, by the keywords that the schema uses. Unlike in JSON Schema, a
/// property that is not named is a fault, so that the fixtures have no misspelt ones.
fn conforms(value: &Value, schema: &Value, root: &Value) -> bool {
    let list = |keyword: &str| schema.get(keyword).and_then(Value::as_array);
    let is_of = |name: &Value| match name.as_str() {
        Some("object") => value.is_object(),
        Some("array") => value.is_array(),
        Some("string") => value.is_string(),
        Some("integer") => value.is_i64() || value.is_u64(),
        Some("boolean") => value.is_boolean(),
        Some("null") => value.is_null(),
        other => panic!("unknown type {other:?}"),
    };
    let types = schema.get("type");
    let typed = match types {
        Some(Value::Array(names)) => names.iter().any(is_of),
        Some(name) => is_of(name),
        None => true,
    };
    let referred = schema.get("$ref").and_then(Value::as_str).is_none_or(|reference| {
        let target = root.pointer(reference.trim_start_matches('#'));
        conforms(value, target.expect("references lead somewhere"), root)
    });
    let constant = schema.get("const").is_none_or(|constant| constant == value);
    let required = list("required").into_iter().flatten().filter_map(Value::as_str);
    let complete = { required }.all(|name| value.get(name).is_some());
    let properties = schema.get("properties").and_then(Value::as_object);
    let fields = properties
        .into_iter()
        .flatten()
        .all(|(name, schema)| value.get(name).is_none_or(|value| conforms(value, schema, root)));
    let items = schema.get("items").is_none_or(|schema| {
        value.as_array().into_iter().flatten().all(|item| conforms(item, schema, root))
    });
    let any =
        |keyword| list(keyword).is_none_or(|all| all.iter().any(|one| conforms(value, one, root)));
    typed && referred && constant && complete && fields && items && any("oneOf") && any("anyOf")
}

#[test]
fn every_line_of_the_fixtures_conforms_to_the_schema() {
    let schema = serde_json::to_value(schemars::schema_for!(Line)).expect("it is JSON");
    for name in ["rich.jsonl", "healthy.jsonl", "hostile.jsonl"] {
        for text in fixture(name).lines() {
            let value: Value = serde_json::from_str(text).expect("it is JSON");
            assert!(conforms(&value, &schema, &schema), "{name}: {text}");
            let mut other = value.clone();
            other["type"] = "weather".into();
            assert!(!conforms(&other, &schema, &schema), "the check checks nothing");
        }
    }
}

#[test]
fn what_is_written_is_what_was_read() {
    for name in ["rich.jsonl", "healthy.jsonl"] {
        let text = fixture(name);
        let recording = read::read(text.as_bytes()).expect("it is a recording");
        let values = |text: &str| -> Vec<Value> {
            text.lines().map(|line| serde_json::from_str(line).expect("it is JSON")).collect()
        };
        let written: String = recording.entries.iter().map(json::line).collect();
        assert_eq!(values(&written), values(&text), "{name}");
    }
}

#[test]
fn every_reason_is_explained_where_the_report_points_to() {
    let path = in_repository("docs/reports.md");
    let manual = fs::read_to_string(path).expect("it is there");
    let recording = read::read(fixture("rich.jsonl").as_bytes()).expect("it is a recording");
    for entry in &recording.entries {
        if let Entry::Hang(hang) = entry {
            let heading = format!("\n### {}\n", hang.reason.code);
            assert!(manual.contains(&heading), "{heading}");
        }
    }
}

#[test]
fn names_of_files_ask_for_forms() {
    for (name, form) in [
        ("a.txt", Some(Form::Text)),
        ("a.jsonl", Some(Form::Json)),
        ("a/b.json", Some(Form::Json)),
        ("a.xml", Some(Form::Junit)),
        ("a.sarif", Some(Form::Sarif)),
        ("a.html", Some(Form::Html)),
        ("html", None),
        ("a.jsonl.gz", None),
    ] {
        assert_eq!(Form::of_path(Path::new(name)), form, "{name}");
    }
}

const FORMS: [Form; 5] = [Form::Text, Form::Json, Form::Junit, Form::Sarif, Form::Html];

fn rendered(form: Form, entries: &[Entry]) -> String {
    let mut out = Vec::new();
    render(form, entries, &mut out).expect("memory takes all");
    String::from_utf8(out).expect("it is text")
}

#[test]
fn a_long_run_has_a_short_page() {
    let fork = |index: u32, pid: u32| {
        let gave_up = vec![GaveUp { inside_us: u64::from(index), ..GaveUp::default() }; 2];
        let (at_us, child) = (u64::from(index) * 900, Some(index + 2));
        Entry::Fork(Fork { at_us, pid, child, gave_up, ..Fork::default() })
    };
    let hang = |index: u32| {
        let lock = Lock { symbol: Some(format!("lock{index}")), ..Lock::default() };
        Entry::Hang(Box::new(Hang { pid: index, lock, ..Hang::default() }))
    };
    let parents: [fn(u32) -> u32; 4] = [
        |_| 1,
        // A tree, a chain, and children of whom nothing is known.
        |index| 1 + index / 3,
        |index| 1 + index,
        |index| 1_000_000 + index,
    ];
    for parent in parents {
        let forks = (0..100_000).map(|index| fork(index, parent(index)));
        let entries: Vec<_> = forks.chain((0..1_000).map(hang)).collect();
        let page = rendered(Form::Html, &entries);
        assert!(page.len() < 400_000, "{} bytes", page.len());
    }
    // What it takes to hold a recording in memory.
    assert!(size_of::<Entry>() <= 160, "{} bytes", size_of::<Entry>());
}

/// Texts as programs, and those who attack them, choose them.
fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        Just(String::new()),
        Just("</style><script>alert(1)</script>".to_owned()),
        Just("\u{1b}]0;x\u{7}\n]]>\u{0}".to_owned()),
        proptest::collection::vec(any::<char>(), 0..12).prop_map(|text| text.into_iter().collect()),
    ]
}

/// Numbers about the ends of their ranges, and small ones that meet.
fn number() -> impl Strategy<Value = u64> {
    prop_oneof![0..4_u64, Just(u64::MAX), any::<u64>()]
}

fn pid() -> impl Strategy<Value = u32> {
    prop_oneof![0..4_u32, any::<u32>()]
}

fn frames() -> impl Strategy<Value = Vec<Frame>> {
    let frame =
        (proptest::option::of(text()), text(), any::<u32>()).prop_map(|(function, file, line)| {
            Frame {
                function,
                file: Some(file.clone()),
                module: Some(file),
                line: Some(line),
                ..Frame::default()
            }
        });
    proptest::collection::vec(frame, 0..3)
}

fn thread() -> impl Strategy<Value = Thread> {
    (pid(), text(), frames(), frames()).prop_map(|(tid, name, frames, python)| Thread {
        tid,
        name,
        frames,
        python,
    })
}

fn hang() -> impl Strategy<Value = Hang> {
    let lock = (text(), proptest::option::of(text()));
    let threads = (proptest::collection::vec(thread(), 0..3), thread(), thread());
    (number(), pid(), pid(), lock, threads, text(), any::<bool>()).prop_map(
        |(us, pid, ppid, (kind, symbol), (waiting, holder, fork), text, is_known)| Hang {
            at_us: us,
            pid,
            ppid,
            argv0: text.clone(),
            waited_ms: us,
            test: is_known.then(|| text.clone()),
            lock: Lock { kind, symbol: symbol.clone(), module: symbol, ..Lock::default() },
            waiting,
            holder: is_known.then(|| Holder {
                thread: holder,
                known_by: text.clone(),
                held_us: Some(us),
            }),
            fork: is_known.then_some(fork),
            reason: Reason { code: text.clone(), text: text.clone() },
            advice: vec![text.clone()],
            action: text,
        },
    )
}

fn entry() -> impl Strategy<Value = Entry> {
    let fork = (number(), pid(), proptest::option::of(pid()), number(), text());
    prop_oneof![
        (text(), number()).prop_map(|(text, us)| Entry::Run(Run {
            version: text.clone(),
            command: vec![text.clone()],
            started: text,
            hang_after_ms: us,
        })),
        (number(), pid(), pid(), text()).prop_map(|(at_us, pid, ppid, argv0)| {
            Entry::Process(Process { at_us, pid, ppid, argv0 })
        }),
        fork.prop_map(|(at_us, pid, child, drain_us, test)| {
            let gave_up = vec![GaveUp {
                tid: pid,
                name: test.clone(),
                inside: test.clone(),
                inside_us: at_us,
            }];
            let (test, repaired) = (Some(test), u32::MAX);
            Entry::Fork(Fork {
                at_us,
                pid,
                child,
                drain_us,
                gave_up,
                repaired,
                test,
                ..Fork::default()
            })
        }),
        (number(), pid(), proptest::option::of(text()))
            .prop_map(|(at_us, pid, exec)| Entry::End(End { at_us, pid, exec })),
        hang().prop_map(|hang| Entry::Hang(Box::new(hang))),
        (number(), number(), any::<i32>()).prop_map(|(at_us, number, status)| {
            let summary =
                Summary { at_us, forks: number, drains: number, status, ..Summary::default() };
            Entry::Summary(Summary { lost_events: number, damaged_events: number, ..summary })
        }),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn every_form_takes_everything(entries in proptest::collection::vec(entry(), 0..12)) {
        for form in FORMS {
            let text = rendered(form, &entries);
            let acts = |c: char| c.is_control() && c != '\n' || ('\u{2028}'..='\u{202e}').contains(&c);
            let active = text.chars().find(|character| acts(*character));
            prop_assert_eq!(active, None, "{:?}", form);
        }
        let page = rendered(Form::Html, &entries);
        prop_assert!(!page.contains("<script"), "a name became a tag");
        let xml = rendered(Form::Junit, &entries);
        prop_assert!(quick_junit::Report::deserialize_from_str(&xml).is_ok(), "{}", xml);
        let sarif: Value = serde_json::from_str(&rendered(Form::Sarif, &entries))?;
        prop_assert_eq!(&sarif["version"], "2.1.0");
        let lines = rendered(Form::Json, &entries);
        prop_assert!(entries.is_empty() || read::read(lines.as_bytes()).is_ok(), "{}", lines);
        // What is called a summary, nothing but our own last line of a hang is.
        let hangs = entries.iter().filter(|entry| matches!(entry, Entry::Hang(_))).count();
        let text = rendered(Form::Text, &entries);
        prop_assert_eq!(text.lines().filter(|line| line.starts_with("SUMMARY: ")).count(), hangs);
    }
}
