//! The census: which exported functions of glibc reach which lock that `fork` does not see to, derived from
//! the machine code of `libc.so.6` and `ld.so` and their debug symbols. Each such export must be in the hook
//! table, or have a waiver with a reason (`tests/census/waivers.txt`).
//!
//! `make census` shows the result for the installed glibc. `FORKFIX_CENSUS_LIBC=…/libc.so.6
//! FORKFIX_CENSUS_DEBUG=…/usr/lib/debug make census` does so for another, unpacked somewhere with its
//! loader beside it. The lists are written for glibc 2.36; on other versions a rule that nothing needs
//! is no fault, and `docs/catalogue.md` is not compared.
//!
//! # How
//!
//! [`elf`] lays out both objects with their symbols and relocations. [`code`] follows addresses through the
//! registers of each function: whom it calls, and the first argument of each call of a function that waits
//! (`__lll_lock_wait_private`, `__pthread_mutex_lock`, …). [`reach`] names the locks, turns the calls round,
//! and walks from each lock to the exports. [`verdict`] holds that against the hook table ([`table`]).
//! A wait for a lock that has no name fails the test, so none is passed over.
//!
//! A path says that the code is there, not that a call with given arguments runs it: the census has more
//! than can hang, never less, but for calls through pointers (`tests/census/edges.txt`).
//!
//! For x86-64 only: it reads x86-64 instructions. The sources are the same for arm64, so are the locks.

#![cfg(all(target_os = "linux", target_env = "gnu", target_arch = "x86_64"))]

mod common;

#[path = "census/catalogue.rs"]
mod catalogue;
#[path = "census/code.rs"]
mod code;
#[path = "census/elf.rs"]
mod elf;
#[path = "census/reach.rs"]
mod reach;
#[path = "census/rules.rs"]
mod rules;
#[path = "census/table.rs"]
mod table;
#[path = "census/verdict.rs"]
mod verdict;

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;

use catalogue::Catalogue;
use elf::{Files, Image};
use reach::{Lists, Reach};
use verdict::{Claims, Verdict, WRITTEN_FOR};

/// A glibc and what was derived from it.
struct Census {
    image: Image,
    lists: Lists,
    claims: Claims,
    reach: Reach,
}

impl Census {
    fn take() -> Self {
        let files = files();
        files.each_debug(|file| common::need(&file.to_string_lossy(), "libc6-dbg"));
        let (image, lists) = (Image::load(&files), Lists::read());
        let reach = reach::derive(&image, &lists);
        Self { image, lists, claims: Claims::read(), reach }
    }

    fn judge(&self, hooked: &BTreeSet<String>) -> Verdict<'_> {
        verdict::judge(&self.image, &self.reach, &self.claims, hooked)
    }
}

/// The files that the environment names, or those of this process.
fn files() -> Files {
    let named = |variable| std::env::var_os(variable).map(PathBuf::from);
    let debug = named("FORKFIX_CENSUS_DEBUG").unwrap_or_else(|| "/usr/lib/debug".into());
    let own = || {
        let maps = fs::read_to_string("/proc/self/maps").expect("/proc is there");
        let path = maps.split_whitespace().find(|word| word.ends_with("/libc.so.6"));
        PathBuf::from(path.expect("this process has glibc"))
    };
    Files { libc: named("FORKFIX_CENSUS_LIBC").unwrap_or_else(own), debug }
}

/// One line for each export that has neither hook nor waiver.
fn missing(verdict: &Verdict<'_>) -> String {
    let line = |(export, locks): (&&str, &std::collections::BTreeMap<&str, &reach::Path>)| {
        let nearest = locks.iter().min_by_key(|(_, path)| path.len());
        let (lock, path) = nearest.expect("an export is missing for a lock");
        let more = if locks.len() > 1 { format!(" and {} more", locks.len() - 1) } else { String::new() };
        format!("{export}: {lock}{more} ({})\n", path.join(" > "))
    };
    verdict.missing.iter().map(line).collect()
}

#[test]
fn every_export_that_takes_a_lock_has_a_hook_or_a_waiver() {
    let census = Census::take();
    let verdict = census.judge(&table::symbols());
    let hooked: BTreeSet<_> = verdict.left.values().flat_map(|takers| &takers.hooked).collect();
    let waived: BTreeSet<_> = verdict.left.values().flat_map(|takers| takers.waived.keys()).collect();
    println!(
        "glibc 2.{}: {} locks, of which fork sees to {}; exports that reach another: {} hooked, {} waived, \
         {} neither",
        census.image.minor,
        census.reach.locks.len(),
        verdict.handled.len(),
        hooked.len(),
        waived.len(),
        verdict.missing.len(),
    );
    assert!(verdict.faults.is_empty(), "{:#?}", verdict.faults);
    if census.image.minor == WRITTEN_FOR {
        let stale = verdict::stale(&census.lists, &census.claims);
        assert!(stale.is_empty(), "stale: nothing needs these lines any more: {stale:#?}");
    }
    assert!(
        verdict.missing.is_empty(),
        "these exports take a lock that fork leaves alone, and have neither a row in the hook table nor a \
         waiver in tests/census/waivers.txt:\n{}",
        missing(&verdict)
    );
}

#[test]
fn the_catalogue_is_up_to_date() {
    let census = Census::take();
    let shown = rules::read("shown.txt", 2);
    let unknown = catalogue::unknown_proofs(&shown);
    assert!(unknown.is_empty(), "{unknown:#?}");
    let (rows, verdict) = (table::rows(), census.judge(&table::symbols()));
    let text = Catalogue {
        image: &census.image,
        reach: &census.reach,
        verdict: &verdict,
        rows: &rows,
        shown: &shown,
    };
    let text = text.text();
    if census.image.minor == WRITTEN_FOR {
        catalogue::bless_or_compare(&text);
    }
}

/// The census sees a row that is gone, a waiver that nothing needs, and its own failure.
#[test]
fn the_census_can_fail() {
    let mut census = Census::take();
    let mut hooked = table::symbols();
    assert!(hooked.remove("localtime"));
    let missing = census.judge(&hooked).missing;
    assert!(missing["localtime"].contains_key("tzset_lock[tzset.c]"), "{missing:#?}");

    let waivers = "localtime\t*\ta test\nno_such_function\t*\ta test\n";
    census.claims.waivers.extend(rules::parse(waivers, "more.txt", 3));
    assert!(!census.judge(&hooked).missing.contains_key("localtime"));
    let stale = verdict::stale(&census.lists, &census.claims);
    assert!(stale.contains(&"more.txt:2: no_such_function".to_owned()), "{stale:#?}");
    assert!(!stale.iter().any(|line| line.starts_with("more.txt:1")), "{stale:#?}");

    census.reach = Reach::default();
    let faults = census.judge(&hooked).faults;
    assert!(faults.iter().any(|fault| fault == "only 0 locks were found"), "{faults:#?}");
}
