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
//! and walks from each lock to the exports; what fork itself takes or writes to counts as seen to.
//! [`verdict`] holds that against the hook table ([`table`]). What instructions cannot say stands in the
//! lists that [`rules`] names. A wait for a lock that has no name fails the test, so none is passed over.
//!
//! # What it cannot see
//!
//! - A path says that the code is there, not that a call with given arguments runs it: the census finds more
//!   than can hang.
//! - Calls through pointers that are not followed (`tests/census/pointers.txt`), and what spins or waits in
//!   the kernel by itself.
//! - What no export leads to: a thread that ends takes the lock of `resolv_conf.c`, and the loader its own
//!   when a call is bound.
//! - Other libraries of glibc: libnsl, `libnss_compat`, `libc_malloc_debug`. Before 2.34 libpthread is one of them.
//! - It reads x86-64 instructions only. glibc takes the same locks on arm64.
//!
//! # How far it agrees with another derivation
//!
//! The locks of 2.36 were once derived by other means, from the text of a disassembler. That list has
//! 6,018 pairs of lock and export; with every call followed (no `cuts.txt`), 5,965 of them come out here. Of the
//! other 53, 44 are atomic operations that nobody waits behind (`__nptl_last_event`, nscd's maps, `mp_`,
//! `_gmonparam`, `already_called`), and 9 are the unwinding of a thread that is cancelled while it waits for a
//! lock of the program. `cuts.txt` takes out 426 more, above all formats that have neither `%m` nor wide characters.
//!
//! The census has 7,486 pairs that the list has not. 5,942 belong to locks that it leaves out, or to the loader's,
//! which it follows into ld.so: those inside streams, directories, expressions, arenas and threads,
//! `__exit_funcs_lock`, `dl_load_write_lock` behind each load of a module. The other 1,544 come of functions whose
//! address is passed on, above all what `pthread_once` runs (gconv's configuration formats and opens files) and
//! what the name services do.

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
use std::fmt::Write;
use std::fs;
use std::path::PathBuf;
use std::sync::LazyLock;

use catalogue::Catalogue;
use elf::{Files, Image};
use reach::{Lists, Reach};
use verdict::{Claims, Verdict, WRITTEN_FOR};

/// A glibc and what was derived from it.
struct Census {
    image: Image,
    lists: Lists,
    reach: Reach,
}

impl Census {
    fn take() -> Self {
        let files = files();
        files.each_debug(|file| common::need(&file.to_string_lossy(), "libc6-dbg"));
        let (image, lists) = (Image::load(&files), Lists::read());
        let reach = reach::derive(&image, &lists);
        Self { image, lists, reach }
    }

    /// Writes what was derived to a file: lock, export with its version, path.
    fn write_pairs(&self) -> PathBuf {
        let file = common::out_dir().join(format!("reach-2.{}.tsv", self.image.minor));
        let mut text = String::new();
        for (lock, exports) in &self.reach.locks {
            for (export, path) in exports {
                let export = &self.image.exports[*export];
                let at = if export.default { "@@" } else { "@" };
                let path = path.join(" > ");
                writeln!(text, "{lock}\t{}{at}{}\t{path}", export.name, export.version)
                    .expect("a String can be written to");
            }
        }
        fs::write(&file, text).expect("the target directory is writable");
        file
    }

    fn judge<'a>(&'a self, claims: &'a Claims, hooked: &BTreeSet<String>) -> Verdict<'a> {
        verdict::judge(&self.image, &self.reach, claims, hooked)
    }
}

/// Taken once for all tests.
static CENSUS: LazyLock<Census> = LazyLock::new(Census::take);

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

/// A line for each export that has neither hook nor waiver.
fn missing<'a>(verdict: &'a Verdict<'_>) -> impl Iterator<Item = String> + 'a {
    verdict.missing.iter().map(|(export, locks)| {
        let nearest = locks.iter().min_by_key(|(_, path)| path.len());
        let (lock, path) = nearest.expect("an export is missing for a lock");
        let others = locks.len() - 1;
        format!("neither hook nor waiver: {export}: {lock} and {others} more: {}", path.join(" > "))
    })
}

