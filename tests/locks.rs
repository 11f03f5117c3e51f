//! Locks of the program: a fork waits for who holds them, and a child finds those free that it could not wait for.

#![cfg(target_os = "linux")]

mod common;

use common::{Build, Preload, Program, Run, forks, hangs_bare_passes_protected, hangs_only_bare};

const FORKS: u64 = 1000;

/// Other functions that take the same locks.
const FORKS_OF_VARIANTS: u64 = 200;

/// Each of them waits for its budget in vain.
const TORN_FORKS: u64 = 10;

/// A budget that no holder uses up, however busy the machine is.
const PATIENT: &str = "locks_ms=10000";
const PATIENCE_US: u64 = 10_000_000;

fn locks(kind: &str) -> Program {
    Program::compiled("locks.c").args([kind])
}

fn conds(mode: &str) -> Program {
    Program::compiled("lock_conds.c").args([mode])
}

fn holders(mode: &str) -> Program {
    Program::compiled("lock_holders.c").args([mode])
}

/// Every fork found every lock free, without waiting until its budget was used up.
#[track_caller]
fn found_free(run: Run) {
    let run = run.drained();
    let stats = run.stats();
    assert_eq!(stats.get("orphaned"), 0, "{run:#?}");
    assert!(stats.get("wait_max_us") < PATIENCE_US, "{run:#?}");
    assert!(run.messages().is_empty(), "{run:#?}");
}

/// Bare, children hang; protected, each fork finds every lock free, and each child finds what it guards whole.
#[track_caller]
fn whole(program: &Program, forks: u64) {
    found_free(hangs_bare_passes_protected(&program.options(PATIENT), forks));
}

/// The same where libc ends the bare child: the kernel refuses to let it wait for a thread that is not there.
#[track_caller]
fn whole_or_else_aborted(program: &Program) {
    let bare = program.args(["50", "1"]).run(Preload::Bare).succeeded();
    assert!(bare.tally().hangs + bare.tally().crashes > 0, "nothing goes wrong: {bare:#?}");
    let protected = program.options(PATIENT).args([&forks(FORKS).to_string(), "1"]);
    found_free(protected.run(Preload::Protected).unharmed(forks(FORKS)));
}

#[test]
fn mutexes() {
    for kind in ["normal", "recursive", "errorcheck", "adaptive", "c11-plain", "c11-recursive"] {
        whole(&locks(kind), FORKS);
    }
}

#[test]
fn mutexes_that_raise_priorities() {
    for kind in ["inherit", "inherit-recursive"] {
        whole_or_else_aborted(&locks(kind));
    }
    let protect = locks("protect");
    let trial = protect.args(["1", "1"]).run(Preload::Bare);
    if !trial.stderr.contains("no right to a priority") {
        whole(&protect, FORKS);
    }
}

#[test]
fn read_write_locks() {
    let readers = ["readers", "readers-twice", "readers-preferring-writers"];
    for kind in readers.into_iter().chain(["writers", "writers-preferred"]) {
        whole(&locks(kind), FORKS);
    }
}

#[test]
fn spinlocks() {
    whole(&locks("spin"), FORKS);
}

#[test]
fn several_at_once() {
    for kind in ["nested", "crossed"] {
        whole(&locks(kind), FORKS);
    }
}

#[test]
fn functions_that_wait_only_for_so_long() {
    let mutexes = ["trylock", "timedlock", "clocklock", "c11-trylock", "c11-timedlock"];
    let readers = ["readers-try", "readers-timed", "readers-clock"];
    let others = ["writers-try", "writers-timed", "writers-clock", "spin-try"];
    for kind in mutexes.into_iter().chain(readers).chain(others) {
        whole(&locks(kind), FORKS_OF_VARIANTS);
    }
}

#[test]
fn condition_variables() {
    for mode in ["wait", "broadcast", "timedwait", "clockwait", "c11", "c11-timedwait"] {
        whole(&conds(mode), FORKS);
    }
}

/// Who waits for a condition variable holds nothing, but is counted in it.
#[test]
fn waiters_that_vanish() {
    for mode in ["ghosts", "destroy"] {
        whole(&conds(mode), FORKS);
    }
    // Each child waits until a moment has passed.
    whole(&conds("clock"), FORKS_OF_VARIANTS);
}

