//! What the library records: the events in the ring, the scene of a fork, and what it does not put up with.

#![cfg(target_os = "linux")]

mod common;
#[allow(dead_code, reason = "some of it is for the library alone")]
#[path = "../interpose/src/record/format.rs"]
mod format;
#[path = "record/ring.rs"]
mod ring;

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{PermissionsExt, chown, symlink};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use common::{Build, DEADLINE, Preload, Program, Run, library, need};
use format::{CAPACITY, Event, Kind, Scene};
use ring::{Ring, kind, scene, text};

const PYTHON: &str = "/usr/bin/python3.11";

fn recorded(ring: &Ring, arguments: &[&str]) -> Program {
    let program = Program::at(Build::of("recorded.c").executable());
    program.quiet().args(arguments).options(&ring.option())
}

/// Runs the program, which must end well.
fn run(program: &Program) -> Run {
    program.run(Preload::Protected).succeeded()
}

fn kinds(events: &[Event]) -> Vec<Kind> {
    events.iter().map(kind).collect()
}

/// The first event of a kind.
#[track_caller]
fn first(events: &[Event], wanted: Kind) -> Event {
    *events
        .iter()
        .find(|event| kind(event) == wanted)
        .unwrap_or_else(|| panic!("no {wanted:?} in {:?}", kinds(events)))
}

/// The lines `NAME=NUMBER` that `recorded.c` prints.
fn printed(run: &Run) -> BTreeMap<String, u64> {
    let number = |text: &str| match text.strip_prefix("0x") {
        Some(hex) => u64::from_str_radix(hex, 16).ok(),
        None => text.parse().ok(),
    };
    let pair =
        |line: &str| line.split_once('=').and_then(|(k, v)| Some((k.to_owned(), number(v)?)));
    run.stdout.lines().filter_map(pair).collect()
}

/// Runs a program whose first recorded child stops itself. Returns that child's scene, and the beginning of
/// the library in its memory.
fn stopped(ring: &Ring, program: &Program) -> (Run, Box<Scene>, std::ops::Range<u64>) {
    thread::scope(|scope| {
        let run = scope.spawn(|| program.run(Preload::Protected));
        let end = Instant::now() + DEADLINE;
        let child = loop {
            assert!(Instant::now() < end && !run.is_finished(), "no child has stopped itself");
            let claimed = ring.counts()[0].load(Ordering::Acquire);
            let mut events = (0..claimed).filter_map(|index| ring.event(index));
            let ready = events.find(|event| kind(event) == Kind::Ready && event.numbers[1] != 0);
            if let Some(ready) = ready.filter(|ready| is_stopped(ready.pid)) {
                break ready;
            }
            thread::sleep(Duration::from_millis(1));
        };
        let scene = scene(child.pid, child.numbers[1]);
        assert_eq!((scene.magic, scene.serial), (format::MAGIC, child.serial));
        let library = mapping(child.pid, library());
        let pid = libc::pid_t::try_from(child.pid).expect("a pid");
        // SAFETY: no pointers; a child of the program that this test runs, which has not been reaped.
        unsafe { libc::kill(pid, libc::SIGCONT) };
        (run.join().expect("the program was run").succeeded(), scene, library)
    })
}

fn is_stopped(pid: u32) -> bool {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    status.lines().any(|line| line.starts_with("State:\tT"))
}

/// From where to where a file is mapped in a process.
fn mapping(pid: u32, file: &Path) -> std::ops::Range<u64> {
    let file = fs::canonicalize(file).expect("it is there");
    let maps = fs::read_to_string(format!("/proc/{pid}/maps")).expect("it runs");
    let lines = maps.lines().filter(|line| line.ends_with(&file.display().to_string()));
    let ranges = lines.filter_map(|line| line.split_once(' ')?.0.split_once('-'));
    let hex = |text: &str| u64::from_str_radix(text, 16).expect("an address");
    let ranges: Vec<_> = ranges.map(|(from, to)| (hex(from), hex(to))).collect();
    ranges[0].0..ranges[ranges.len() - 1].1
}

