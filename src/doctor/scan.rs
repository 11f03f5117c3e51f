//! Looks for what is known in the files of a program.

use std::path::{Path, PathBuf};

use super::known::{Ground, Outcome, ROWS, Row};
use super::signs::{Evidence, Object, Sign};

/// So much is told of one finding.
const MOST_EVIDENCE: usize = 20;

/// How the names of files begin that are libc, its loader, or what our library needs: nothing but the name counts.
const LIBC: &[&str] =
    &["libc.", "libc-", "ld-", "ld64.", "libpthread", "libgcc_s", "linux-vdso", "libSystem"];

/// Something that was found.
pub(super) struct Found {
    pub(super) row: &'static Row,
    /// What shows it, at most [`MOST_EVIDENCE`] of it.
    pub(super) evidence: Vec<Evidence>,
    /// In how many files it was found.
    pub(super) files: usize,
}

/// Looks through the files `mapped`, which the program loads, and `bundled`, which it can load.
pub(super) fn scan(ground: &Ground, mapped: &[PathBuf], bundled: &[PathBuf]) -> Vec<Found> {
    let rows = ROWS.iter().filter(|row| (row.on)(ground));
    let mut all: Vec<_> =
        rows.map(|row| (Found { row, evidence: Vec::new(), files: 0 }, false)).collect();
    let mapped = mapped.iter().map(|path| (path, true));
    for (path, is_mapped) in mapped.chain(bundled.iter().map(|path| (path, false))) {
        let object = open(path);
        for (found, is_other) in &mut all {
            let row = found.row;
            // What libc and locks are is plain from what is mapped.
            if !is_mapped && row.outcome == Outcome::Covered {
                continue;
            }
            *is_other = *is_other || row.unless.iter().any(|sign| object.has(*sign));
            let signs = row.signs.iter().filter(|sign| is_mapped || is_cheap(&object, **sign));
            let Some(evidence) = signs.copied().find_map(|sign| object.find(sign)) else {
                continue;
            };
            found.files += 1;
            if found.evidence.len() < MOST_EVIDENCE {
                found.evidence.push(evidence);
            }
        }
    }
    all.retain(|(found, is_other)| found.files > 0 && !is_other);
    let mut found: Vec<_> = all.into_iter().map(|(found, _)| found).collect();
    found.sort_by_key(|found| found.row.outcome);
    found
}

fn open(path: &Path) -> Object<'_> {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    match LIBC.iter().any(|start| name.starts_with(start)) {
        true => Object::named(path),
        false => Object::open(path),
    }
}

/// Whether `sign` is quickly looked for in one of thousands of files: constants, which are large, only where crates
/// can be among them.
fn is_cheap(object: &Object<'_>, sign: Sign) -> bool {
    !matches!(sign, Sign::Crate(_)) || object.has(Sign::Comment("rustc version"))
}
