//! Signs: what in a file shows that a runtime is in it, and how it is found there.

use std::fs::File;
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::path::Path;

use memchr::memmem::Finder;
use serde::Serialize;

use super::parts::{self, Parts};

/// So much of a file is looked through for one kind of sign, in bytes: a second's work.
const MOST: u64 = 256 << 20;
/// So much of it at a time.
const BLOCK: usize = 1 << 20;
/// No name that counts is longer. Blocks overlap by that much.
const MOST_NAME: usize = 1 << 10;
/// A name is shown up to here, in characters.
const SHOWN: usize = 60;

/// What shows that a runtime is there. In patterns `*` stands for anything.
#[derive(Clone, Copy, Debug)]
pub(super) enum Sign {
    /// How the name of the file begins.
    Library(&'static str),
    /// The pattern of the name of a symbol, which it has or wants.
    Symbol(&'static str),
    /// The name of a section.
    Section(&'static str),
    /// What a compiler says of itself, in part.
    Comment(&'static str),
    /// A crate of Rust, whose panics name its sources.
    Crate(&'static str),
}

/// What was found of a sign.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Evidence {
    /// The file.
    pub(super) file: String,
    /// The kind of sign: `file`, `symbol`, `section`, `comment`, `crate`; `header` and `interpreter` of programs that
    /// cannot be protected.
    pub(super) kind: &'static str,
    /// What it says.
    pub(super) name: String,
}

/// A file that is looked through.
pub(super) struct Object<'a> {
    path: &'a Path,
    /// `None` if its content does not matter, or cannot be read.
    content: Option<(File, Parts)>,
}

impl<'a> Object<'a> {
    /// The file at `path`.
    pub(super) fn open(path: &'a Path) -> Self {
        // A pipe in place of a library must not be waited for.
        let is_file = path.metadata().is_ok_and(|metadata| metadata.is_file());
        let file = is_file.then(|| File::open(path).ok()).flatten();
        let copy = file.as_ref().and_then(|file| file.try_clone().ok());
        let content = file.zip(copy).map(|(file, copy)| (file, parts::read(copy)));
        Self { path, content }
    }

    /// The file at `path`, of which nothing but the name counts.
    pub(super) fn named(path: &'a Path) -> Self {
        Self { path, content: None }
    }

    /// Whether compilers say `text` of themselves in it.
    pub(super) fn has(&self, sign: Sign) -> bool {
        self.find(sign).is_some()
    }

    /// What there is of `sign`.
    pub(super) fn find(&self, sign: Sign) -> Option<Evidence> {
        let name = self.path.file_name().unwrap_or_default().to_string_lossy();
        let found = |kind, name: &str| Evidence {
            file: self.path.to_string_lossy().into_owned(),
            kind,
            name: shown(name),
        };
        if let Sign::Library(start) = sign {
            return name.starts_with(start).then(|| found("file", &name));
        }
        let (file, parts) = self.content.as_ref()?;
        match sign {
            Sign::Library(_) => None,
            Sign::Symbol(pattern) => {
                let is_it = |name: &String| {
                    // Those of C have an underscore more in Mach-O.
                    fits(name, pattern) || name.strip_prefix('_').is_some_and(|n| fits(n, pattern))
                };
                let needle = longest(pattern);
                let name = search(file, &parts.names, needle, |place| place.name().filter(is_it))?;
                // Those of Rust are too long to be shown as they are.
                Some(found("symbol", &format!("{:#}", rustc_demangle::demangle(&name))))
            }
            Sign::Section(name) => {
                parts.sections.iter().find(|section| *section == name).map(|n| found("section", n))
            }
            Sign::Comment(text) => {
                let comment = search(file, &parts.comments, text, |place| place.name())?;
                Some(found("comment", &comment))
            }
            Sign::Crate(name) => {
                let start = format!("/{name}");
                let take = |place: &Place<'_>| place.source(start.len());
                let source = search(file, &parts.constants, &start, take)?;
                Some(found("crate", &source))
            }
        }
    }
}

/// Where something was found: the bytes around it.
struct Place<'a> {
    bytes: &'a [u8],
    at: usize,
    /// Nothing that counts comes before `bytes`.
    is_first: bool,
}

impl Place<'_> {
    /// The name that it is in, between zeroes; `None` if its start is cut off, as then it is whole in the block before.
    fn name(&self) -> Option<String> {
        let (before, after) = self.bytes.split_at_checked(self.at)?;
        let start = before.iter().rposition(|byte| *byte == 0);
        let start = start.map(|zero| zero + 1).or(self.is_first.then_some(0))?;
        let end =
            after.iter().position(|byte| *byte == 0).map_or(self.bytes.len(), |n| self.at + n);
        let name = self.bytes.get(start..end)?;
        (name.len() <= MOST_NAME).then(|| String::from_utf8_lossy(name).into_owned())
    }

    /// The path of a source, if a version or a directory comes after the slash and the name of a crate, which
    /// have `length` bytes. Compilers put constants side by side, so it ends where something else seems to begin.
    fn source(&self, length: usize) -> Option<String> {
        let (_, path) = self.bytes.split_at_checked(self.at + 1)?;
        let (_, rest) = path.split_at_checked(length - 1)?;
        let has_version = rest.starts_with(b"-") && rest.get(1)?.is_ascii_digit();
        let is_part = |byte: &&u8| byte.is_ascii_alphanumeric() || b"/._-".contains(byte);
        let path = path.iter().take(SHOWN).take_while(is_part).map(|byte| char::from(*byte));
        (has_version || rest.starts_with(b"/src/")).then(|| path.collect())
    }
}

/// What `take` makes of the first place in `ranges` of `file` that it agrees to, of those where `needle` is.
fn search(
    file: &File,
    ranges: &[Range<u64>],
    needle: &str,
    take: impl Fn(&Place<'_>) -> Option<String>,
) -> Option<String> {
    let finder = Finder::new(needle);
    let mut left = MOST;
    let mut block = vec![0; BLOCK + MOST_NAME];
    for range in ranges {
        let mut at = range.start;
        while at < range.end && left > 0 {
            let wanted = usize::try_from(range.end - at).unwrap_or(usize::MAX).min(block.len());
            let read = file.read_at(block.get_mut(..wanted)?, at).unwrap_or(0);
            let bytes = block.get(..read)?;
            let is_first = at == range.start;
            let mut places = finder.find_iter(bytes).map(|at| Place { bytes, at, is_first });
            if let Some(found) = places.find_map(|place| take(&place)) {
                return Some(found);
            }
            if read <= MOST_NAME {
                break;
            }
            let step = (read - MOST_NAME) as u64;
            at += step;
            left = left.saturating_sub(step);
        }
    }
    None
}

/// Whether `name` fits `pattern`, in which `*` stands for anything.
fn fits(name: &str, pattern: &str) -> bool {
    let Some((start, rest)) = pattern.split_once('*') else {
        return name == pattern;
    };
    let Some(mut name) = name.strip_prefix(start) else {
        return false;
    };
    let (middle, end) = rest.rsplit_once('*').unwrap_or(("", rest));
    for part in middle.split('*') {
        match name.find(part) {
            Some(at) => name = &name[at + part.len()..],
            None => return false,
        }
    }
    name.ends_with(end)
}

/// The longest part of `pattern` without `*`.
fn longest(pattern: &str) -> &str {
    pattern.split('*').max_by_key(|part| part.len()).unwrap_or_default()
}

/// `name` for people: without what does not print, and not too long. Files may be hostile to terminals.
fn shown(name: &str) -> String {
    let mut characters = name.chars().map(|c| if c.is_control() { '?' } else { c });
    let mut text: String = characters.by_ref().take(SHOWN).collect();
    if characters.next().is_some() {
        text.push('…');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;
    use std::slice;

    #[test]
    fn patterns_are_matched_as_a_shell_does() {
        for (name, pattern, expected) in [
            ("GOMP_parallel", "GOMP_parallel", true),
            ("GOMP_parallel_end", "GOMP_parallel", false),
            ("GOMP_parallel_end", "GOMP_*", true),
            ("_ZN10rayon_core8registry", "*10rayon_core*", true),
            ("_ZN4absl12lts_202206235Mutex4LockEv", "_Z*4absl*5Mutex*", true),
            ("_ZN5Mutex4absl", "_Z*4absl*5Mutex*", false),
            ("xa", "x*a*a", false),
            ("", "*", true),
        ] {
            assert_eq!(fits(name, pattern), expected, "{name} {pattern}");
        }
        assert_eq!(longest("_Z*4absl*5Mutex*"), "5Mutex");
    }

    #[test]
    fn names_on_the_edge_of_a_block_are_found_whole() {
        for before in [BLOCK - 3, BLOCK, BLOCK + MOST_NAME - 5, BLOCK + MOST_NAME, 3 * BLOCK] {
            let mut file = tempfile::tempfile().expect("a temporary file");
            let filling = vec![b'x'; before];
            file.write_all(&[&filling, &b"\0needle\0xx"[..]].concat()).expect("there is room");
            let whole = 0..before as u64 + 10;
            let found = search(&file, slice::from_ref(&whole), "eedl", |place| place.name());
            assert_eq!(found.as_deref(), Some("needle"), "{before}");
            let half = 0..before as u64 + 4;
            let cut = search(&file, slice::from_ref(&half), "ee", |place| place.name());
            assert_eq!(cut.as_deref(), Some("nee"), "{before}: the end of the range ends it");
        }
    }

    #[test]
    fn sources_of_crates_are_told_from_their_names() {
        let source = |text: &str| {
            let at = text.find("/rayon-core")?;
            Place { bytes: text.as_bytes(), at, is_first: true }.source("/rayon-core".len())
        };
        let path = "rayon-core-1.12.1/src/registry.rs";
        assert_eq!(source(&format!("/home/index/{path} called `Option")).as_deref(), Some(path));
        assert_eq!(
            source("vendor/rayon-core/src/lib.rs").as_deref(),
            Some("rayon-core/src/lib.rs")
        );
        for other in ["/rayon-core-", "/rayon-core", "/rayon-core-x", "/rayon-cores-1.0"] {
            assert_eq!(source(other), None, "{other}");
        }
    }

    #[test]
    fn names_are_safe_to_print() {
        assert_eq!(shown("a\u{1b}[2Jb"), "a?[2Jb");
        assert_eq!(shown(&"x".repeat(100)).chars().count(), SHOWN + 1);
    }
}
