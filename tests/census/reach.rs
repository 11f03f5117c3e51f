//! Who takes which lock: the locks that each function waits for, by name, and the exports that reach it.

use std::collections::{BTreeMap, BTreeSet};

use crate::code::{self, Body, Value};
use crate::elf::{Export, Image};
use crate::rules::{self, Rule};

/// The function that forks; what it sees to, and what it calls sees to, is handled.
const FORK: &str = "__libc_fork";

/// Members of the loader's state, each with a function that waits for no other of them.
const ANCHORS: [(&str, &str); 4] = [
    ("dl_load_lock", "_dl_addr"),
    ("dl_load_write_lock", "dl_iterate_phdr"),
    ("dl_load_tls_lock", "_dl_allocate_tls_init"),
    ("dl_stack_cache_lock", "__nptl_setxid"),
];

/// The chain of calls from an export to a function that waits.
pub(crate) type Path = Vec<String>;

/// What was derived from one glibc.
#[derive(Debug, Default)]
pub(crate) struct Reach {
    /// By lock, then by export: the shortest path.
    pub(crate) locks: BTreeMap<String, BTreeMap<usize, Path>>,
    /// By lock: where it is defined.
    pub(crate) definitions: BTreeMap<String, String>,
    /// The locks that fork takes or writes to.
    pub(crate) forked: BTreeSet<String>,
    /// Waits that no rule gives a name: the function, and what is known of the lock.
    pub(crate) nameless: Vec<String>,
}

/// The lists that the derivation needs.
pub(crate) struct Lists {
    pub(crate) objects: Vec<Rule>,
    pub(crate) pointers: Vec<Rule>,
    pub(crate) cuts: Vec<Rule>,
}

impl Lists {
    pub(crate) fn read() -> Self {
        Self {
            objects: rules::read("objects.txt", 4),
            pointers: rules::read("pointers.txt", 3),
            cuts: rules::read("cuts.txt", 3),
        }
    }
}

/// How a function is called in the lists: without the prefix of glibc's internal aliases.
pub(crate) fn plain(name: &str) -> &str {
    name.strip_prefix("__GI_").unwrap_or(name)
}

/// Derives who reaches which lock.
pub(crate) fn derive(image: &Image, lists: &Lists) -> Reach {
    let bodies: Vec<_> = (0..image.functions.len()).map(|f| Body::read(image, f)).collect();
    let members = members(image, &bodies);
    let mut reach = Reach::default();
    let mut takers: BTreeMap<String, BTreeSet<usize>> = BTreeMap::new();
    let mut addresses: BTreeMap<u64, String> = BTreeMap::new();
    for (function, body) in bodies.iter().enumerate() {
        let names = &image.functions[function].names;
        for wait in body.waits.iter().filter(|_| code::entry(names).is_none()) {
            let named = lock_name(image, &members, &lists.objects, names, *wait);
            let Some((name, definition)) = named else {
                reach.nameless.push(format!("{} {wait:?}", names.join(" ")));
                continue;
            };
            reach.definitions.insert(name.clone(), definition);
            if let Value::Address(address) = wait {
                addresses.insert(*address, name.clone());
            }
            takers.entry(name).or_default().insert(function);
        }
    }
    reach.forked = forked(image, &bodies, &addresses, &takers);
    let callers = callers(image, &bodies, lists);
    for (lock, takers) in takers {
        let mut exports = exports_that_reach(image, &callers, &takers);
        add_pointers(image, &lists.pointers, &lock, &mut exports);
        reach.locks.insert(lock, exports);
    }
    reach
}

/// Where the loader's locks lie.
fn members(image: &Image, bodies: &[Body]) -> BTreeMap<u64, String> {
    let mut members = BTreeMap::new();
    for (lock, function) in ANCHORS {
        let bodies = image.functions_named(function).map(|function| &bodies[function]);
        for wait in bodies.flat_map(|body| &body.waits) {
            if let Value::Address(address) = wait {
                members.insert(*address, lock.to_owned());
            }
        }
    }
    members
}

/// What a lock is called, and where it is defined: by a rule, or by the file of a static variable.
fn lock_name(
    image: &Image,
    members: &BTreeMap<u64, String>,
    objects: &[Rule],
    functions: &[String],
    lock: Value,
) -> Option<(String, String)> {
    let variable = |address| match image.variable_at(address) {
        _ if members.contains_key(&address) => members[&address].clone(),
        Some((symbol, 0)) => plain(&symbol.names[0]).to_owned(),
        Some((symbol, offset)) => format!("{}+{offset}", plain(&symbol.names[0])),
        None => "elsewhere".to_owned(),
    };
    let shape = match lock {
        Value::Address(address) => variable(address),
        Value::Member(offset) => format!("member+{offset}"),
        Value::ReadFrom(offset) => format!("read+{offset}"),
        Value::Unknown => "unknown".to_owned(),
    };
    let fits = |rule: &&Rule| {
        functions.iter().any(|function| rule.fits(1, plain(function))) && rule.fits(2, &shape)
    };
    if let Some(rule) = objects.iter().find(fits) {
        rule.mark(2, &shape);
        return Some((rule.columns[0].clone(), rule.reason().to_owned()));
    }
    let (_, file) = shape.strip_suffix(']')?.split_once('[')?;
    let file = file.to_owned();
    Some((shape, file))
}

