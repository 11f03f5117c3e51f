//! The hook table, as its source has it: for tests that must know every row.

use std::fs;
use std::path::Path;

/// One row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Row {
    pub(crate) symbol: String,
    /// As the table calls it; empty for rows without one.
    pub(crate) family: String,
    /// How many arguments the table says it takes; 0 if it does not say.
    pub(crate) arguments: usize,
}

/// The rows of `kind` (`gated`, `routed`, `variadic` …) for Linux.
pub(crate) fn rows(kind: &str) -> Vec<Row> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("interpose/src/table/linux");
    let files = fs::read_dir(directory).expect("the table is there");
    let paths = files.map(|file| file.expect("it is readable").path());
    paths.flat_map(|path| rows_of(&fs::read_to_string(path).expect("it is text"), kind)).collect()
}

fn rows_of(source: &str, kind: &str) -> Vec<Row> {
    let mut rows = Vec::new();
    let (mut inside, mut family) = (false, "");
    for line in source.lines() {
        if line.ends_with("! {") {
            (inside, family) = (line == format!("{kind}! {{"), "");
        } else if line == "}" {
            inside = false;
        } else if inside {
            if let Some(name) = line.trim().strip_suffix(" {") {
                family = name;
            }
            rows.extend(row(line.trim(), family));
        }
    }
    rows
}

/// Nothing if the line is no row, but the name of a family or an attribute.
fn row(line: &str, family: &str) -> Option<Row> {
    let row = line.strip_suffix(';')?;
    let row = row.strip_prefix("libc ").or_else(|| row.strip_prefix("bare ")).unwrap_or(row);
    let end = row.find(|c: char| !(c.is_ascii_alphanumeric() || c == '_'))?;
    let (symbol, rest) = row.split_at(end);
    let arguments = rest.strip_prefix('(').and_then(|rest| rest.split_once(')'));
    let arguments = arguments.map_or(0, |(list, _)| list.matches(": ").count());
    let (symbol, family) = (symbol.to_owned(), family.to_owned());
    (!symbol.is_empty()).then_some(Row { symbol, family, arguments })
}
