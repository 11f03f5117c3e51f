//! Why forkfix did not prevent a hang, and what to do.
//!
//! The codes stand in docs/reports.md.

use procfs::process::Process;

use super::locks::{Class, Pool};
use super::scene::{Other, Scene};
use crate::report::model::{Holder, Reason};

/// What is known of a hang.
pub(super) struct Facts<'a> {
    pub(super) class: Class,
    pub(super) holder: Option<&'a Holder>,
    pub(super) scene: &'a Scene,
    pub(super) options: Options,
    /// How many other threads the library knew of at the fork.
    pub(super) others: u32,
    pub(super) has_python: bool,
}

/// What the library in the child was told.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Options {
    /// `FORKFIX=off`.
    off: bool,
    /// `orphans=`, if it is something else than `repair`.
    orphans: Option<String>,
    /// `pools=off`.
    no_pools: bool,
}

impl Options {
    /// Those of process `pid`, as its environment was when its program began.
    pub(super) fn of(pid: u32) -> Self {
        let process = i32::try_from(pid).ok().and_then(|pid| Process::new(pid).ok());
        let environment = process.and_then(|process| process.environ().ok()).unwrap_or_default();
        let value = |name: &str| {
            environment
                .get(std::ffi::OsStr::new(name))
                .map(|value| value.to_string_lossy().into_owned())
        };
        Self::parse(
            &value("FORKFIX_OPTIONS").unwrap_or_default(),
            &value("FORKFIX").unwrap_or_default(),
        )
    }

    fn parse(options: &str, switch: &str) -> Self {
        let value = |key: &str| {
            let pairs = options.split(':').filter_map(|pair| pair.split_once('='));
            pairs.filter(|(name, _)| *name == key).map(|(_, value)| value.to_owned()).next_back()
        };
        Self {
            off: matches!(switch, "off" | "0"),
            orphans: value("orphans").filter(|orphans| orphans != "repair"),
            no_pools: value("pools").is_some_and(|pools| pools == "off"),
        }
    }
}

/// The reason, and sentences of advice, best first.
pub(super) fn of(facts: &Facts<'_>) -> (Reason, Vec<String>) {
    let (code, text) = reason(facts);
    let mut advice = remedies(facts, code);
    advice.extend(general(facts.has_python).map(str::to_owned));
    (Reason { code: code.to_owned(), text }, advice)
}

fn reason(facts: &Facts<'_>) -> (&'static str, String) {
    let Facts { class, holder, scene, options, others, .. } = facts;
    let is_tracked = match class {
        Class::Mutex | Class::ReadWrite | Class::Guard | Class::Once => true,
        // Of these, only those that somebody holds are locks.
        Class::Python | Class::Semaphore => holder.is_some(),
        _ => false,
    };
    let by_forker = |holder: &&Holder| scene.forker != 0 && holder.thread.tid == scene.forker;
    let (code, text) = match (class, &options.orphans) {
        _ if options.off => ("FF-OPTION", "FORKFIX=off makes the library do nothing."),
        (Class::Pool(Pool::Gomp), _) if options.no_pools => {
            ("FF-OPTION", "pools=off told forkfix to leave the pools of OpenMP alone.")
        }
        _ if holder.filter(by_forker).is_some() => {
            ("FF-OWN", "The forking thread itself held the lock, and its child takes it once more.")
        }
        (_, Some(orphans)) if is_tracked => {
            let text = format!("orphans={orphans} told forkfix to leave such locks as they are.");
            return ("FF-OPTION", text);
        }
        (Class::Futex | Class::Parked, _) => (
            "FF-RAWFUTEX",
            "This lock is a number in the program's memory; no library can see who holds it, nor free it.",
        ),
        (Class::Pool(_), _) => (
            "FF-POOL",
            "The threads of the pool are in the parent only; nobody answers in the child.",
        ),
        (Class::Join | Class::Condition | Class::Barrier, _) => ("FF-GONE", GONE),
        (Class::Python | Class::Semaphore, _) if !is_tracked => ("FF-GONE", GONE),
        (Class::Libc(family), _) => return in_libc(family, facts),
        _ if holder.is_some_and(|holder| holder.known_by != "recorded") => (
            "FF-NOTYET",
            "The lock was taken before forkfix could see it, or by code that goes past it.",
        ),
        _ => {
            let text = format!(
                "forkfix knew of {others} other threads at the fork, and not which of them is to blame."
            );
            return ("FF-UNKNOWN", text);
        }
    };
    (code, text.to_owned())
}

const GONE: &str =
    "The child waits for what only another thread could do, and that thread is in the parent only.";

/// A lock inside of libc hangs if the fork did not wait for its holder any longer.
fn in_libc(family: &str, facts: &Facts<'_>) -> (&'static str, String) {
    let lost = |thread: &&Other| thread.given_up && thread.family == family;
    match (facts.scene.threads.iter().find(lost), facts.holder) {
        (Some(thread), _) => (
            "FF-GAVEUP",
            format!(
                "Thread \"{}\" was still inside of libc after {} ms, and the fork did not wait any longer.",
                thread.name,
                thread.inside_ns / 1_000_000,
            ),
        ),
        (None, Some(_)) => (
            "FF-NOTYET",
            "The call that held the lock went past forkfix: libc made it itself, or it was looked up in libc.".to_owned(),
        ),
        (None, None) => ("FF-UNKNOWN", "forkfix did not see any thread inside of libc at the fork.".to_owned()),
    }
}

