//! What the derivation means for the library: which locks are seen to, and by whom.

use std::collections::{BTreeMap, BTreeSet};

use crate::elf::{Export, Image};
use crate::reach::{Lists, Path, Reach};
use crate::rules::{self, Rule};

/// The version that the lists are written for: only there can a rule be told to be of no use.
pub(crate) const WRITTEN_FOR: u32 = 36;

/// Pairs that must come out, or the derivation is broken.
const SURE: [(&str, &str); 9] = [
    ("localtime", "tzset_lock[tzset.c]"),
    ("strerror", "_nl_state_lock"),
    ("setenv", "envlock[setenv.c]"),
    ("dl_iterate_phdr", "dl_load_write_lock"),
    ("dlopen", "dl_load_write_lock"),
    ("getpwent_r", "nss_files_per_file_data.lock"),
    ("readdir", "DIR.lock"),
    ("__cxa_atexit", "__exit_funcs_lock"),
    ("malloc", "malloc_state.mutex"),
];
const LEAST_LOCKS: usize = 80;

/// Since this version libc.so.6 has the functions of threads in it.
const WHOLE_SINCE: u32 = 34;

/// The lists that are about the library, not about the derivation.
pub(crate) struct Claims {
    pub(crate) handled: Vec<Rule>,
    pub(crate) waivers: Vec<Rule>,
}

impl Claims {
    pub(crate) fn read() -> Self {
        Self { handled: rules::read("handled.txt", 4), waivers: rules::read("waivers.txt", 3) }
    }
}

/// Who takes a lock that fork does not see to.
#[derive(Debug, Default)]
pub(crate) struct Takers<'a> {
    pub(crate) hooked: BTreeSet<&'a str>,
    /// By export: the reason.
    pub(crate) waived: BTreeMap<&'a str, &'a str>,
}

#[derive(Debug, Default)]
pub(crate) struct Verdict<'a> {
    /// By lock that fork does not see to.
    pub(crate) left: BTreeMap<&'a str, Takers<'a>>,
    /// By lock that fork sees to: the reason.
    pub(crate) handled: BTreeMap<&'a str, &'a str>,
    /// Exports that have neither hook nor waiver: each lock with the path to it.
    pub(crate) missing: BTreeMap<&'a str, BTreeMap<&'a str, &'a Path>>,
    /// What is wrong with the derivation or the lists, a sentence each.
    pub(crate) faults: Vec<String>,
}

/// Judges what was derived, with these symbols hooked.
pub(crate) fn judge<'a>(
    image: &'a Image,
    reach: &'a Reach,
    claims: &'a Claims,
    hooked: &BTreeSet<String>,
) -> Verdict<'a> {
    let mut verdict = Verdict { faults: broken(image, reach), ..Verdict::default() };
    for (lock, exports) in &reach.locks {
        let forked = reach.forked.contains(lock);
        if let Some(rule) = handling(image, claims, lock, forked, &mut verdict.faults) {
            verdict.handled.insert(lock, rule.reason());
            continue;
        }
        for (export, path) in exports {
            let export = &image.exports[*export];
            let name = export.name.as_str();
            if hooked.contains(name) {
                verdict.left.entry(lock).or_default().hooked.insert(name);
            } else if let Some(reason) = waived(&claims.waivers, export, lock) {
                verdict.left.entry(lock).or_default().waived.insert(name, reason);
            } else {
                verdict.missing.entry(name).or_default().insert(lock, path);
            }
        }
    }
    verdict
}

/// What shows that the derivation itself did not work.
fn broken(image: &Image, reach: &Reach) -> Vec<String> {
    let nameless = reach.nameless.iter().map(|wait| {
        format!("nobody knows which lock this waits for (a line in objects.txt says): {wait}")
    });
    let unsure = SURE.iter().filter(|(name, lock)| {
        let exports = reach.locks.get(*lock);
        !exports.is_some_and(|all| all.keys().any(|export| image.exports[*export].name == *name))
    });
    let unsure = unsure.map(|(name, lock)| format!("{name} was not found to take {lock}"));
    let few = (reach.locks.len() < LEAST_LOCKS)
        .then(|| format!("only {} locks were found", reach.locks.len()));
    let part = (image.minor < WHOLE_SINCE).then(|| {
        format!(
            "glibc 2.{} has locks and calls in libpthread, which the census does not read: this is a part",
            image.minor
        )
    });
    part.into_iter().chain(nameless).chain(unsure).chain(few).collect()
}

/// The rule by which fork sees to a lock. What is listed and what was derived must agree.
fn handling<'a>(
    image: &Image,
    claims: &'a Claims,
    lock: &str,
    forked: bool,
    faults: &mut Vec<String>,
) -> Option<&'a Rule> {
    let rule = claims.handled.iter().find(|rule| rule.fits(0, lock));
    if let Some(rule) = rule {
        rule.mark(0, lock);
    }
    let rule = rule.filter(|rule| since(rule) <= image.minor);
    match rule {
        None if forked => faults.push(format!("fork sees to {lock}; handled.txt does not say why")),
        Some(rule) if !forked && rule.columns[2] == "seen" => {
            faults.push(format!("{}: fork was not seen to touch {lock}", rule.place));
            return None;
        }
        _ => {}
    }
    rule
}

fn waived<'a>(waivers: &'a [Rule], export: &Export, lock: &str) -> Option<&'a str> {
    // Versions for old programs are meant only where they are named.
    let old = format!("{}@{}", export.name, export.version);
    let names = [Some(export.name.as_str()), (!export.default).then_some(old.as_str())];
    names.into_iter().flatten().find_map(|name| {
        let rule = waivers.iter().find(|rule| rule.fits(0, name) && rule.fits(1, lock))?;
        rule.mark(0, name);
        rule.mark(1, lock);
        Some(rule.reason())
    })
}

/// Rules that nothing needed: patterns of waivers, and lines of the other lists.
pub(crate) fn stale(lists: &Lists, claims: &Claims) -> Vec<String> {
    let patterns = claims.waivers.iter().flat_map(|rule| [rule.stale(0), rule.stale(1)]);
    let seen_to = |rule: &&Rule| since(rule) <= WRITTEN_FOR;
    let lines = claims.handled.iter().filter(seen_to).chain(&lists.objects);
    let lines = lines.chain(&lists.pointers).chain(&lists.cuts).filter(|rule| rule.is_unused());
    patterns.flatten().chain(lines.map(|rule| rule.place.clone())).collect()
}

/// The minor version that a line of `handled.txt` is about, and all later ones.
fn since(rule: &Rule) -> u32 {
    rule.columns[1].parse().unwrap_or_else(|_| panic!("{}: no number", rule.place))
}
