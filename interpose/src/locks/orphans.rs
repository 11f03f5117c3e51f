//! What the user is told: locks that a fork did not wait for any longer, once each.
//!
//! They are noted while the gate is closed, and told in the parent when it is open again: that takes the
//! loader's locks, and a child has enough to do. As long as all children became other programs at once, it waits
//! for the next fork, or its end, to see whether this one did too: then nothing has happened to anybody.

use core::fmt::Write;
use core::sync::atomic::{AtomicU32, AtomicUsize, Ordering};

use super::{Kind, forker, layout};
use crate::options::{self, Orphans};
use crate::slot::{self, Slot};
use crate::text::Text;
use crate::{history, object, record, stats, sys};

/// Locks that are told of at one fork; others are only counted.
pub(crate) const NOTES: usize = 16;
/// Locks that are remembered as told.
const TOLD: usize = 256;

struct Note {
    lock: AtomicUsize,
    kind: AtomicU32,
    tid: AtomicU32,
}

#[unsafe(link_section = ".data.forkfix")]
static NOTED: [Note; NOTES] =
    [const { Note { lock: AtomicUsize::new(0), kind: AtomicU32::new(0), tid: AtomicU32::new(0) } };
        NOTES];
#[unsafe(link_section = ".data.forkfix")]
static COUNT: AtomicUsize = AtomicUsize::new(0);
static LOCKS_TOLD: [AtomicUsize; TOLD] = [const { AtomicUsize::new(0) }; TOLD];

/// Notes what threads other than `me` hold. For the forker, before it forks.
pub(crate) fn note(me: &Slot) {
    COUNT.store(0, Ordering::Relaxed);
    if !super::are_tracked() {
        return;
    }
    for slot in slot::all().filter(|slot| !core::ptr::eq(*slot, me)) {
        let tid = slot.tid.load(Ordering::Relaxed);
        let Some(ledger) = slot.ledger().filter(|_| tid != 0) else {
            continue;
        };
        // One that backs off from the gate shows a place for a moment.
        let marked = slot.mark.load(Ordering::Relaxed) != 0;
        for holding in ledger.holdings() {
            if (holding.given || marked)
                && !forker::is_stale(&holding, tid)
                && !sys::is_shared(holding.lock)
            {
                push(holding.lock, holding.kind, tid);
            }
        }
    }
    if log::log_enabled!(log::Level::Info) || record::on() {
        note_semaphores(me);
    }
}

/// Notes those as well that may only be signals from one thread to another: what is left of the room.
fn note_semaphores(me: &Slot) {
    for slot in slot::all().filter(|slot| !core::ptr::eq(*slot, me)) {
        let tid = slot.tid.load(Ordering::Relaxed);
        if let Some(ledger) = slot.ledger().filter(|_| tid != 0) {
            let taken = ledger.semaphores().filter(|address| layout::taker(*address) == Some(tid));
            taken.for_each(|address| push(address, Kind::Semaphore, tid));
        }
    }
}

/// A lock that was noted.
pub(crate) struct Noted {
    pub(crate) lock: usize,
    pub(crate) kind: &'static str,
    pub(crate) tid: u32,
    /// It may be no more than a signal that the thread has received.
    pub(crate) is_semaphore: bool,
}

/// The locks that were noted at this fork, as many as there was room for.
pub(crate) fn noted() -> impl Iterator<Item = Noted> {
    NOTED.iter().take(COUNT.load(Ordering::Relaxed)).filter_map(|note| {
        let kind = Kind::from_code(note.kind.load(Ordering::Relaxed))?;
        Some(Noted {
            lock: note.lock.load(Ordering::Relaxed),
            kind: kind.name(),
            tid: note.tid.load(Ordering::Relaxed),
            is_semaphore: kind == Kind::Semaphore,
        })
    })
}

