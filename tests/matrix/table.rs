//! `forkfix prove` with each libc, and the tables in `docs/libcs.md` of what it found.

use std::fmt::Write;
use std::fs;
use std::path::Path;
use std::time::Duration;

use serde_json::Value;

use crate::common::{LIBCS, Libc, MUSLS, Preload, Program};

const DOCUMENT: &str = "docs/libcs.md";
/// The tables stand behind this line.
const MARK: &str = "<!-- made by `make matrix` -->\n";

/// The forks of each row, and the hangs after which a bare one is decided.
fn length() -> (u64, u64) {
    if std::env::var_os("FORKFIX_MATRIX").is_some() { (2000, 5) } else { (20, 1) }
}

/// What `forkfix prove` says with `libc`.
fn prove(libc: &'static Libc) -> Value {
    let (forks, cut_off) = length();
    let program = Program::at(libc.command()).libc(libc);
    let program = program.args(["prove", "--json", "--library"]).args([libc.library()]);
    let program = program.args([format!("--forks={forks}"), format!("--cut-off={cut_off}")]);
    let run = program.deadline(Duration::from_secs(3600)).run(Preload::Bare);
    serde_json::from_str(&run.stdout).unwrap_or_else(|e| panic!("no document ({e}): {run:#?}"))
}

fn rows(document: &Value) -> &[Value] {
    document["rows"].as_array().expect("rows are an array")
}

fn number(value: &Value) -> u64 {
    value.as_u64().unwrap_or_else(|| panic!("{value} is not a number"))
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_else(|| panic!("{value} is no text"))
}

/// `hangs/forks`, and how many children failed in another way.
fn cell(side: &Value) -> String {
    let [forks, hangs, failures] = ["forks", "hangs", "crashes"].map(|name| number(&side[name]));
    let failed = if failures > 0 { format!(", {failures} failed") } else { String::new() };
    format!("{hangs}/{forks}{failed}")
}

/// The table in Markdown: a line for each row of `prove`, two columns for each libc.
fn table(documents: &[(&Libc, Value)]) -> String {
    let mut lines = "| row | family |".to_owned();
    for (libc, document) in documents {
        let name = text(&document["machine"]["libc"]);
        write!(lines, " {}: {name}, bare | protected |", libc.suite).expect("room");
    }
    lines.push_str("\n|---|---|");
    lines.extend(documents.iter().map(|_| "---|---|"));
    lines.push('\n');
    // An old libc may lack what a row is about.
    let (_, newest) = documents.last().expect("there are libcs");
    for row in rows(newest) {
        write!(lines, "| {} | {} |", text(&row["id"]), text(&row["family"])).expect("room");
        for (_, document) in documents {
            let cells = rows(document).iter().find(|other| other["id"] == row["id"]);
            let cells = cells.map(|row| ["bare", "protected"].map(|side| cell(&row[side])));
            let [bare, protected] = cells.unwrap_or_else(|| ["–", "–"].map(str::to_owned));
            write!(lines, " {bare} | {protected} |").expect("room");
        }
        lines.push('\n');
    }
    let machine = &newest["machine"];
    let (kernel, processors) = (text(&machine["kernel"]), number(&machine["processors"]));
    let (forks, cut_off) = length();
    write!(
        lines,
        "\n{forks} forks a row and side; a bare row is decided when {cut_off} have hung. Linux {kernel}, \
         {processors} processors.\n"
    )
    .expect("room");
    lines
}

/// What tables are about: their libcs, and their rows with the families.
fn shape(tables: &str) -> Vec<Vec<&str>> {
    let lines = tables.lines().filter(|line| line.starts_with('|'));
    lines
        .map(|line| {
            let cells = line.split('|').map(str::trim);
            if line.starts_with("| row") {
                cells.filter_map(|title| Some(title.split_once(": ")?.0)).collect()
            } else {
                cells.skip(1).take(2).collect()
            }
        })
        .collect()
}

#[test]
fn every_row_is_protected_with_each_libc() {
    let prove_with =
        |libcs: &'static [Libc]| libcs.iter().map(|libc| (libc, prove(libc))).collect();
    let groups: [Vec<_>; 2] = [prove_with(&LIBCS), prove_with(&MUSLS)];
    let measured = groups.each_ref().map(|group| table(group)).join("\n");
    println!("{measured}");

    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(DOCUMENT);
    let written = fs::read_to_string(&path).expect("the document is readable");
    let (text, old) = written.split_once(MARK).expect("the document has a table");
    if std::env::var_os("FORKFIX_BLESS").is_some() {
        fs::write(&path, format!("{text}{MARK}\n{measured}")).expect("the document is writable");
    } else {
        assert_eq!(shape(old.trim_start()), shape(&measured), "{DOCUMENT} is stale: make matrix");
    }

    for (libc, document) in groups.iter().flatten() {
        for row in rows(document) {
            let protected = &row["protected"];
            assert_eq!(protected["ended"], "completed", "{libc:?}: {row:#}");
            assert_eq!(number(&protected["forks"]), length().0, "{libc:?}: {row:#}");
            let harm = number(&protected["hangs"]) + number(&protected["crashes"]);
            assert_eq!(harm, 0, "{libc:?}: {row:#}");
        }
        // Not each of them: some hang once in a thousand forks, or with other libcs only.
        let hang = number(&document["summary"]["bare_rows_that_hang"]) as usize;
        assert!(hang * 2 > rows(document).len(), "{libc:?}: only {hang} rows hang bare");
    }
}
