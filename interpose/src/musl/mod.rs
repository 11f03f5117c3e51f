//! What musl's `fork` leaves locked in the child: streams, and `exit`.
//!
//! Its locks are words that hold the owner's thread id, in places that no interface tells. They are
//! learnt from objects of our own at load; what is not found as expected is left alone.

use crate::family::Family;
use crate::slot::{self, Slot};
use crate::{options, sys};

pub(crate) mod exit;
mod streams;

/// Finds the places; for the constructor.
pub(crate) fn find() {
    streams::find();
}

/// In a child: the thread that was `before` is `now`. Its locks are its own, those of threads that are
/// gone are free. The records are still the parent's.
pub(crate) fn repair(before: u32, now: u32, gone: impl Fn(&Slot) -> bool) {
    if options::off() {
        return;
    }
    let pid = sys::getpid();
    streams::repair(before, now, |owner| !sys::thread_exists(pid, owner));
    let loading = |slot: &Slot| {
        slot.word.load(core::sync::atomic::Ordering::Relaxed) == Family::Loader as u32
    };
    let mine = slot::mine();
    exit::repair(slot::all().any(|slot| !core::ptr::eq(slot, mine) && loading(slot) && gone(slot)));
}
