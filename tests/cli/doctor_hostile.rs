//! Broken and hostile files: `forkfix doctor` ends by itself, with a sentence.

use std::fs::{self, File};
use std::os::unix::fs::FileExt;

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

use crate::fixture::{Files, forkfix, output};

/// The status of `doctor` for a program with this content; it must say something, and not end by a signal.
fn diagnose(files: &Files, content: &[u8]) -> Option<i32> {
    let program = files.file("program", 0o755, content);
    let result = output(forkfix().arg("doctor").arg(&program));
    let text = String::from_utf8_lossy(&result.stdout).into_owned();
    let last = text.lines().last().unwrap_or_default();
    assert!(last.ends_with("run protected."), "{result:?}");
    assert!(result.stderr.is_empty(), "{result:?}");
    result.status.code()
}

#[test]
fn truncated_programs_are_refused() {
    let files = Files::new();
    let whole = fs::read(files.show("show")).expect("it is ours");
    for length in [0, 3, 4, 16, 40, 63, 64, 100, 500, 1000, 4096, whole.len() / 2] {
        let code = diagnose(&files, &whole[..length]);
        // What does not even look like a program is text, which the shell runs.
        assert_eq!(code, Some(if length < 4 { 0 } else { 125 }), "{length} bytes");
    }
}

/// Headers that claim tables of a terabyte, in a file with as large a hole.
#[test]
fn sizes_are_not_believed() {
    let files = Files::new();
    let mut content = fs::read(files.show("show")).expect("it is ours");
    // e_shoff, e_shnum (none, so that the first section's size counts), and that size.
    let table = content.len() as u64;
    content[0x28..0x30].copy_from_slice(&table.to_le_bytes());
    content[0x3c..0x3e].copy_from_slice(&0u16.to_le_bytes());
    let program = files.file("program", 0o755, &content);
    let file = File::options().write(true).open(&program).expect("it is ours");
    file.set_len(1 << 40).expect("holes cost nothing");
    file.write_at(&(1u64 << 33).to_le_bytes(), table + 0x20).expect("it is ours");
    let result = output(forkfix().arg("doctor").arg(&program));
    assert!(result.status.code().is_some(), "{result:?}");
    assert!(result.stderr.is_empty(), "{result:?}");
}

#[test]
fn changed_programs_crash_nothing() {
    let files = Files::new();
    let whole = fs::read(files.show("show")).expect("it is ours");
    // Headers, and the tables at the end, are hit more often than code.
    let length = whole.len();
    let place = prop_oneof![0..64usize, 64..1024usize, 0..length, length - 2500..length];
    let changes = vec((place, any::<u8>()), 1..6);
    let mut runner =
        TestRunner::new(Config { cases: 150, failure_persistence: None, ..Config::default() });
    runner
        .run(&changes, |changes| {
            let mut content = whole.clone();
            for (at, byte) in changes {
                content[at] = byte;
            }
            prop_assert!(matches!(diagnose(&files, &content), Some(0 | 125)));
            Ok(())
        })
        .expect("no crash");
}