#[test]
fn a_program_and_its_fork() {
    let ring = Ring::new();
    let program = recorded(&ring, &["storm", "1"]).env("GTEST_FILTER", "Suite.Case");
    let test = "PYTEST_CURRENT_TEST=tests/test_a.py::test_b (call)";
    let run = run(&program.env("PYTEST_CURRENT_TEST", test.split_once('=').expect("a pair").1));
    assert!(run.stderr.is_empty(), "{run:#?}");
    let events = ring.events();
    let pid = run.pid;
    let start = first(&events, Kind::Start);
    assert_eq!((start.pid, start.tid, start.numbers[0]), (pid, pid, std::process::id().into()));
    assert!(text(&start.text).ends_with("recorded"), "{}", text(&start.text));
    let fork = first(&events, Kind::Fork);
    assert_eq!((fork.pid, fork.tid, text(&fork.name)), (pid, pid, "forker"));
    assert_eq!(text(&fork.text), test);
    assert_eq!(fork.serial, u64::from(pid) << 32 | 1);
    let ready = first(&events, Kind::Ready);
    assert_eq!((ready.serial, ready.numbers[0]), (fork.serial, pid.into()));
    assert!(ready.pid == ready.tid && ready.pid != pid);
    assert_ne!(ready.numbers[1], 0, "no scene");
    assert_eq!(first(&events, Kind::Exit).pid, pid);
    assert!(events.is_sorted_by_key(|event| event.time_ns));
    let optional = [Kind::Drain, Kind::GiveUp];
    let kinds: Vec<_> = kinds(&events).into_iter().filter(|k| !optional.contains(k)).collect();
    assert_eq!(kinds, [Kind::Start, Kind::Fork, Kind::Ready, Kind::Exit]);
}

#[test]
fn without_backtrace_there_is_no_scene() {
    let ring = Ring::new();
    run(&recorded(&ring, &["storm", "2"]).options("backtrace=off"));
    let events = ring.events();
    assert_eq!(events.iter().filter(|event| kind(event) == Kind::Ready).count(), 2);
    assert_eq!(first(&events, Kind::Ready).numbers[1], 0);
}

#[test]
fn a_thread_that_stays_inside() {
    let ring = Ring::new();
    let run = run(&recorded(&ring, &["inside"]));
    let events = ring.events();
    let gave_up = first(&events, Kind::GiveUp);
    assert_eq!((text(&gave_up.name), text(&gave_up.text)), ("dawdler", "stdio"));
    assert_eq!((u64::from(gave_up.tid), gave_up.numbers[0]), (printed(&run)["dawdler"], 0));
    // Its budget is 10 ms.
    assert!(gave_up.numbers[1] >= 10_000_000, "{}", gave_up.numbers[1]);
    let drain = first(&events, Kind::Drain);
    assert_eq!(drain.numbers[..3], [gave_up.numbers[1], 1, 0]);
    assert_eq!(first(&events, Kind::Fork).code, 1);
}

#[test]
fn a_lock_that_is_held() {
    for orphans in ["report", "repair"] {
        let ring = Ring::new();
        let program = recorded(&ring, &["stop"]).options(&format!("orphans={orphans}:log=off"));
        let (run, scene, _) = stopped(&ring, &program);
        let printed = printed(&run);
        let events = ring.events();
        let gave_up = first(&events, Kind::GiveUp);
        assert_eq!((text(&gave_up.name), text(&gave_up.text)), ("holder", "mutex"));
        assert_eq!(gave_up.numbers[0], printed["mutex"]);
        let lock = &scene.locks[0];
        assert_eq!((scene.locks_len, lock.address), (1, printed["mutex"]));
        assert_eq!((u64::from(lock.tid), text(&lock.kind)), (printed["holder"], "mutex"));
        assert_eq!(lock.repaired, u32::from(orphans == "repair"));
        let repairs = events.iter().filter(|event| kind(event) == Kind::Repair);
        assert_eq!(repairs.map(|event| event.code).sum::<u32>(), lock.repaired);
    }
}