#[test]
fn every_export_that_takes_a_lock_has_a_hook_or_a_waiver() {
    let claims = Claims::read();
    let verdict = CENSUS.judge(&claims, &table::symbols());
    let hooked: BTreeSet<_> = verdict.left.values().flat_map(|takers| &takers.hooked).collect();
    let waived: BTreeSet<_> =
        verdict.left.values().flat_map(|takers| takers.waived.keys()).collect();
    println!(
        "glibc 2.{}: {} locks, of which fork sees to {}; exports that reach another: {} hooked, {} waived, \
         {} neither",
        CENSUS.image.minor,
        CENSUS.reach.locks.len(),
        verdict.handled.len(),
        hooked.len(),
        waived.len(),
        verdict.missing.len(),
    );
    println!("every lock, export and path: {}", CENSUS.write_pairs().display());
    let mut problems = verdict.faults.clone();
    if CENSUS.image.minor == WRITTEN_FOR {
        let stale = verdict::stale(&CENSUS.lists, &claims).into_iter();
        problems.extend(stale.map(|place| format!("stale, nothing needs it any more: {place}")));
    }
    problems.extend(missing(&verdict));
    assert!(
        problems.is_empty(),
        "{}\nAn export that takes a lock which fork leaves alone needs a row in interpose/src/table/linux, or \
         a reason in tests/census/waivers.txt.",
        problems.join("\n")
    );
}

#[test]
fn the_catalogue_is_up_to_date() {
    let (claims, shown) = (Claims::read(), rules::read("shown.txt", 2));
    let unknown = catalogue::unknown_proofs(&shown);
    assert!(unknown.is_empty(), "{unknown:#?}");
    let verdict = CENSUS.judge(&claims, &table::symbols());
    let rows = table::rows();
    let catalogue = Catalogue {
        image: &CENSUS.image,
        reach: &CENSUS.reach,
        verdict: &verdict,
        rows: &rows,
        shown: &shown,
    };
    let text = catalogue.text();
    if CENSUS.image.minor == WRITTEN_FOR {
        let not_shown = catalogue.not_shown();
        assert!(not_shown.is_empty(), "neither proof nor reason in shown.txt: {not_shown:#?}");
        catalogue::bless_or_compare(&text);
        let idle: Vec<_> = shown.iter().flat_map(|rule| rule.stale(0)).collect();
        assert!(idle.is_empty(), "no such lock: {idle:#?}");
    }
}

/// The census sees a row that is gone, a waiver that nothing needs, and its own failure.
#[test]
fn the_census_can_fail() {
    let mut claims = Claims::read();
    let mut hooked = table::symbols();
    assert!(hooked.remove("localtime"));
    let missing = CENSUS.judge(&claims, &hooked).missing;
    assert!(missing["localtime"].contains_key("tzset_lock[tzset.c]"), "{missing:#?}");

    let waivers = "localtime\t*\ta test\nno_such_function\t*\ta test\n";
    claims.waivers.extend(rules::parse(waivers, "more.txt", 3));
    assert!(!CENSUS.judge(&claims, &hooked).missing.contains_key("localtime"));
    let stale = verdict::stale(&CENSUS.lists, &claims);
    assert!(stale.contains(&"more.txt:2: no_such_function".to_owned()), "{stale:#?}");
    assert!(!stale.iter().any(|line| line.starts_with("more.txt:1")), "{stale:#?}");

    let nothing = Reach::default();
    let faults = verdict::judge(&CENSUS.image, &nothing, &claims, &hooked).faults;
    assert!(faults.iter().any(|fault| fault == "only 0 locks were found"), "{faults:#?}");
}
