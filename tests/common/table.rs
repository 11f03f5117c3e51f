//! The hook table, as its source has it: for tests that must know every row.

use std::fs;
use std::path::Path;

/// The symbols of the rows of `kind` (`gated`, `routed`, `variadic` …) for Linux.
pub(crate) fn rows(kind: &str) -> Vec<String> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("interpose/src/table/linux");
    let files = fs::read_dir(directory).expect("the table is there");
    let paths = files.map(|file| file.expect("it is readable").path());
    paths.flat_map(|path| rows_of(&fs::read_to_string(path).expect("it is text"), kind)).collect()
}

fn rows_of(source: &str, kind: &str) -> Vec<String> {
    let mut symbols = Vec::new();
    let mut inside = false;
    for line in source.lines() {
        if line.ends_with("! {") {
            inside = line == format!("{kind}! {{");
        } else if line == "}" {
            inside = false;
        } else if inside {
            symbols.extend(symbol(line.trim()));
        }
    }
    symbols
}

/// The symbol of a row; nothing if the line is none, but the name of a family or an attribute.
fn symbol(line: &str) -> Option<String> {
    let row = line.strip_suffix(';')?;
    let row = row.strip_prefix("libc ").or_else(|| row.strip_prefix("bare ")).unwrap_or(row);
    let end = row.find(|c: char| !(c.is_ascii_alphanumeric() || c == '_'))?;
    (end > 0).then(|| row[..end].to_owned())
}
