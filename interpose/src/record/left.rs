//! Threads that a fork leaves behind inside of a call: for the forker, while the gate is closed.

use core::sync::atomic::Ordering;

use crate::family::Family;
use crate::slot::{self, FORKING, GIVEN_UP, PASSED, Slot};

/// A thread that is inside of a call, with a mark that says why nobody waited for it.
pub(super) struct Inside {
    pub(super) tid: u32,
    pub(super) family: Family,
    /// It may hold the locks of its call. Else it waits without.
    pub(super) given_up: bool,
}

/// The threads other than `me` that are inside of a call.
pub(super) fn inside(me: &Slot) -> impl Iterator<Item = Inside> {
    slot::all().filter(move |slot| !core::ptr::eq(*slot, me)).filter_map(|slot| {
        // One that backs off from the closed gate shows its family for a moment, without a mark.
        let mark = slot.mark.load(Ordering::Relaxed);
        let family = Family::from_code(slot.word.load(Ordering::Relaxed)).filter(|_| mark != 0)?;
        let tid = slot.tid.load(Ordering::Relaxed);
        Some(Inside { tid, family, given_up: mark & (GIVEN_UP | PASSED | FORKING) != 0 })
    })
}

/// How many threads other than `me` the library knows.
pub(super) fn others(me: &Slot) -> u32 {
    let known = |slot: &&Slot| slot.tid.load(Ordering::Relaxed) != 0 && !core::ptr::eq(*slot, me);
    slot::all().filter(known).count() as u32
}