#[test]
fn who_does_what_at_a_fork() {
    let ring = Ring::new();
    let (run, scene, library) = stopped(&ring, &recorded(&ring, &["stop"]).options("log=off"));
    let printed = printed(&run);
    assert_eq!((scene.version, scene.forker), (format::VERSION, run.pid));
    assert_eq!((scene.threads_len, scene.threads_more), (2, 0));
    let threads = &scene.threads[..2];
    let tid_of = |name: &str| {
        let thread = threads.iter().find(|thread| text(&thread.name) == name);
        thread.map(|thread| u64::from(thread.tid))
    };
    for name in ["holder", "sleeper"] {
        assert_eq!(tid_of(name), Some(printed[name]), "{name}");
    }
    for thread in threads {
        assert!(thread.registers.pc != 0 && thread.registers.sp != 0, "{}", text(&thread.name));
        assert_eq!(thread.given_up == 1, text(&thread.name) == "holder");
        assert_eq!(text(&thread.family), "");
    }
    assert!(library.contains(&scene.registers.pc), "not in the library");
    let stack = &scene.stack[..scene.stack_len as usize];
    let words = stack.chunks_exact(8).map(|word| u64::from_ne_bytes(word.try_into().expect("8")));
    // A return address: `fork_here` is a few dozen instructions.
    let from = printed["fork_here"];
    assert!(
        { words }.any(|word| (from..from + 100).contains(&word)),
        "fork_here is not on the stack"
    );
}

#[test]
fn stacks_of_python() {
    need(PYTHON, "python3.11");
    let script = "
import os, signal, sys, threading, time
def wait_inside():
    begun.set()
    time.sleep(100000)
def fork_here():
    return os.fork()
begun = threading.Event()
threading.Thread(target=wait_inside, name='waits', daemon=True).start()
begun.wait()
pid = fork_here()
if pid == 0:
    os.kill(os.getpid(), signal.SIGSTOP)
    os._exit(0)
os.waitpid(pid, 0)
# Once more, now that the handlers are registered.
if os.fork() == 0:
    os._exit(0)
os.wait()
";
    let ring = Ring::new();
    let program = Program::at(PYTHON).quiet().args(["-c", script]).options(&ring.option());
    let (run, scene, _) = stopped(&ring, &program);
    assert!(run.stderr.is_empty(), "{run:#?}");
    let said = text(&scene.python[..scene.python_len as usize]).to_owned();
    let lines: Vec<_> = said.lines().collect();
    assert_eq!(lines[0], format!("thread {} MainThread", run.pid));
    assert_eq!(lines[1..3], ["<string>:7 fork_here", "<string>:11 <module>"], "{said}");
    let other = &scene.threads[0];
    assert_eq!(lines[3], format!("thread {} waits", other.tid), "{said}");
    assert_eq!(lines[4], "<string>:5 wait_inside", "{said}");
}

#[test]
fn programs_of_programs_join_in() {
    let ring = Ring::new();
    let script = "(/bin/true; exec /bin/sh -c 'exec /bin/true')";
    run(&Program::at("/bin/sh").quiet().args(["-c", script]).options(&ring.option()));
    let events = ring.events();
    let starts: Vec<_> = events.iter().filter(|event| kind(event) == Kind::Start).collect();
    let names: Vec<_> = starts.iter().map(|event| text(&event.text)).collect();
    assert_eq!(names.iter().filter(|name| **name == "/bin/true").count(), 2, "{names:?}");
    for ready in events.iter().filter(|event| kind(event) == Kind::Ready) {
        let of = |event: &&Event| kind(event) == Kind::Fork && event.serial == ready.serial;
        let fork = events.iter().find(of).expect("who is forked has a forker");
        assert_eq!(u64::from(fork.pid), ready.numbers[0]);
        assert_eq!(ready.serial >> 32, fork.pid.into());
    }
}

