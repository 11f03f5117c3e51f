//! Everything at once: calls of all families, locks, pools, forks of any thread, short of everything.
//!
//! `make soak` runs for ten minutes, and ten minutes several at once; a plain test run for one minute each.
//! `FORKFIX_SOAK_SEED` repeats a run's random choices, as far as threads allow.

#![cfg(target_os = "linux")]

mod common;

use std::env;
use std::fs;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use common::{Build, Preload, Program, library};

/// A number from the environment, or `otherwise`.
fn number(name: &str, otherwise: u64) -> u64 {
    let value = env::var(name).ok();
    value.map_or(otherwise, |value| value.parse().unwrap_or_else(|_| panic!("{name}={value}")))
}

fn seed() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("it is after 1970");
    number("FORKFIX_SOAK_SEED", u64::from(now.subsec_nanos()))
}

/// `soak.c`, compiled.
fn soak() -> PathBuf {
    Build::of("soak.c").flags(["-fopenmp"]).executable()
}

/// Runs the program for `seconds`; nothing may go wrong or be left over.
fn soak_for(seconds: u64, seed: u64) {
    let deadline = Duration::from_secs(seconds + 120);
    let program = Program::at(soak()).args(arguments(seconds, seed)).deadline(deadline);
    println!("seed {seed}, {seconds} s");
    let run = program.run(Preload::Protected).unharmed(seconds);
    println!("{}", run.stdout.lines().last().unwrap_or_default());
    let left = run.stdout.contains(" descriptors=0 ");
    assert!(left, "descriptors are left over: {run:#?}");
    // Eight threads, their pools, and short ones that come and go.
    assert!(run.stats().get("slots") < 100, "{run:#?}");
}

fn arguments(seconds: u64, seed: u64) -> [String; 3] {
    [seconds, seed, 1].map(|number| number.to_string())
}

fn seconds() -> u64 {
    number("FORKFIX_SOAK_SECONDS", 60)
}

#[test]
fn everything_at_once() {
    let seed = seed();
    let bare = Program::at(soak()).args(arguments(60, seed)).run(Preload::Bare);
    assert!(bare.stdout.contains("a child hung"), "{bare:#?}");
    soak_for(seconds(), seed);
}

/// Several of them: each has a small part of the machine. A thread that has no processor must not be taken for one
/// that waits for somebody.
#[test]
fn everything_at_once_on_a_busy_machine() {
    let seed = seed();
    thread::scope(|scope| {
        for number in 0..4 {
            scope.spawn(move || soak_for(seconds(), seed + number));
        }
    });
}

/// How long children may go on when their parent is gone.
const PATIENCE: Duration = Duration::from_secs(30);

/// Kills the parent at random moments: its children end by themselves, and no file is left.
#[test]
fn nothing_is_left_of_one_that_was_killed() {
    let mut random = seed() | 1;
    let files = tempfile::tempdir().expect("there is room for files");
    let shared = || fs::read_dir("/dev/shm").map_or(0, Iterator::count);
    let before = shared();
    for _ in 0..20 {
        random =
            random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        kill_after(Duration::from_millis(random >> 33 & 0x1ff), random, files.path());
    }
    let left: Vec<_> = fs::read_dir(files.path()).expect("it is there").collect();
    assert!(left.is_empty(), "{left:?}");
    assert!(shared() <= before, "files in /dev/shm are left");
}

fn kill_after(delay: Duration, seed: u64, files: &Path) {
    let mut command = Command::new(soak());
    command.args(["60", &seed.to_string(), "1"]).process_group(0).stdout(Stdio::null());
    command.env("LD_PRELOAD", library()).env("TMPDIR", files);
    let mut parent = command.spawn().expect("it is executable");
    thread::sleep(delay);
    parent.kill().expect("it is ours");
    let group = libc::pid_t::try_from(parent.id()).expect("a pid");
    // Not reaped before its children are gone: so long nobody else gets its id, which is the group's.
    let end = Instant::now() + PATIENCE;
    while members(group) > 1 && Instant::now() < end {
        thread::sleep(Duration::from_millis(10));
    }
    let left = members(group);
    // SAFETY: no pointers; the group is the one that our child leads.
    unsafe { libc::kill(-group, libc::SIGKILL) };
    parent.wait().expect("it is ours");
    assert_eq!(left, 1, "of seed {seed}, killed after {delay:?}, children are left");
}

/// How many processes are in a group.
fn members(group: libc::pid_t) -> usize {
    let processes = fs::read_dir("/proc").expect("/proc").filter_map(Result::ok);
    let group_of = |process: fs::DirEntry| {
        let text = fs::read_to_string(process.path().join("stat")).ok()?;
        text.rsplit_once(") ")?.1.split(' ').nth(2)?.parse::<libc::pid_t>().ok()
    };
    processes.filter_map(group_of).filter(|of| *of == group).count()
}