/// The locks that fork takes or writes to, itself or in what it calls.
fn forked(
    image: &Image,
    bodies: &[Body],
    addresses: &BTreeMap<u64, String>,
    takers: &BTreeMap<String, BTreeSet<usize>>,
) -> BTreeSet<String> {
    let fork: Vec<_> = image.functions_named(FORK).collect();
    let called = fork.iter().flat_map(|fork| bodies[*fork].calls.iter().copied());
    let part: BTreeSet<usize> = fork.iter().copied().chain(called).collect();
    let stored = part.iter().flat_map(|function| &bodies[*function].stores);
    // A lock with an owner is several words.
    let stored = stored.filter_map(|at| addresses.range(at.saturating_sub(8)..=*at).next_back());
    let taken = takers.iter().filter(|(_, takers)| !takers.is_disjoint(&part));
    stored.map(|(_, name)| name.clone()).chain(taken.map(|(name, _)| name.clone())).collect()
}

/// By function: who calls it.
fn callers(image: &Image, bodies: &[Body], lists: &Lists) -> Vec<BTreeSet<usize>> {
    let modules = modules(image);
    let cuts: Vec<_> = lists.cuts.iter().map(|rule| Cut::new(image, rule)).collect();
    let mut callers = vec![BTreeSet::new(); bodies.len()];
    for (caller, body) in bodies.iter().enumerate() {
        let texts = body.texts.iter().filter_map(|at| image.text(*at));
        let looked_up = texts.filter_map(|text| modules.get(text)).flatten();
        for callee in body.calls.iter().chain(looked_up).copied() {
            match cuts.iter().find(|cut| cut.callers[caller] && cut.callees[callee]) {
                Some(cut) => cut.rule.mark(1, plain(&image.functions[callee].names[0])),
                None => drop(callers[callee].insert(caller)),
            }
        }
    }
    callers
}

/// A line of `cuts.txt`: which functions it means.
struct Cut<'a> {
    rule: &'a Rule,
    callers: Vec<bool>,
    callees: Vec<bool>,
}

impl<'a> Cut<'a> {
    fn new(image: &Image, rule: &'a Rule) -> Self {
        let meant = |column| {
            let functions = image.functions.iter();
            let fits = |name: &String| rule.fits(column, plain(name));
            functions.map(|function| function.names.iter().any(fits)).collect()
        };
        Self { rule, callers: meant(0), callees: meant(1) }
    }
}

/// Functions of the name services inside libc, by the name that they are looked up by.
fn modules(image: &Image) -> BTreeMap<String, Vec<usize>> {
    let mut modules: BTreeMap<String, Vec<usize>> = BTreeMap::new();
    for (index, function) in image.functions.iter().enumerate() {
        for name in &function.names {
            let service = ["_nss_files_", "_nss_dns_"].iter().find_map(|p| name.strip_prefix(p));
            if let Some(service) = service {
                modules.entry(service.to_owned()).or_default().push(index);
            }
        }
    }
    modules
}

/// Adds the exports that reach `lock` through a pointer.
fn add_pointers(image: &Image, rules: &[Rule], lock: &str, exports: &mut BTreeMap<usize, Path>) {
    for (index, export) in image.exports.iter().enumerate() {
        let rule = rules.iter().find(|rule| rule.fits(0, &export.name) && rule.fits(1, lock));
        if let Some(rule) = rule {
            rule.mark(0, &export.name);
            exports.entry(index).or_insert_with(|| vec![export.name.clone(), rule.place.clone()]);
        }
    }
}

fn exports_that_reach(
    image: &Image,
    callers: &[BTreeSet<usize>],
    takers: &BTreeSet<usize>,
) -> BTreeMap<usize, Path> {
    let mut next: BTreeMap<usize, Option<usize>> = takers.iter().map(|f| (*f, None)).collect();
    let mut ring: Vec<usize> = takers.iter().copied().collect();
    while !ring.is_empty() {
        let mut wider = Vec::new();
        for callee in ring {
            for caller in &callers[callee] {
                if !next.contains_key(caller) {
                    next.insert(*caller, Some(callee));
                    wider.push(*caller);
                }
            }
        }
        ring = wider;
    }
    let path = |start: usize| -> Path {
        let steps = std::iter::successors(Some(start), |at| next[at]);
        steps.map(|at| plain(&image.functions[at].names[0]).to_owned()).collect()
    };
    let exports = image.exports.iter().enumerate();
    let start = |export: &Export| image.function_at(export.address);
    exports
        .filter_map(|(index, export)| Some((index, start(export)?)))
        .filter(|(_, function)| next.contains_key(function))
        .map(|(index, function)| (index, path(function)))
        .collect()
}