/// They stay its own in the child, under its new id.
#[test]
fn locks_of_the_forker() {
    for mode in ["own-errorcheck", "own-recursive", "own-write", "own-read", "not-main"] {
        whole(&holders(mode), FORKS);
    }
    whole_or_else_aborted(&holders("own-inherit"));
}

#[test]
fn a_writer_that_waits_for_the_forker() {
    whole(&holders("waiting-writer"), FORKS);
}

/// A thread that waits for the forker's lock cannot give its own back: no fork waits until its budget is
/// used up.
#[test]
fn holders_that_wait_for_the_forker() {
    let run = hangs_only_bare(&holders("inversion").options(PATIENT), FORKS);
    assert!(run.stats().get("gave_up") > 0, "it did not come to that: {run:#?}");
    assert!(run.stats().get("wait_max_us") < PATIENCE_US, "{run:#?}");
    assert_eq!(run.messages().len(), 1, "{run:#?}");
}

/// It costs its budget once, and is told of once.
#[test]
fn a_lock_that_nobody_gives_back() {
    let run = hangs_only_bare(&holders("idle").options("locks_ms=1000"), FORKS);
    assert_eq!(run.stats().get("gave_up"), 1, "{run:#?}");
    assert_eq!(run.stats().get("orphaned"), forks(FORKS), "{run:#?}");
    assert_eq!(run.messages().len(), 1, "{run:#?}");
}

/// Memory that was a lock which its thread still seems to hold is not touched.
#[test]
fn memory_that_was_a_lock() {
    let run = hangs_only_bare(&holders("unmapped").options("locks_ms=1000"), FORKS);
    assert_eq!(run.stats().get("orphaned"), 0, "{run:#?}");
    assert!(run.messages().is_empty(), "{run:#?}");
}

#[test]
fn locks_that_are_made_and_destroyed() {
    whole(&holders("short-lived"), FORKS);
}

#[test]
fn locks_that_another_thread_gives_back() {
    whole(&holders("handed-over"), FORKS);
}

#[test]
fn thousands_of_locks() {
    whole(&holders("many"), FORKS);
}

/// Each child forks ten times.
#[test]
fn grandchildren() {
    whole(&holders("grandchildren"), FORKS / 10);
}

/// libc begins anew in a child what a thread had begun; so it is not begun.
#[test]
fn initialisers() {
    for mode in ["once", "call-once"] {
        whole(&holders(mode), FORKS);
    }
}

/// A fork does not wait for one; but one that began with 1 is most likely a lock, and so gets its 1 back.
#[test]
fn semaphores() {
    let semaphores = Program::compiled("lock_semaphores.c");
    whole(&semaphores.args(["wait"]), FORKS);
    for way in ["trywait", "timedwait", "clockwait"] {
        whole(&semaphores.args([way]), FORKS_OF_VARIANTS);
    }
    for preload in [Preload::Bare, Preload::Protected] {
        let run = semaphores.args(["found"]).run(preload).succeeded();
        assert_eq!(run.stdout, "mine=0 event=0 counting=2\n", "{run:#?}");
    }
}

/// Locks that other processes may hold, and those whose next holder libc tells.
#[test]
fn shared_and_robust_locks_are_left_alone() {
    let program = Program::compiled("lock_shared.c");
    let bare = program.run(Preload::Bare).succeeded();
    for line in [
        "shared mutex: found EBUSY, taken 0, given 0\n",
        "shared spinlock: found EBUSY, taken 0, given 0\n",
        "shared robust mutex: found EBUSY, taken EOWNERDEAD, given 0\n",
        "robust mutex: afterwards EOWNERDEAD, consistent 0, given 0\n",
        "own mutex: the parent gives it: 0\n",
    ] {
        assert!(bare.stdout.contains(line), "{bare:#?}");
    }
    let protected = program.run(Preload::Protected).succeeded();
    assert_eq!(bare.stdout, protected.stdout);
    assert!(protected.messages().is_empty(), "{protected:#?}");
    assert_eq!(protected.stats().get("orphaned"), 0, "{protected:#?}");
}

#[test]
fn what_a_lock_guards_is_whole_in_ten_thousand_children() {
    whole(&Program::compiled("lock_data.c").args(["whole"]), 10_000);
}

/// A program whose thread stays in the middle of a change until the fork is over.
fn torn(mode: &str) -> Program {
    let named = Build::of("lock_data.c").flags(["-rdynamic"]).output("lock_data_named");
    Program::at(named).args([mode, &forks(TORN_FORKS).to_string()])
}

