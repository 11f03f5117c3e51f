//! The gallery: programs of others, as they are, and what becomes of their forked children bare and protected.
//!
//! Each file in `tests/gallery` is one, with a head that `gallery/entry.rs` reads. It is called with a number of
//! forks and of hangs to stop after, says what it ran (`version: …`), and ends with
//! `forks=N hangs=N crashes=N wrong=N`; for a server, forks are requests that a forked worker answers.
//!
//! `make gallery` runs all at full length and writes the table into README.md, which CI does once a week. A plain test
//! run leaves out those that take long (`when: full`) and is shorter; it leaves its table in the target directory.

#![cfg(target_os = "linux")]

mod common;
#[path = "gallery/entry.rs"]
mod entry;

use std::env;
use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use common::{Build, Preload, Program, Run, need, need_crate, out_dir, programs, run};
use entry::{Bare, Entry, all};

/// A bare run that is to be counted ends after so many hangs.
const HANGS: u64 = 5;
/// The part of the forks that a plain test run makes.
const PLAIN: u64 = 10;
const PYTHON: &str = "/usr/bin/python3.11";
const DEADLINE: Duration = Duration::from_secs(900);

const BEGIN: &str = "<!-- gallery: written by `make gallery` -->\n";
const END: &str = "<!-- end of the gallery -->\n";

/// What became of the children.
#[derive(Clone, Copy)]
struct Counts {
    forks: u64,
    hangs: u64,
    crashes: u64,
    wrong: u64,
}

impl Counts {
    fn of(run: &Run) -> Self {
        let tally = run.tally();
        let last = run.stdout.lines().last().unwrap_or_default();
        let wrong = last.split(' ').find_map(|word| word.strip_prefix("wrong="));
        let wrong = wrong.and_then(|count| count.parse().ok()).expect("wrong=N at the end");
        Self { forks: tally.forks, hangs: tally.hangs, crashes: tally.crashes, wrong }
    }

    fn is_clean(self) -> bool {
        self.hangs + self.crashes + self.wrong == 0
    }
}

impl std::fmt::Display for Counts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { forks, hangs, crashes, wrong } = self;
        write!(f, "{hangs}/{forks}")?;
        if *crashes > 0 {
            write!(f, ", {crashes} crashed")?;
        }
        if *wrong > 0 {
            write!(f, ", {wrong} wrong")?;
        }
        Ok(())
    }
}

/// Where Python's packages for the gallery are.
fn python_packages() -> PathBuf {
    out_dir().join("python")
}

/// Installs what `entries` have from `PyPI`, all at once, so that their versions go together.
fn install_python_packages(entries: &[Entry]) {
    let mut wanted: Vec<_> = entries.iter().flat_map(|entry| &entry.pip).cloned().collect();
    wanted.sort();
    wanted.dedup();
    let place = python_packages();
    let list = place.join("installed");
    if wanted.is_empty() || fs::read_to_string(&list).is_ok_and(|there| there == wanted.join(" ")) {
        return;
    }
    need("/usr/lib/python3/dist-packages/pip/__init__.py", "python3.11 python3-pip");
    drop(fs::remove_dir_all(&place));
    // No other, which might be another Python's.
    let mut pip = Command::new(PYTHON);
    pip.args(["-m", "pip", "install", "--quiet", "--root-user-action=ignore", "--target"])
        .arg(&place);
    run(pip.args(&wanted));
    fs::write(&list, wanted.join(" ")).expect("it was just made");
}

/// The program of `entry`, ready to be run.
fn program(entry: &Entry) -> Program {
    for (tool, packages) in &entry.needs {
        need(tool, packages);
    }
    let source = entry.path.to_str().expect("a name in ASCII");
    let program = match entry.path.extension().and_then(|extension| extension.to_str()) {
        Some("c" | "cc") => {
            let flags = entry.flags.iter().map(|flag| match flag.strip_prefix('`') {
                Some(command) => shell(command.trim_end_matches('`')),
                None => flag.clone(),
            });
            let flags: Vec<_> =
                flags.flat_map(|f| f.split(' ').map(str::to_owned).collect::<Vec<_>>()).collect();
            let include = format!("-I{}", programs().display());
            let build = Build::of(source).flags([include]).flags(flags);
            Program::at(build.output(&format!("gallery-{}", entry.stem())))
        }
        Some("rs") => {
            let binary = out_dir().join(entry.stem());
            run(Command::new("rustc").args(["-O", "--edition", "2024", source, "-o"]).arg(&binary));
            Program::at(binary)
        }
        Some("py") => Program::at(PYTHON).args([source]),
        Some("rb") => Program::at("ruby").args([source]),
        Some("pl") => Program::at("perl").args([source]),
        Some("php") => Program::at("php").args([source]),
        Some("sh") => Program::at("bash").args([source]),
        other => panic!("{source}: nothing runs {other:?}"),
    };
    let path = [entry.directory(), &programs(), &python_packages()];
    let path = env::join_paths(path).expect("no colons");
    let program = program.env("PYTHONPATH", path).env("PYTHONDONTWRITEBYTECODE", "1");
    let program = program.env("GALLERY", entry.directory()).deadline(DEADLINE);
    let Some((package, version)) = &entry.cargo else {
        return program;
    };
    let path = env::var_os("PATH").unwrap_or_default();
    let path = [need_crate(package, version)].into_iter().chain(env::split_paths(&path));
    program.env("PATH", env::join_paths(path).expect("no colons"))
}

