//! Programs that a protected program starts, and the environment that they get.

#![cfg(target_os = "linux")]

mod common;

use std::collections::BTreeMap;
use std::env;

use common::{EMULATED, Preload, Program, Run, is_short, library, out_dir, starts};

/// Each way to start a program, and how many a storm starts.
const FORMS: &[(&str, u32)] = without_the_last(&[
    ("posix_spawn", 10_000),
    ("posix_spawnp", 10_000),
    ("fork-execve", 1000),
    ("fork-execv", 1000),
    ("fork-execvp", 1000),
    ("fork-execvpe", 1000),
    ("fork-execl", 1000),
    ("fork-execle", 1000),
    ("fork-execlp", 1000),
    ("vfork-execve", 1000),
    ("vfork-execv", 1000),
    ("vfork-execvp", 1000),
    ("fork-fexecve", 1000),
]);

/// The forms that take an environment.
const WITH_ENVIRONMENT: &[&str] = without_the_last(&[
    "posix_spawn",
    "posix_spawnp",
    "fork-execve",
    "fork-execvpe",
    "fork-execle",
    "fork-fexecve",
]);

/// qemu-user 7.2 lacks `execveat(2)`, which is what `fexecve` calls.
const fn without_the_last<T>(forms: &[T]) -> &[T] {
    if EMULATED && let Some((_, others)) = forms.split_last() { others } else { forms }
}

fn spawn() -> Program {
    let program = Program::compiled("spawn.c");
    let path = env::var("PATH").unwrap_or_default();
    program.env("PATH", format!("{}:{path}", out_dir().display()))
}

/// The counts of the last line; none of them if the program crashed, which bare it may.
fn counts(run: &Run) -> Option<(u32, u32, u32)> {
    let mut numbers = run.stdout.lines().last()?.split(' ').map(|word| {
        word.split_once('=').and_then(|(_, number)| number.parse().ok()).expect("name=number")
    });
    Some((numbers.next()?, numbers.next()?, numbers.next()?))
}

/// With the library, every program that is started by one of `forms` gets all variables. Bare, some
/// do not, by each of the forms, or by one at least where so few are started that luck decides. Where they
/// are fewer still, only the library is looked at.
#[track_caller]
fn start_all_whole(forms: &[(&str, u32)]) {
    let mut unharmed = Vec::new();
    for (form, count) in forms {
        let storm = |count: u32| spawn().args(["storm", form, &count.to_string(), "1"]);
        let bare = storm(starts(4000)).run(Preload::Bare);
        if counts(&bare).is_some_and(|(_, failed, incomplete)| failed + incomplete == 0) {
            unharmed.push(bare);
        }
        let count = starts(*count);
        let run = storm(count).run(Preload::Protected).succeeded();
        assert_eq!(counts(&run), Some((count, 0, 0)), "{form}: {run:#?}");
    }
    let lucky = match (EMULATED, is_short()) {
        (_, true) => forms.len(),
        (true, false) => forms.len() - 1,
        (false, false) => 0,
    };
    assert!(unharmed.len() <= lucky, "nothing fails bare, so this shows nothing: {unharmed:#?}");
}

#[test]
fn posix_spawn_gets_a_whole_environment() {
    start_all_whole(&FORMS[..2]);
}

#[test]
fn exec_gets_a_whole_environment() {
    start_all_whole(&FORMS[2..]);
}

/// What a program that was started with an environment of this kind says about itself.
#[track_caller]
fn follow(form: &str, kind: &str, options: &str, preload: Preload) -> BTreeMap<String, String> {
    let run = spawn().options(options).args(["follow", form, kind]).run(preload).succeeded();
    let pair = |line: &str| line.split_once('=').map(|(a, b)| (a.to_owned(), b.to_owned()));
    run.stdout.lines().filter_map(pair).collect()
}

/// An environment that lacks the library gets it, in front of what it preloads already.
#[test]
fn programs_with_another_environment_are_followed() {
    let ours = library().to_string_lossy();
    for &form in WITH_ENVIRONMENT {
        for kind in ["empty", "null"] {
            // fexecve refuses it (fexecve(3)).
            if (form, kind) == ("fork-fexecve", "null") {
                continue;
            }
            let started = follow(form, kind, "follow=1", Preload::Protected);
            assert_eq!(started["loaded"], "yes", "{form}, {kind}: {started:?}");
            assert_eq!(started["preload"], ours, "{form}, {kind}: {started:?}");
        }
        let other = follow(form, "other", "follow=1", Preload::Protected);
        assert_eq!(other["loaded"], "yes", "{form}: {other:?}");
        let (first, rest) = other["preload"].split_once([':', ' ']).expect("two libraries");
        assert_eq!((first, rest), (&*ours, "libm.so.6"), "{form}: {other:?}");
        assert_eq!(other["kept"], "1", "{form}: {other:?}");
    }
    for &(form, _) in FORMS {
        for kind in ["cleared", "own"] {
            let started = follow(form, kind, "follow=1", Preload::Protected);
            assert_eq!(started["loaded"], "yes", "{form}, {kind}: {started:?}");
        }
    }
}

/// With `follow=0`, an environment is passed on as it is.
#[test]
fn programs_are_not_followed_if_so_asked() {
    for &(form, _) in FORMS {
        let bare = follow(form, "cleared", "follow=0", Preload::Bare);
        let started = follow(form, "cleared", "follow=0", Preload::Protected);
        assert_eq!(bare, started, "{form}");
        assert_eq!(started["variables"], "1", "{form}: {started:?}");
    }
    for &form in WITH_ENVIRONMENT {
        for kind in ["empty", "null", "other", "off"] {
            if (form, kind) == ("fork-fexecve", "null") {
                continue;
            }
            let bare = follow(form, kind, "follow=0", Preload::Bare);
            assert_eq!(bare, follow(form, kind, "follow=0", Preload::Protected), "{form}, {kind}");
        }
    }
}

/// Who passes `FORKFIX=off` on gets what he asks for, and nothing is added to his environment.
#[test]
fn the_kill_switch_is_passed_on() {
    for &form in WITH_ENVIRONMENT {
        let bare = follow(form, "off", "follow=1", Preload::Bare);
        assert_eq!(bare, follow(form, "off", "follow=1", Preload::Protected), "{form}");
    }
}
