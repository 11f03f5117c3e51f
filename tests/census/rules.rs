//! The lists beside this file: what the instructions cannot say. One rule a line, columns apart by tabs;
//! in a column, patterns apart by blanks, in which `*` stands for any text.
//!
//! | file | columns |
//! |---|---|
//! | `objects.txt` | lock, functions, shape, definition: locks by who waits for them |
//! | `pointers.txt` | exports, locks, reason: locks behind calls through pointers |
//! | `cuts.txt` | callers, callees, reason: calls that are not followed |
//! | `handled.txt` | locks, since, how it is known, reason: locks that fork itself sees to |
//! | `waivers.txt` | exports, locks, reason: what needs no hook |
//! | `shown.txt` | locks, proofs: rows of `forkfix prove`, and tests as `file::name`; or `!` and why there is none |

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// One line.
#[derive(Debug)]
pub(crate) struct Rule {
    pub(crate) columns: Vec<String>,
    /// For messages: `waivers.txt:12`.
    pub(crate) place: String,
    /// The patterns that something fitted, with their columns.
    used: Mutex<BTreeSet<(usize, String)>>,
}

impl Rule {
    fn patterns(&self, column: usize) -> impl Iterator<Item = &str> {
        self.columns[column].split(' ')
    }

    fn used(&self) -> MutexGuard<'_, BTreeSet<(usize, String)>> {
        self.used.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// True if a pattern of the column stands for `name`.
    pub(crate) fn fits(&self, column: usize, name: &str) -> bool {
        self.patterns(column).any(|pattern| matches(pattern, name))
    }

    /// Notes that `name` needed its pattern in that column.
    pub(crate) fn mark(&self, column: usize, name: &str) {
        let patterns = self.patterns(column).filter(|pattern| matches(pattern, name));
        self.used().extend(patterns.map(|pattern| (column, pattern.to_owned())));
    }

    /// The patterns of a column that nothing was marked for.
    pub(crate) fn stale(&self, column: usize) -> Vec<String> {
        let used = self.used();
        let unused = |pattern: &&str| !used.contains(&(column, (*pattern).to_owned()));
        let stale = self.patterns(column).filter(unused);
        stale.map(|pattern| format!("{}: {pattern}", self.place)).collect()
    }

    /// True if nothing was marked.
    pub(crate) fn is_unused(&self) -> bool {
        self.used().is_empty()
    }

    /// The last column.
    pub(crate) fn reason(&self) -> &str {
        self.columns.last().map_or("", String::as_str)
    }
}

/// The directory of the lists.
pub(crate) fn directory() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/census")
}

/// The rules of a list, each with this many columns.
pub(crate) fn read(list: &str, columns: usize) -> Vec<Rule> {
    let path = directory().join(list);
    let text = fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    parse(&text, list, columns)
}

/// The rules in `text`. Empty lines and those that start with `#` are passed over.
pub(crate) fn parse(text: &str, list: &str, columns: usize) -> Vec<Rule> {
    let lines = text.lines().enumerate();
    let lines = lines.filter(|(_, line)| !line.is_empty() && !line.starts_with('#'));
    let rule = |(number, line): (usize, &str)| {
        let place = format!("{list}:{}", number + 1);
        let found: Vec<_> = line.split('\t').map(str::to_owned).collect();
        assert!(
            found.len() == columns && found.iter().all(|column| !column.is_empty()),
            "{place}: {columns} columns with a tab between them are needed"
        );
        Rule { columns: found, place, used: Mutex::default() }
    };
    lines.map(rule).collect()
}

/// True if `name` is `pattern`, in which `*` stands for any text.
fn matches(pattern: &str, name: &str) -> bool {
    match pattern.split_once('*') {
        None => pattern == name,
        Some((start, rest)) => name.strip_prefix(start).is_some_and(|tail| {
            let mut ends = tail.char_indices().map(|(end, _)| end).chain([tail.len()]);
            ends.any(|end| matches(rest, &tail[end..]))
        }),
    }
}

#[test]
fn patterns_stand_for_names() {
    let rules = parse("# a list\n\nget*ent *_r\tlock[*.c]\twhy\n", "list", 3);
    let [rule] = &rules[..] else { panic!("{rules:?}") };
    assert!(rule.fits(0, "getpwent") && rule.fits(0, "getent") && rule.fits(0, "gmtime_r"));
    assert!(!rule.fits(0, "getpwent64") && !rule.fits(0, "forget_r_not"));
    assert!(rule.fits(1, "lock[abort.c]") && rule.place == "list:3" && rule.reason() == "why");
    rule.mark(0, "getpwent");
    assert_eq!(rule.stale(0), ["list:3: *_r"]);
}
