//! The library's hook table, as far as the census needs it: which symbol has which kind of row.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

/// What the library does with a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    /// Passes the gate; after a lost thread it is made all the same.
    Gated,
    /// Passes the gate; after a lost thread the child gets an answer instead.
    Answered,
    /// Goes through its `_r` twin, which is gated.
    Redirected,
    /// Has a body of its own.
    Routed,
    /// Waits while the gate is closed; its lock is taken for the fork.
    Delayed,
    /// Is a few lines of C that call another row.
    Variadic,
}

impl Kind {
    /// As the catalogue says it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Gated => "gated",
            Self::Answered => "gated and answered",
            Self::Redirected => "redirected",
            Self::Routed => "own body",
            Self::Delayed => "held off, lock taken for the fork",
            Self::Variadic => "gated through its `v` form",
        }
    }
}

fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The symbols that the library exports, as `tests/symbols.rs` sees to.
pub(crate) fn symbols() -> BTreeSet<String> {
    let list = fs::read_to_string(repository().join("tests/symbols.linux.txt"));
    list.expect("the list is readable").lines().map(str::to_owned).collect()
}

/// The rows for Linux. Panics if they are not those that the library exports.
pub(crate) fn rows() -> BTreeMap<String, Kind> {
    let mut rows = BTreeMap::new();
    let directories =
        ["linux", "locks"].map(|name| repository().join("interpose/src/table").join(name));
    for file in
        directories.iter().flat_map(|path| fs::read_dir(path).expect("the table is readable"))
    {
        let path = file.expect("the table is readable").path();
        let text = fs::read_to_string(path).expect("the table is readable");
        let mut group = None;
        for line in text.lines() {
            match line.split_once("! {") {
                Some((name, "")) => group = Some(name),
                _ if line == "}" => group = None,
                _ => rows.extend(group.and_then(|group| row(group, line.trim()))),
            }
        }
    }
    let names: BTreeSet<_> = rows.keys().cloned().collect();
    let odd: Vec<_> = names.symmetric_difference(&symbols()).cloned().collect();
    assert!(
        odd.is_empty(),
        "in the hook table or in tests/symbols.linux.txt, not in both: {odd:?}"
    );
    rows
}

fn row(group: &str, line: &str) -> Option<(String, Kind)> {
    if !line.ends_with(';') {
        return None;
    }
    let kind = match group {
        "gated" if line.contains(" = ") => Kind::Answered,
        "gated" => Kind::Gated,
        "redirected" => Kind::Redirected,
        "routed" => Kind::Routed,
        "delayed" => Kind::Delayed,
        "variadic" => Kind::Variadic,
        _ => return None,
    };
    let name = line.strip_prefix("libc ").or(line.strip_prefix("bare ")).unwrap_or(line);
    let name = name.split(['(', ' ']).next()?;
    Some((name.to_owned(), kind))
}
