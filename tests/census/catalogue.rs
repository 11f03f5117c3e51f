//! `docs/catalogue.md`: every lock, and what becomes of it, for people.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::fs;
use std::path::Path;

use crate::elf::Image;
use crate::reach::Reach;
use crate::rules::{self, Rule};
use crate::table::Kind;
use crate::verdict::{Takers, Verdict};

/// How many of a lock's takers are named.
const NAMED: usize = 4;

/// All that the text is made of.
pub(crate) struct Catalogue<'a> {
    pub(crate) image: &'a Image,
    pub(crate) reach: &'a Reach,
    pub(crate) verdict: &'a Verdict<'a>,
    pub(crate) rows: &'a BTreeMap<String, Kind>,
    /// `shown.txt`
    pub(crate) shown: &'a [Rule],
}

impl Catalogue<'_> {
    pub(crate) fn text(&self) -> String {
        let left: Vec<_> = self.reach.locks.keys().filter(|lock| !self.is_handled(lock)).collect();
        let mut text = format!(
            "# The locks of glibc, and what becomes of them\n\n\
             Made from glibc 2.{} for x86-64 by `FORKFIX_BLESS=1 cargo test --test census`; do not edit. \
             How it is derived stands in [tests/census.rs](../tests/census.rs), and what the \
             instructions cannot say in the lists of [tests/census](../tests/census).\n\n\
             \"Taken by\" counts the exports from which a way through libc leads to the lock, \
             whatever it takes to go it, and names the nearest.\n\n\
             ## Locks that fork leaves alone: {}\n\n\
             | lock | defined in | taken by | what forkfix does with these calls | shown by |\n\
             |---|---|---|---|---|\n",
            self.image.minor,
            left.len(),
        );
        for lock in left {
            let cells = [self.takers(lock), self.treatment(lock), self.proofs(lock)].join(" | ");
            line(&mut text, lock, &self.reach.definitions[lock], &cells);
        }
        let handled = &self.verdict.handled;
        let count = handled.len();
        write!(
            text,
            "\n## Locks that fork sees to: {count}\n\n\
             | lock | defined in | taken by | how | shown by |\n|---|---|---|---|---|\n"
        )
        .expect("a String can be written to");
        for (lock, reason) in handled {
            let cells = format!("{} | {reason} | {}", self.takers(lock), self.proofs(lock));
            line(&mut text, lock, &self.reach.definitions[*lock], &cells);
        }
        text
    }

    fn is_handled(&self, lock: &str) -> bool {
        self.verdict.handled.contains_key(lock)
    }

    fn takers(&self, lock: &str) -> String {
        let mut names = BTreeMap::new();
        for (export, path) in &self.reach.locks[lock] {
            let name = self.image.exports[*export].name.as_str();
            let length = names.entry(name).or_insert(path.len());
            *length = path.len().min(*length);
        }
        // What programs call first, not its variants for libc's own use.
        let mut nearest: Vec<_> = names.iter().collect();
        nearest.sort_by_key(|(name, length)| (**length, name.starts_with('_'), **name));
        let more = if nearest.len() > NAMED { ", …" } else { "" };
        let first: Vec<_> =
            nearest.iter().take(NAMED).map(|(name, _)| format!("`{name}`")).collect();
        match names.len() {
            0 => "no export".to_owned(),
            count => format!("{count}: {}{more}", first.join(", ")),
        }
    }

    fn treatment(&self, lock: &str) -> String {
        let mut parts = Vec::new();
        let none = Takers::default();
        let takers = self.verdict.left.get(lock).unwrap_or(&none);
        let mut kinds: BTreeMap<Kind, usize> = BTreeMap::new();
        for name in &takers.hooked {
            *kinds.entry(self.rows[*name]).or_default() += 1;
        }
        parts.extend(kinds.iter().map(|(kind, count)| format!("{} {count}", kind.name())));
        if !takers.waived.is_empty() {
            let mut reasons: Vec<_> = takers.waived.values().copied().collect();
            reasons.sort_unstable();
            reasons.dedup();
            let why = if takers.hooked.is_empty() {
                reasons.join("; ")
            } else {
                "[why](../tests/census/waivers.txt)".to_owned()
            };
            parts.push(format!("waived {}: {why}", takers.waived.len()));
        }
        let missing = self.verdict.missing.iter().filter(|(_, locks)| locks.contains_key(lock));
        match missing.count() {
            0 => {}
            count => parts.push(format!("**not covered {count}**")),
        }
        if parts.is_empty() { "nothing to do".to_owned() } else { parts.join(", ") }
    }

    /// The locks that fork leaves alone and `shown.txt` says nothing about.
    pub(crate) fn not_shown(&self) -> Vec<&str> {
        let left = self.reach.locks.keys().filter(|lock| !self.is_handled(lock));
        let said = |lock: &str| self.shown.iter().any(|rule| rule.fits(0, lock));
        left.map(String::as_str).filter(|lock| !said(lock)).collect()
    }

    fn proofs(&self, lock: &str) -> String {
        let rules = self.shown.iter().filter(|rule| rule.fits(0, lock));
        let cells = rules.map(|rule| {
            rule.mark(0, lock);
            if let Some(reason) = why_none(rule) {
                return reason.to_owned();
            }
            let proofs: Vec<_> = proofs(rule).map(|proof| format!("`{proof}`")).collect();
            proofs.join(", ")
        });
        let cells: Vec<_> = cells.collect();
        if cells.is_empty() { "-".to_owned() } else { cells.join(", ") }
    }
}

