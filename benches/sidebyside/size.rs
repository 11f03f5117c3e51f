//! How large the library is, and what it needs.

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::Programs;
use crate::common;
use crate::effort::Effort;
use crate::report::{Line, Section, Verdict};

/// The largest size, stripped, in kilobytes of 1,000 bytes.
const LIMIT_KB: f64 = 1000.0;

/// All that the library may need.
const ALLOWED: [&str; 3] = ["ld-linux-x86-64.so.2", "libc.so.6", "libgcc_s.so.1"];

pub(crate) fn section(_: &Programs, _: Effort) -> Section {
    let library = common::library();
    let size = stripped_kb(library);
    let needed = needed(library);
    let allowed = needed.iter().all(|name| ALLOWED.contains(&name.as_str()));
    let line = |what: &str, found: String, limit: String, holds| {
        Line::judged(vec![what.to_owned(), found], Verdict::new(limit, holds))
    };
    Section {
        title: "The library",
        method: "stripped, in kilobytes; and the libraries that it needs",
        header: &["what", "found"],
        lines: vec![
            line("size", format!("{size:.0}"), format!("{LIMIT_KB:.0}"), size <= LIMIT_KB),
            line("needs", needed.join(" "), ALLOWED.join(" "), allowed),
        ],
    }
}

fn stripped_kb(library: &Path) -> f64 {
    let stripped = tempfile::NamedTempFile::new().expect("a temporary file");
    let mut strip = Command::new("strip");
    let status = strip.arg("-o").arg(stripped.path()).arg(library).status();
    assert!(status.expect("strip starts").success(), "the library cannot be stripped");
    let bytes = fs::read(stripped.path()).expect("strip wrote it").len();
    f64::from(u32::try_from(bytes).expect("less than 4 GB")) / 1e3
}

/// The names in the library's `DT_NEEDED` entries.
fn needed(library: &Path) -> Vec<String> {
    let mut readelf = Command::new("readelf");
    readelf.env("LC_ALL", "C").args(["--dynamic", "--wide"]).arg(library);
    let output = readelf.output().expect("readelf starts");
    assert!(output.status.success(), "readelf cannot read the library");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let name =
        |line: &str| Some(line.split_once("(NEEDED)")?.1.split(['[', ']']).nth(1)?.to_owned());
    text.lines().filter_map(name).collect()
}