/// What the shell command `command` prints, in one line.
fn shell(command: &str) -> String {
    let output = Command::new("sh").args(["-c", command]).output().expect("there is a shell");
    assert!(output.status.success(), "{command}: {output:?}");
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}

/// Runs it and returns what it said it is, and the counts.
fn play(program: &Program, preload: Preload, forks: u64, hangs: u64) -> (String, Counts) {
    let program = program.args([forks.to_string(), hangs.to_string()]);
    let run = program.run(preload).succeeded();
    let version = run.stdout.lines().find_map(|line| line.strip_prefix("version: "));
    (version.expect("version: …").to_owned(), Counts::of(&run))
}

/// Runs it both ways. The text is its row of the table; what is wrong with the result goes to `complaints`.
fn row(entry: &Entry, is_full: bool, complaints: &mut Vec<String>) -> String {
    let forks = if is_full { entry.forks } else { entry.forks.div_ceil(PLAIN) };
    let bare_hangs = if is_full { HANGS } else { 1 };
    let program = program(entry).quiet();
    // What hangs seldom is looked for at length in any case.
    let (version, bare) = play(&program, Preload::Bare, entry.forks, bare_hangs);
    let (_, protected) = play(&program, Preload::Protected, forks, HANGS);
    let expected = match entry.bare {
        Bare::Hangs => !bare.is_clean(),
        Bare::Seldom => !is_full || !bare.is_clean(),
        Bare::Works => bare.is_clean(),
    };
    if !expected {
        complaints.push(format!("{}: bare it was to be otherwise: {bare}", entry.name));
    }
    if protected.is_clean() != entry.remains.is_none() {
        complaints.push(format!("{}: protected it was to be otherwise: {protected}", entry.name));
    }
    let remains = entry.remains.as_deref().map_or(String::new(), |text| format!(": {text}"));
    format!("| {} ({version}) | {} | {bare} | {protected}{remains} |\n", entry.name, entry.kind)
}

fn readme() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md")
}

/// README.md: before the table, the table, and after it.
fn parts(text: &str) -> (&str, &str, &str) {
    let (before, rest) = text.split_once(BEGIN).expect("README.md has a place for the table");
    let (table, after) = rest.split_once(END).expect("the place ends");
    (before, table, after)
}

#[test]
fn programs_of_others() {
    let is_full = env::var_os("FORKFIX_GALLERY").is_some_and(|value| value == "full");
    let wanted = env::var("FORKFIX_GALLERY_ONLY").unwrap_or_default();
    let mut entries = all();
    entries.retain(|entry| entry.stem().contains(&wanted) && (is_full || !entry.only_full));
    install_python_packages(&entries);
    let mut rows = Vec::new();
    let mut complaints = Vec::new();
    for entry in &entries {
        let row = row(entry, is_full, &mut complaints);
        print!("{row}");
        rows.push(row);
    }
    assert!(complaints.is_empty(), "{}", complaints.join("\n"));
    let text = fs::read_to_string(readme()).expect("README.md");
    let (before, table, after) = parts(&text);
    let table = with_rows(table, &rows);
    if is_full && env::var_os("FORKFIX_BLESS").is_some() {
        let text = format!("{before}{BEGIN}{table}{END}{after}");
        fs::write(readme(), text).expect("README.md is writable");
    } else {
        fs::write(out_dir().join("table.md"), table).expect("it was just made");
    }
}

/// What a row is about.
fn name_of(row: &str) -> Option<&str> {
    row.strip_prefix("| ")?.split(" (").next()
}

/// Whether the row says that with forkfix no child hung, crashed, or was wrong.
fn is_cured(row: &str) -> bool {
    let protected = row.trim_end().trim_end_matches('|').rsplit(" | ").next();
    protected.is_some_and(|cell| cell.starts_with("0/") && !cell.contains(", "))
}

/// The table of README.md, which is `table`, with these rows; programs that are in none of them keep theirs.
fn with_rows(table: &str, rows: &[String]) -> String {
    let mut new =
        "\n| program | what it is | bare: hung/forks | with forkfix |\n|---|---|---|---|\n"
            .to_owned();
    for entry in all() {
        let mut known = rows.iter().map(String::as_str).chain(table.lines());
        if let Some(row) = known.find(|row| name_of(row) == Some(&entry.name)) {
            writeln!(new, "{}", row.trim_end()).expect("a string grows");
        }
    }
    new + "\n"
}

/// The table in README.md has a row for each program, and none for others; what the row says of forkfix is what each run
/// holds the program to.
#[test]
fn the_readme_has_a_row_for_each() {
    let text = fs::read_to_string(readme()).expect("README.md");
    let (_, table, _) = parts(&text);
    let rows = table.lines().filter_map(|row| Some((name_of(row)?, is_cured(row))));
    let rows: Vec<_> = rows.skip(1).collect();
    let entries = all();
    let expected: Vec<_> =
        entries.iter().map(|entry| (&*entry.name, entry.remains.is_none())).collect();
    assert_eq!(rows, expected, "run: make gallery");
    assert!(entries.len() >= 20, "{}", entries.len());
}
