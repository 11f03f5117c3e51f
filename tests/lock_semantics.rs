//! Locks of the program answer what they answer without the library: every function, in every state that
//! POSIX or C11 says something about.

#![cfg(target_os = "linux")]

mod common;

use common::{Build, Preload, Program, Run, assert_same_lines};
use proptest::prelude::any;
use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::TestRunner;

/// The program prints the same bare, switched off and protected, and among that all of `expected`.
#[track_caller]
fn same_answers(source: &str, expected: &[&str]) -> Run {
    let program = Program::at(Build::of(source).executable());
    let bare = program.run(Preload::Bare).succeeded();
    for line in expected {
        let times = bare.stdout.lines().filter(|printed| printed == line).count();
        assert!(times > 0, "no line {line:?} in {bare:#?}");
    }
    let off = program.run(Preload::Off).succeeded();
    assert_same_lines(&bare.stdout, &off.stdout, &"off");
    let protected = program.run(Preload::Protected).succeeded();
    assert_same_lines(&bare.stdout, &protected.stdout, &"protected");
    assert_eq!(protected.messages(), Vec::<&str>::new());
    protected
}

#[test]
fn mutexes_and_read_write_locks() {
    let run = same_answers(
        "lock_semantics.cc",
        &[
            "other: pthread_mutex_trylock(&m) = EBUSY",
            "other: pthread_mutex_timedlock(&m, &PAST) = ETIMEDOUT",
            "other: pthread_mutex_timedlock(&m, &BAD) = EINVAL",
            "other: pthread_mutex_clocklock(&m, CLOCK_PROCESS_CPUTIME_ID, &PAST) = EINVAL",
            "other: pthread_mutex_unlock(&m) = EPERM",
            "pthread_mutex_lock(&m) = EDEADLK",
            "pthread_mutex_lock(&m) = EAGAIN",
            "pthread_mutex_unlock(&m) = EPERM",
            "pthread_mutex_destroy(&m) = EBUSY",
            "pthread_mutex_lock(&m) = EOWNERDEAD",
            "pthread_mutex_lock(shared) = EOWNERDEAD",
            "pthread_mutex_lock(&m) = ENOTRECOVERABLE",
            "pthread_mutex_setprioceiling(&m, 200, &ceiling) = EINVAL",
            "pthread_rwlock_rdlock(&rw) = EDEADLK",
            "pthread_rwlock_wrlock(&rw) = EDEADLK",
            "other: pthread_rwlock_timedwrlock(&rw, &PAST) = ETIMEDOUT",
            "other: pthread_spin_trylock(&spin) = EBUSY",
            "other: __pthread_mutex_trylock(&m) = EBUSY",
            "other: __pthread_rwlock_trywrlock(&rw) = EBUSY",
            "other: mtx_trylock(&c11) = 1",
            "other: mtx_timedlock(&c11, &PAST) = 4",
        ],
    );
    // A mutex that another thread gave back looks held, for the budget of one fork.
    assert!(run.stats().get("gave_up") <= 1, "{run:#?}");
    assert_eq!(run.stats().get("orphaned"), 0, "{run:#?}");
}

#[test]
fn waits_and_first_uses() {
    let run = same_answers(
        "lock_waits.cc",
        &[
            "pthread_cond_timedwait(&cond, &m, &PAST) = ETIMEDOUT",
            "pthread_cond_timedwait(&cond, &m, &BAD) = EINVAL",
            "pthread_cond_clockwait(&cond, &m, CLOCK_THREAD_CPUTIME_ID, &PAST) = EINVAL",
            "pthread_cond_timedwait(&cond, &errorcheck, &PAST) = EPERM",
            "other: pthread_cond_wait = 0",
            "cnd_timedwait(&condition, &mutex, &PAST) = 4",
            "sem_trywait(&sem) = -1, errno EAGAIN",
            "sem_timedwait(&sem, &PAST) = -1, errno ETIMEDOUT",
            "sem_post(&sem) = -1, errno EOVERFLOW",
            "waiter: sem_wait(&sem) = -1, errno EINTR",
            "result == PTHREAD_CANCELED = 1",
            "child_status(child) = 0",
            "calls = 3",
            "atoi(number) == SYS_futex = 1",
        ],
    );
    assert_eq!(run.stats().get("gave_up"), 0, "{run:#?}");
    assert_eq!(run.stats().get("orphaned"), 0, "{run:#?}");
}

/// A hundred threads, and forks among them: what the locks answer depends on the seed alone.
#[test]
fn calls_by_chance() {
    let program = Program::compiled("lock_random.c").quiet().options("log=off");
    let mut runner = TestRunner::default();
    let mut answers = Vec::new();
    for _ in 0..3 {
        let seed = any::<u32>().new_tree(&mut runner).expect("nothing is filtered").current();
        let program = program.args([&seed.to_string(), "100", "5000", "10"]);
        let bare = program.run(Preload::Bare).succeeded();
        let protected = program.run(Preload::Protected).succeeded();
        assert!(!bare.stdout.contains("a lock failed"), "{bare:#?}");
        assert_same_lines(&bare.stdout, &protected.stdout, &seed);
        answers.push(bare.stdout);
    }
    assert_ne!(answers[0], answers[1], "the seed makes no difference");
}
