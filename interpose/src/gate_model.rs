//! The gate, checked by loom: every interleaving and every reordering that C11 allows.
//!
//! Run by `make test` (`tests/model.rs`) with `RUSTFLAGS="--cfg loom"`, and twice more with one of
//! the two barriers taken out (`FORKFIX_MODEL_WITHOUT=light`, then `heavy`), when the first two models
//! must fail.
//!
//! The forker's waiting is not modelled with a loop, which loom cannot bound: a forker that sees
//! somebody inside goes on without forking. That it would be woken up is a property of its own, the
//! second model.

use loom::cell::UnsafeCell;
use loom::sync::Arc;
use loom::thread;

use crate::gate::{CLOSED, FORKER, Gate};
use crate::sync::{AtomicU32, Ordering, fence};

/// Any family will do.
const FAMILY: u32 = 1;

/// A gate, two readers' words, and for each what a lock of libc would guard: loom fails a run in
/// which two threads have it at a time, or one has it before another's writes have reached it.
struct World {
    gate: Gate,
    words: [AtomicU32; 2],
    guarded: [UnsafeCell<u32>; 2],
}

impl World {
    fn new() -> Arc<Self> {
        Arc::new(Self {
            gate: Gate::new(),
            words: [AtomicU32::new(0), AtomicU32::new(0)],
            guarded: [UnsafeCell::new(0), UnsafeCell::new(0)],
        })
    }

    /// One call: made if the gate lets it in, otherwise given up.
    fn call(&self, reader: usize) {
        let word = &self.words[reader];
        if !self.gate.enter(word, FAMILY, || 0) {
            // What `reader::wait_at_gate` does, without the waiting.
            fence(Ordering::SeqCst);
            if self.gate.flags() & CLOSED != 0 {
                word.store(0, Ordering::Release);
                fence(Ordering::SeqCst);
                self.announce();
                return;
            }
        }
        self.write(reader);
        if !self.gate.leave(word, 0) {
            fence(Ordering::SeqCst);
            self.announce();
        }
    }

    fn write(&self, reader: usize) {
        self.guarded[reader].with_mut(|data| {
            // SAFETY: loom checks that nobody else has it.
            unsafe { *data += 1 }
        });
    }

    /// The fork: the child gets a copy of this moment.
    fn copy(&self) -> [u32; 2] {
        [0, 1].map(|reader| {
            self.guarded[reader].with(|data| {
                // SAFETY: loom checks that nobody writes it.
                unsafe { *data }
            })
        })
    }

    fn announce(&self) {
        if self.gate.flags() & CLOSED != 0 {
            self.gate.announce();
        }
    }

    fn everybody_is_out(&self) -> bool {
        self.words.iter().all(|word| matches!(word.load(Ordering::Acquire), 0 | FORKER))
    }
}

/// Readers call while the forker closes, copies if everybody is out, and opens.
fn exclusion(readers: usize) {
    let world = World::new();
    let readers: Vec<_> = (0..readers)
        .map(|reader| {
            let world = Arc::clone(&world);
            thread::spawn(move || world.call(reader))
        })
        .collect();
    world.gate.close();
    if world.everybody_is_out() {
        world.copy();
    }
    world.gate.open();
    for reader in readers {
        reader.join().expect("a reader panicked");
    }
}

#[test]
fn a_closed_and_drained_gate_excludes_a_reader() {
    loom::model(|| exclusion(1));
}

/// Exhaustive for two readers too, but for runs in which threads are preempted more than twice.
#[test]
fn a_closed_and_drained_gate_excludes_two_readers() {
    let mut model = loom::model::Builder::new();
    model.preemption_bound = Some(2);
    model.check(|| exclusion(2));
}

#[test]
fn a_forker_that_sleeps_is_woken() {
    loom::model(|| {
        let world = World::new();
        let reader = {
            let world = Arc::clone(&world);
            thread::spawn(move || world.call(0))
        };
        world.gate.close();
        let ticket = world.gate.ticket();
        let sleeps = !world.everybody_is_out();
        reader.join().expect("a reader panicked");
        // futex(2) goes to sleep only if the word still has the value of the ticket, so a changed
        // word is a wake-up.
        assert!(!sleeps || world.gate.ticket() != ticket, "the forker would sleep for ever");
        world.gate.open();
    });
}

#[test]
fn a_nested_entry_passes_a_closed_gate() {
    loom::model(|| {
        let world = World::new();
        let inner = {
            let world = Arc::clone(&world);
            thread::spawn(move || {
                let word = &world.words[0];
                if !world.gate.enter(word, FAMILY, || 0) {
                    word.store(0, Ordering::Release);
                    return;
                }
                // A callback enters again; the word never shows the thread as outside.
                let before = word.load(Ordering::Relaxed);
                world.gate.enter(word, FAMILY + 1, || 0);
                world.write(0);
                world.gate.leave(word, before);
                world.write(0);
                world.gate.leave(word, 0);
            })
        };
        world.gate.close();
        if world.everybody_is_out() {
            assert!(matches!(world.copy(), [0 | 2, 0]), "the fork saw a call half done");
        }
        world.gate.open();
        inner.join().expect("the reader panicked");
    });
}