/// What helps against this very hang.
fn remedies(facts: &Facts<'_>, code: &str) -> Vec<String> {
    let remedy = match (code, facts.class) {
        ("FF-OPTION", _) if facts.options.off => "Leave FORKFIX=off out of the environment.",
        ("FF-OPTION", Class::Pool(_)) => {
            "Leave pools=off out of FORKFIX_OPTIONS: the child then makes a pool of its own."
        }
        ("FF-OPTION", _) => {
            "Leave orphans= out of FORKFIX_OPTIONS: forkfix then frees such locks in the child."
        }
        ("FF-OWN", _) => "Release the lock before the fork, or do not take it in the child.",
        ("FF-RAWFUTEX", _) => {
            "Have the forking thread take this lock before the fork and release it afterwards, in parent and child: \
             then no other thread holds it."
        }
        ("FF-GAVEUP", _) => {
            "Let the fork wait longer: bounded_ms=, blocking_ms= or stdio_ms= in FORKFIX_OPTIONS, in milliseconds."
        }
        (_, Class::Pool(Pool::Gomp | Pool::OpenMp)) => {
            "Do without a pool: OMP_NUM_THREADS=1, or forkfix run --preset openmp."
        }
        (_, Class::Pool(Pool::Rayon)) => {
            "Fork before the parent's first parallel call: each process then makes a pool of its own."
        }
        (_, Class::Pool(Pool::Tokio)) => "Make the Runtime in the child.",
        ("FF-GONE", _) => "Start the thread that is waited for in the child.",
        _ => return Vec::new(),
    };
    vec![remedy.to_owned()]
}

/// What always helps.
fn general(has_python: bool) -> impl Iterator<Item = &'static str> {
    let python = "In Python: multiprocessing.set_start_method(\"forkserver\") or (\"spawn\").";
    let exec = "Call exec right after the fork, or posix_spawn instead of both; or fork before other threads start.";
    has_python.then_some(python).into_iter().chain([exec])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::model::Thread;

    fn code(class: Class, options: &str, holder: Option<u32>, inside: Option<&str>) -> String {
        let thread = |tid| Thread { tid, ..Thread::default() };
        let holder = holder.map(|tid| Holder { thread: thread(tid), ..Holder::default() });
        let lost = inside.map(|family| Other {
            given_up: true,
            family: family.to_owned(),
            ..Other::default()
        });
        let scene = Scene { forker: 7, threads: lost.into_iter().collect(), ..Scene::default() };
        let options = Options::parse(options, "");
        let facts = Facts {
            class,
            holder: holder.as_ref(),
            scene: &scene,
            options,
            others: 1,
            has_python: true,
        };
        let (reason, advice) = of(&facts);
        assert!(
            reason.text.ends_with('.') && advice.iter().all(|a| a.ends_with('.')),
            "{reason:?} {advice:?}"
        );
        reason.code
    }

    #[test]
    fn each_hang_has_its_reason() {
        for (class, options, holder, inside, reason) in [
            (Class::Mutex, "orphans=report", Some(8), None, "FF-OPTION"),
            (Class::Mutex, "orphans=report", Some(7), None, "FF-OWN"),
            (Class::Mutex, "", Some(8), None, "FF-NOTYET"),
            (Class::Semaphore, "orphans=report", None, None, "FF-GONE"),
            (Class::Python, "orphans=report", Some(8), None, "FF-OPTION"),
            (Class::Mutex, "orphans=off:orphans=repair", None, None, "FF-UNKNOWN"),
            (Class::Guard, "orphans=off", None, None, "FF-OPTION"),
            (Class::Futex, "orphans=report", Some(8), None, "FF-RAWFUTEX"),
            (Class::Parked, "", None, None, "FF-RAWFUTEX"),
            (Class::Pool(Pool::Gomp), "pools=off", None, None, "FF-OPTION"),
            (Class::Pool(Pool::Gomp), "", None, None, "FF-POOL"),
            (Class::Pool(Pool::Rayon), "pools=off", None, None, "FF-POOL"),
            (Class::Join, "", None, None, "FF-GONE"),
            (Class::Libc("syslog"), "orphans=report", None, Some("syslog"), "FF-GAVEUP"),
            (Class::Libc("syslog"), "", None, Some("stdio"), "FF-UNKNOWN"),
            (Class::Libc("syslog"), "", Some(8), None, "FF-NOTYET"),
            (Class::Unknown, "nonsense:x=:=", None, None, "FF-UNKNOWN"),
        ] {
            assert_eq!(code(class, options, holder, inside), reason, "{class:?} {options}");
        }
    }

    #[test]
    fn the_switch_comes_first() {
        let options = Options::parse("orphans=report", "off");
        assert!(options.off);
        assert_eq!(Options::parse("", "on"), Options::default());
    }
}
