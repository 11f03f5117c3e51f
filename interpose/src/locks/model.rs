//! The locks' part of the protocol, checked by loom like that of calls (see `gate_model`).
//!
//! A lock is a word with its owner; taking it is tried and not waited for, since loom cannot bound loops. A
//! thread that would sleep until the lock is free tries once more, and finds it free or gives up. What
//! the hooks do around that is written out here with the real ledger and the real gate.

use loom::cell::UnsafeCell;
use loom::sync::Arc;
use loom::thread;

use super::Kind;
use super::ledger::{Holding, Ledger, Waiting};
use crate::barrier;
use crate::gate::{CLOSED, Gate};
use crate::sync::{AtomicU32, Ordering, fence};

/// The address of the lock that is taken, and of another.
const LOCK: usize = 16;
const OTHER: usize = 32;

/// Who owns a lock.
const NOBODY: u32 = 0;
const THREAD: u32 = 1;
const SOMEBODY_ELSE: u32 = 2;

/// A gate, a thread's ledger, the lock, and what the lock guards.
struct World {
    gate: Gate,
    ledger: Ledger,
    lock: AtomicU32,
    guarded: UnsafeCell<u32>,
}

impl World {
    fn new(owner: u32) -> Self {
        Self {
            gate: Gate::new(),
            ledger: Ledger::new(),
            lock: AtomicU32::new(owner),
            guarded: UnsafeCell::new(0),
        }
    }

    /// `holder::claim`.
    fn claim(&self) -> bool {
        assert!(self.ledger.push(LOCK, Kind::Mutex));
        barrier::light();
        if self.gate.flags() == 0 {
            return true;
        }
        self.ledger.pop();
        false
    }

    /// `Me::try_to_enter`. `holds` tells which places beside the lock's are no leftovers.
    fn try_to_enter(&self, holds: impl Fn(&Holding) -> bool) -> bool {
        assert!(self.ledger.push(LOCK, Kind::Mutex));
        fence(Ordering::SeqCst);
        let mut others = self.ledger.holdings().skip(1);
        if self.gate.flags() & CLOSED == 0 || others.any(|other| !other.given && holds(&other)) {
            return true;
        }
        self.give_up();
        false
    }

    /// `holder::give_up`.
    fn give_up(&self) {
        if self.ledger.remove(LOCK) {
            self.settle();
        }
    }

    /// `holder::settle`.
    fn settle(&self) {
        fence(Ordering::SeqCst);
        if self.gate.flags() & CLOSED != 0 {
            self.gate.announce();
        }
    }

    fn take(&self) -> bool {
        self.lock.compare_exchange(NOBODY, THREAD, Ordering::Acquire, Ordering::Relaxed).is_ok()
    }

    /// `holder::acquire` for a thread that holds nothing else; false if it ends up without the lock.
    fn acquire(&self) -> bool {
        if !self.claim() && !self.try_to_enter(|_| false) {
            return false;
        }
        self.take() || self.wait()
    }

    /// `Me::wait`.
    fn wait(&self) -> bool {
        let waiting = Waiting { lock: LOCK, kind: Kind::Mutex, mutex: 0 };
        let before = self.ledger.wait_for(waiting);
        self.give_up();
        let mut has_it = self.take();
        if has_it && !self.claim() && !self.try_to_enter(|_| false) {
            self.lock.store(NOBODY, Ordering::Release);
            has_it = false;
        }
        self.ledger.restore(before);
        has_it
    }

    /// `holder::release`.
    fn release(&self) {
        self.lock.store(NOBODY, Ordering::Release);
        self.ledger.pop();
        barrier::light();
        if self.gate.flags() != 0 {
            self.settle();
        }
    }

    /// Code under the lock.
    fn write(&self) {
        self.guarded.with_mut(|data| {
            // SAFETY: loom checks that nobody else has it.
            unsafe { *data += 1 }
        });
    }

    /// The fork: the child gets a copy of this moment.
    fn copy(&self) {
        self.guarded.with(|data| {
            // SAFETY: loom checks that nobody writes it.
            unsafe { *data }
        });
    }

    /// Takes the lock if it can be had, and uses it.
    fn use_lock(&self) {
        if self.acquire() {
            self.write();
            self.release();
        }
    }
}

/// Runs `thread` beside `forker` in a world that `make` makes: all runs in which no thread is preempted more
/// often than three times.
fn beside(make: fn() -> World, thread: fn(&World), forker: fn(&World, thread::JoinHandle<()>)) {
    let mut model = loom::model::Builder::new();
    model.preemption_bound = Some(3);
    model.check(move || {
        let world = Arc::new(make());
        let other = {
            let world = Arc::clone(&world);
            thread::spawn(move || thread(&world))
        };
        forker(&world, other);
    });
}

#[test]
fn a_fork_sees_no_lock_half_used() {
    beside(
        || World::new(NOBODY),
        World::use_lock,
        |world, other| {
            world.gate.close();
            if world.ledger.depth() == 0 {
                assert_eq!(world.lock.load(Ordering::Relaxed), NOBODY, "held in the child");
                world.copy();
            }
            world.gate.open();
            other.join().expect("the thread panicked");
        },
    );
}

/// Somebody else holds the lock, and releases it while the fork goes on. The thread that gets it then holds it
/// without a place; what it said tells the child whose it is, and no code has run under it.
#[test]
fn who_waits_for_its_first_lock_leaves_a_trace() {
    beside(
        || World::new(SOMEBODY_ELSE),
        World::use_lock,
        |world, other| {
            world.gate.close();
            world.lock.store(NOBODY, Ordering::Release);
            if world.ledger.depth() == 0 {
                // In this order: once the gate is closed, what was said is only ever taken back, when the
                // lock is free again.
                let said = world.ledger.waiting().is_some_and(|waiting| waiting.lock == LOCK);
                let owner = world.lock.load(Ordering::Acquire);
                assert!(said || owner != THREAD, "nobody knows whose lock this is");
                world.copy();
            }
            world.gate.open();
            other.join().expect("the thread panicked");
        },
    );
}

/// The thread has a place for a lock that another thread released, for which forks no longer wait. It must
/// not take that for being inside; and what it holds since does count.
#[test]
fn a_lock_that_another_thread_released_is_no_pass() {
    beside(
        || {
            let world = World::new(NOBODY);
            assert!(world.ledger.push(OTHER, Kind::Mutex));
            world
        },
        |world| {
            if world.claim() || world.try_to_enter(|_stale| false) {
                assert!(world.take());
                world.write();
                world.release();
            }
        },
        |world, other| {
            world.gate.close();
            if world.ledger.depth() == 1 {
                // The budget is used up.
                world.ledger.give();
            }
            if world.ledger.holdings().all(|holding| holding.given) {
                world.copy();
            }
            world.gate.open();
            other.join().expect("the thread panicked");
        },
    );
}

/// The forker holds the lock. Who wants it shows a place for a moment: the forker must not sleep for that.
#[test]
fn a_forker_with_a_lock_of_its_own_is_woken() {
    beside(
        || World::new(SOMEBODY_ELSE),
        World::use_lock,
        |world, other| {
            world.gate.close();
            let ticket = world.gate.ticket();
            let sleeps = world.ledger.depth() != 0;
            other.join().expect("the thread panicked");
            // See `gate_model`.
            let woken = world.gate.ticket() != ticket;
            assert!(!sleeps || woken, "the forker would sleep for ever");
            assert_eq!(world.ledger.depth(), 0, "a place is left");
            world.copy();
            world.gate.open();
        },
    );
}