#[test]
fn exec_of_a_child() {
    let ring = Ring::new();
    run(&recorded(&ring, &["exec"]));
    let events = ring.events();
    let child = first(&events, Kind::Ready).pid;
    let of_child: Vec<_> = events.iter().filter(|event| event.pid == child).copied().collect();
    let expected = [Kind::Ready, Kind::Exec, Kind::ExecFailed, Kind::Exec, Kind::Start, Kind::Exit];
    assert_eq!(kinds(&of_child), expected);
    assert_eq!(text(&of_child[1].text), "/nowhere/to/be/found");
    assert_eq!(text(&of_child[3].text), "/bin/true");
    // The child of vfork shares the parent's memory, but is not it.
    let others = events.iter().filter(|event| event.pid != child).copied().collect::<Vec<_>>();
    assert_eq!(kinds(&others), [Kind::Start, Kind::Fork, Kind::Exit]);
}

#[test]
fn a_fork_that_fails() {
    let ring = Ring::new();
    run(&recorded(&ring, &["failing"]));
    let failed = first(&ring.events(), Kind::Failed);
    assert_eq!(failed.code, libc::EAGAIN as u32);
    assert_eq!(failed.serial, first(&ring.events(), Kind::Fork).serial);
}

#[test]
fn descriptors_may_be_closed() {
    let ring = Ring::new();
    run(&recorded(&ring, &["closed"]));
    assert_eq!(kinds(&ring.events()), [Kind::Start, Kind::Fork, Kind::Ready, Kind::Exit]);
}

#[test]
fn a_full_ring_is_no_obstacle() {
    let ring = Ring::new();
    let [claimed, read, dropped] = ring.counts();
    // As if two events were still to be read, and then all but three places.
    claimed.store(CAPACITY as u64 - 1, Ordering::Relaxed);
    read.store(2, Ordering::Relaxed);
    run(&recorded(&ring, &["storm", "20"]));
    assert_eq!(claimed.load(Ordering::Relaxed), CAPACITY as u64 + 2);
    let kinds: Vec<_> = (0..3).map(|n| ring.event(CAPACITY as u64 - 1 + n)).collect();
    assert!(kinds.iter().all(Option::is_some), "an event is missing");
    // The other 19 forks and children, and the end.
    assert!(dropped.load(Ordering::Relaxed) >= 2 * 20 + 2 - 3);
}

#[test]
fn garbage_in_the_ring_does_no_harm() {
    let ring = Ring::new();
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            let mut random = 0x9e37_79b9_7f4a_7c15u64;
            while !done.load(Ordering::Relaxed) {
                for count in ring.counts() {
                    random ^= random << 13;
                    random ^= random >> 7;
                    random ^= random << 17;
                    // Also what is nearly right.
                    let few = random % 4;
                    count.store(
                        [random, few, u64::MAX - few, 1 << 63][(random >> 8) as usize % 4],
                        Ordering::Relaxed,
                    );
                }
            }
        });
        let run = recorded(&ring, &["storm", "300"]).run(Preload::Protected);
        done.store(true, Ordering::Relaxed);
        assert!(run.succeeded().stderr.is_empty());
    });
}

/// The program goes on without a record, and says why in one sentence.
#[track_caller]
fn is_refused(ring: &Ring, option: &str, why: &str) {
    let claimed = ring.counts()[0].load(Ordering::Relaxed);
    let program = Program::at(Build::of("recorded.c").executable());
    let run = run(&program.quiet().args(["storm", "2"]).options(option));
    let lines: Vec<_> = run.stderr.lines().collect();
    assert!(lines.len() == 1, "{run:#?}");
    assert!(lines[0].starts_with("forkfix: nothing is recorded, because /"), "{run:#?}");
    assert!(lines[0].contains(why), "{why:?} is not in {run:#?}");
    assert_eq!(ring.counts()[0].load(Ordering::Relaxed), claimed, "an event was written");
}