fn push(lock: usize, kind: Kind, tid: u32) {
    let count = COUNT.load(Ordering::Relaxed);
    if NOTED.iter().take(count).any(|note| note.lock.load(Ordering::Relaxed) == lock) {
        // Held more than once.
        return;
    }
    if let Some(note) = NOTED.get(count) {
        note.lock.store(lock, Ordering::Relaxed);
        note.kind.store(kind as u32, Ordering::Relaxed);
        note.tid.store(tid, Ordering::Relaxed);
    }
    COUNT.store(count + 1, Ordering::Relaxed);
    stats::ORPHANED.add();
}

/// How many there was no room for.
pub(crate) fn not_noted() -> usize {
    COUNT.load(Ordering::Relaxed).saturating_sub(NOTES)
}

/// Whether the fork found a lock held that a child has to be given free.
pub(super) fn any() -> bool {
    let noted = NOTED.iter().take(COUNT.load(Ordering::Relaxed));
    let harmless = [Kind::Read as u32, Kind::Semaphore as u32];
    noted.into_iter().any(|note| !harmless.contains(&note.kind.load(Ordering::Relaxed)))
}

/// Tells of the locks that were noted, now or when it is clear that the child has stayed. For the parent.
pub(crate) fn tell() {
    if options::orphans() != Orphans::Repair || !history::all_others_executed() {
        tell_all();
    }
}

/// Tells of those that were kept. For the next fork, and at the end of the process.
pub(crate) fn tell_late() {
    if !history::all_executed() {
        tell_all();
    }
}

/// In a child: the notes are its parent's.
pub(super) fn forget() {
    COUNT.store(0, Ordering::Relaxed);
}

/// Tells of the locks that were noted and not told of before.
fn tell_all() {
    let count = COUNT.swap(0, Ordering::Relaxed);
    for note in NOTED.iter().take(count) {
        let lock = note.lock.load(Ordering::Relaxed);
        if let Some(kind) = Kind::from_code(note.kind.load(Ordering::Relaxed))
            && is_news(lock)
        {
            tell_of(lock, kind, note.tid.load(Ordering::Relaxed));
        }
    }
}

/// Whether this lock was not told of; if there is no room to remember it, it counts as told.
fn is_news(lock: usize) -> bool {
    let start = lock >> 4;
    let places = (0..8).filter_map(|step| LOCKS_TOLD.get((start + step) % TOLD));
    for place in places {
        match place.compare_exchange(0, lock, Ordering::Relaxed, Ordering::Relaxed) {
            Ok(_) => return true,
            Err(known) if known == lock => return false,
            Err(_) => {}
        }
    }
    false
}

fn tell_of(lock: usize, kind: Kind, tid: u32) {
    let level = match kind {
        Kind::Semaphore | Kind::Read => log::Level::Info,
        _ => log::Level::Error,
    };
    let mut name = [0; 32];
    let name = sys::thread_file(tid, "comm", &mut name).unwrap_or(b"?").trim_ascii_end();
    let consequence = match options::orphans() {
        Orphans::Report => "the child finds it locked for ever",
        Orphans::Abort => "the child is ended",
        Orphans::Repair | Orphans::Off if kind == Kind::Read => "the child has it free",
        Orphans::Repair | Orphans::Off => {
            "the child has it free, and what it guards may be half done"
        }
    };
    log::log!(
        level,
        "thread {tid} ({}) held a {} during a fork, {}; {consequence}",
        core::str::from_utf8(name).unwrap_or("?"),
        kind.name(),
        whereabouts(lock).as_str(),
    );
}

/// Where a lock is: the symbol, or else the place in its object, or else the address.
fn whereabouts(lock: usize) -> Text<192> {
    let mut text = Text::new();
    let _ = match object::whereabouts(lock) {
        None => write!(text, "{lock:#x}"),
        Some(place) => match place.symbol {
            Some((symbol, 0)) => write!(text, "{symbol} in {}", place.file),
            Some((symbol, offset)) => write!(text, "{symbol}+{offset:#x} in {}", place.file),
            None => write!(text, "{}+{:#x}", place.file, place.offset),
        },
    };
    text
}