/// What the children of [`torn`] found: `whole`, `torn`, `held` or `died`.
#[track_caller]
fn found(run: &Run, what: &str) {
    let all = ["whole", "torn", "held", "died"];
    let count = |word: &str| if word == what { forks(TORN_FORKS) } else { 0 };
    let expected = all.map(|word| format!("{word}={}", count(word))).join(" ");
    assert_eq!(run.stdout.trim_end(), expected, "{run:#?}");
}

/// The one line about a lock.
fn line(lock: &str, consequence: &str) -> String {
    format!(" (slow-holder) held a {lock} in lock_data_named; {consequence}")
}

const FREE: &str = "the child has it free, and what it guards may be half done";

/// What cannot be waited for is free in the child, counted, and told of once: who held it, and where it is.
#[test]
fn locks_that_are_held_for_too_long() {
    for (mode, lock) in [
        ("torn", "mutex during a fork, guarded"),
        ("torn-recursive", "mutex during a fork, guarded"),
        ("torn-errorcheck", "mutex during a fork, guarded"),
        ("torn-adaptive", "mutex during a fork, guarded"),
        ("torn-inherit", "mutex during a fork, guarded"),
        ("torn-rwlock", "read-write lock during a fork, read_and_written"),
        ("torn-spin", "spinlock during a fork, spun_for"),
    ] {
        found(&torn(mode).run(Preload::Bare).succeeded(), "held");
        for budget in ["locks_ms=10", "locks_ms=0"] {
            let run = torn(mode).options(budget).run(Preload::Protected).succeeded();
            found(&run, "torn");
            let stats = run.stats();
            let counts = ["gave_up", "orphaned"].map(|name| stats.get(name));
            assert_eq!(counts, [forks(TORN_FORKS); 2], "{run:#?}");
            let [message] = run.messages()[..] else { panic!("not one message: {run:#?}") };
            assert!(message.ends_with(&line(lock, FREE)), "{run:#?}");
        }
    }
}

/// One line for each lock, and each child counts what it has freed.
#[test]
fn several_locks_that_are_held_for_too_long() {
    let run = torn("torn-three").run(Preload::Protected).succeeded();
    found(&run, "torn");
    assert_eq!(run.stats().get("orphaned"), 3 * forks(TORN_FORKS), "{run:#?}");
    assert_eq!(run.messages().len(), 3, "{run:#?}");
    let children = run.stderr.lines().filter(|line| line.ends_with(" repaired=3")).count();
    assert_eq!(children as u64, forks(TORN_FORKS), "{run:#?}");
}

/// A program outside of whose dynamic symbols the lock is: its place in the file stands in for the name.
#[test]
fn locks_without_a_name() {
    let run = Program::compiled("lock_data.c").args(["torn", "1"]).run(Preload::Protected);
    let run = run.succeeded();
    let [message] = run.messages()[..] else { panic!("not one message: {run:#?}") };
    assert!(message.contains(" held a mutex during a fork, lock_data+0x"), "{run:#?}");
}

/// `orphans=report`, `abort` and `off`.
#[test]
fn other_ways_with_locks_that_are_held() {
    let lock = "mutex during a fork, guarded";
    for (way, finding, consequence) in [
        ("orphans=report", "held", "the child finds it locked for ever"),
        ("orphans=abort", "died", "the child is ended"),
    ] {
        let run = torn("torn").options(way).run(Preload::Protected).succeeded();
        found(&run, finding);
        assert_eq!(run.stats().get("orphaned"), forks(TORN_FORKS), "{run:#?}");
        let [message] = run.messages()[..] else { panic!("not one message: {run:#?}") };
        assert!(message.ends_with(&line(lock, consequence)), "{run:#?}");
    }
    let off = torn("torn").options("orphans=off").run(Preload::Protected).succeeded();
    found(&off, "held");
    let stats = off.stats();
    assert_eq!(["gave_up", "orphaned"].map(|name| stats.get(name)), [0; 2], "{off:#?}");
    assert!(off.messages().is_empty(), "{off:#?}");
}

/// `orphans=abort` ends no child whose parent's locks were all free, or the forker's.
#[test]
fn only_children_with_a_held_lock_are_aborted() {
    for mode in ["own-errorcheck", "waiting-writer"] {
        whole(&holders(mode).options("orphans=abort"), FORKS_OF_VARIANTS);
    }
}