#[test]
fn links_are_not_followed() {
    let ring = Ring::new();
    let link = ring.beside().join("link");
    symlink(ring.directory(), &link).expect("a link");
    is_refused(&ring, &format!("record={}", link.display()), "link is no directory");

    let elsewhere = ring.beside().join("elsewhere");
    fs::rename(ring.file(), &elsewhere).expect("it can be moved");
    symlink(&elsewhere, ring.file()).expect("a link");
    is_refused(&ring, &ring.option(), "ring is no plain file");

    fs::remove_file(ring.file()).expect("it can be removed");
    fs::hard_link(&elsewhere, ring.file()).expect("a hard link");
    is_refused(&ring, &ring.option(), "ring has another name somewhere else");
}

#[test]
fn what_others_can_use_is_not_used() {
    let mode = |path: &Path, mode: u32| {
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).expect("it is ours");
    };
    let ring = Ring::new();
    mode(&ring.file(), 0o644);
    is_refused(&ring, &ring.option(), "ring can be used by other users");
    mode(&ring.file(), 0o600);
    mode(&ring.directory(), 0o755);
    is_refused(&ring, &ring.option(), "own can be used by other users");
    mode(&ring.directory(), 0o700);
    // SAFETY: no arguments, no memory.
    if unsafe { libc::geteuid() } == 0 {
        chown(ring.file(), Some(65534), None).expect("root may");
        is_refused(&ring, &ring.option(), "ring belongs to another user");
        chown(ring.file(), Some(0), None).expect("root may");
        chown(ring.directory(), Some(65534), None).expect("root may");
        is_refused(&ring, &ring.option(), "own belongs to another user");
        chown(ring.directory(), Some(0), None).expect("root may");
    }
    // Now it is as it was.
    run(&recorded(&ring, &["storm", "1"]));
    assert_eq!(kind(&ring.event(0).expect("it is recorded")), Kind::Start);
}

#[test]
fn what_is_no_ring_is_not_used() {
    let ring = Ring::new();
    ring.set_magic(*b"forkfax\0");
    is_refused(&ring, &ring.option(), "ring does not begin like a ring");
    ring.set_magic(format::MAGIC);
    ring.set_version(format::VERSION + 1);
    is_refused(&ring, &ring.option(), "ring was made by another version of forkfix");
    ring.set_version(format::VERSION);

    let kept = ring.beside().join("kept");
    fs::rename(ring.file(), &kept).expect("it can be moved");
    for size in [0, ring::SIZE as u64 - 1, ring::SIZE as u64 + 1] {
        let file = fs::File::create(ring.file()).expect("a new file");
        file.set_len(size).expect("there is room");
        file.set_permissions(fs::Permissions::from_mode(0o600)).expect("it is ours");
        is_refused(&ring, &ring.option(), "ring has the wrong size");
    }
    fs::remove_file(ring.file()).expect("it can be removed");
    let pipe = std::ffi::CString::new(ring.file().into_os_string().into_encoded_bytes());
    // SAFETY: a C string.
    assert_eq!(unsafe { libc::mkfifo(pipe.expect("no zero").as_ptr(), 0o600) }, 0);
    is_refused(&ring, &ring.option(), "ring is no plain file");
    fs::remove_file(ring.file()).expect("it can be removed");
    fs::create_dir(ring.file()).expect("a directory");
    is_refused(&ring, &ring.option(), "ring is no plain file");
}

/// The supervisor has ended, and what it has started goes on.
#[test]
fn a_ring_that_is_gone_is_no_problem() {
    let ring = Ring::new();
    fs::remove_file(ring.file()).expect("it can be removed");
    assert!(run(&recorded(&ring, &["storm", "2"])).stderr.is_empty());
    fs::remove_dir(ring.directory()).expect("it is empty");
    assert!(run(&recorded(&ring, &["storm", "2"])).stderr.is_empty());
}

#[test]
fn the_kill_switch_ends_records_too() {
    let ring = Ring::new();
    let program = recorded(&ring, &["storm", "2"]).env("FORKFIX", "off");
    run(&program);
    assert!(ring.events().is_empty());
}