fn line(text: &mut String, lock: &str, definition: &str, cells: &str) {
    // The file of a static variable has a column of its own.
    let name = lock.split('[').next().unwrap_or(lock);
    writeln!(text, "| `{name}` | {definition} | {cells} |").expect("a String can be written to");
}

/// Why there is no proof, if the rule says that.
fn why_none(rule: &Rule) -> Option<&str> {
    rule.reason().strip_prefix('!')
}

/// The proofs that a rule names.
fn proofs(rule: &Rule) -> impl Iterator<Item = &str> {
    rule.reason().split(' ').filter(|_| why_none(rule).is_none())
}

/// The proofs that there are not.
pub(crate) fn unknown_proofs(shown: &[Rule]) -> Vec<String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let read = |path: &str| fs::read_to_string(root.join(path)).unwrap_or_default();
    let hazards = read("src/prove/hazards.rs") + &read("src/prove/hazards/linux.rs");
    let row = |id: &str| {
        let lines = hazards.lines().map(str::trim_start);
        let mut rows = lines.filter(|line| line.starts_with("Hazard::") || line.starts_with("id:"));
        rows.any(|line| line.split('"').nth(1) == Some(id))
    };
    let test = |file: &str, name: &str| {
        let text = read(&format!("tests/{file}.rs"));
        text.contains(&format!("#[test]\nfn {name}()"))
    };
    let is_known = |proof: &str| match proof.split_once("::") {
        Some((file, name)) => test(file, name),
        None => row(proof),
    };
    let proofs = shown.iter().flat_map(|rule| proofs(rule).map(move |proof| (rule, proof)));
    let unknown = proofs.filter(|(_, proof)| !is_known(proof));
    unknown.map(|(rule, proof)| format!("{}: there is no {proof}", rule.place)).collect()
}

/// Writes the catalogue if `FORKFIX_BLESS` is set, and compares it otherwise.
pub(crate) fn bless_or_compare(text: &str) {
    let path = rules::directory().join("../../docs/catalogue.md");
    if std::env::var_os("FORKFIX_BLESS").is_some() {
        fs::write(&path, text).expect("docs is writable");
        return;
    }
    let there = fs::read_to_string(&path).unwrap_or_default();
    let differ = text.lines().zip(there.lines()).find(|(new, old)| new != old);
    assert!(
        text == there,
        "docs/catalogue.md is not what the census says now; the first difference, new and old: \
         {differ:#?}\nWrite it anew: FORKFIX_BLESS=1 cargo test --test census"
    );
}
