//! A program of the gallery: what its file says about it in the first lines, as `key: value` in comments.
//!
//! | key | value |
//! |---|---|
//! | `name` | what it is called in the table |
//! | `kind` | the language, and what it stands for |
//! | `need` | a command or file, and the Debian packages that have it (may be there several times) |
//! | `pip` | packages of PyPI, with versions |
//! | `cargo` | a package of crates.io that is a program, and its version |
//! | `flags` | for the compiler; in backquotes, a command that prints them |
//! | `forks` | how many, at full length |
//! | `bare` | `hangs`, `seldom` or `works` |
//! | `when` | `full`: not in a plain test run |
//! | `remains` | what is not cured, why, and what to do |

use std::fs;
use std::path::{Path, PathBuf};

/// What becomes of it without the library.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Bare {
    /// Some children hang, crash or get something wrong.
    Hangs,
    /// The same, but not in each run.
    Seldom,
    /// None does.
    Works,
}

/// One program.
#[derive(Debug)]
pub(crate) struct Entry {
    pub(crate) path: PathBuf,
    pub(crate) name: String,
    pub(crate) kind: String,
    pub(crate) needs: Vec<(String, String)>,
    pub(crate) pip: Vec<String>,
    pub(crate) cargo: Option<(String, String)>,
    pub(crate) flags: Vec<String>,
    pub(crate) forks: u64,
    pub(crate) bare: Bare,
    pub(crate) only_full: bool,
    pub(crate) remains: Option<String>,
}

impl Entry {
    /// The file's name without what it ends with.
    pub(crate) fn stem(&self) -> &str {
        self.path.file_stem().and_then(|stem| stem.to_str()).expect("a name in ASCII")
    }

    pub(crate) fn directory(&self) -> &Path {
        self.path.parent().expect("files are in directories")
    }

    fn of(path: PathBuf) -> Option<Self> {
        let text = fs::read_to_string(&path).expect("a text");
        let comment = |c: char| matches!(c, '#' | '/' | ' ');
        let head = text.lines().take_while(|line| line.starts_with(comment));
        let lines = head.map(|line| line.trim_start_matches(comment));
        let pairs: Vec<_> = lines.filter_map(|line| line.split_once(": ")).collect();
        let all = |key: &str| {
            let of_key = pairs.iter().filter(move |(name, _)| *name == key);
            of_key.map(|(_, value)| (*value).to_owned()).collect::<Vec<_>>()
        };
        let one = |key: &str| all(key).into_iter().next();
        let must =
            |key: &str| one(key).unwrap_or_else(|| panic!("{} has no {key}", path.display()));
        let name = one("name")?;
        let lines = text.lines().count();
        assert!(lines <= 30, "{}: {lines} lines, and 30 are the most", path.display());
        let words = |text: String| text.split(' ').map(str::to_owned).collect::<Vec<_>>();
        let pair = |text: String| {
            let (first, rest) = text.split_once(' ').expect("a name, and what belongs to it");
            (first.to_owned(), rest.to_owned())
        };
        let quoted = |text: String| if text.starts_with('`') { vec![text] } else { words(text) };
        Some(Self {
            kind: must("kind"),
            needs: all("need").into_iter().map(pair).collect(),
            pip: all("pip").into_iter().flat_map(words).collect(),
            cargo: one("cargo").map(pair),
            flags: all("flags").into_iter().flat_map(quoted).collect(),
            forks: must("forks").parse().expect("a number"),
            bare: match &*must("bare") {
                "hangs" => Bare::Hangs,
                "seldom" => Bare::Seldom,
                "works" => Bare::Works,
                other => panic!("bare: {other}"),
            },
            only_full: one("when").is_some_and(|when| when == "full"),
            remains: one("remains"),
            name,
            path,
        })
    }
}

/// All programs, by file name. Files without a `name:` are what several of them share.
pub(crate) fn all() -> Vec<Entry> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/gallery");
    let files = fs::read_dir(directory).expect("the directory is there");
    let mut paths: Vec<_> = files.map(|file| file.expect("a file").path()).collect();
    paths.retain(|path| path.is_file());
    paths.sort();
    paths.into_iter().filter_map(Entry::of).collect()
}
