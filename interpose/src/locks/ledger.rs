//! The ledger: which of the program's locks a thread holds, and what it waits for.
//!
//! Written by its own thread with plain stores, read by a forking thread at any moment and, in a forked
//! child, by whoever repairs what the thread left behind. A place is taken *before* its lock, so that no
//! lock is ever held without one, and given up after the lock was released.
//!
//! | field | written by | means |
//! |---|---|---|
//! | `top` | its thread | the topmost place in use, as its distance in bytes from the first, which nobody uses |
//! | `Place::lock`, `stamp` | its thread | the lock, its [`Kind`], and a number that tells this holding from any other |
//! | `Place::given` | the forker, or who released the lock instead | the stamp of a holding that forks no longer wait for |
//! | `waiting` | its thread | what the thread waits for, perhaps without a place for it |
//!
//! The order of places does not matter, but for the topmost: it may stand for a lock that its thread is
//! about to take.

#[cfg(not(loom))]
use core::sync::atomic::AtomicPtr;
use core::sync::atomic::compiler_fence;

use super::Kind;
use crate::sync::{AtomicU32, AtomicUsize, Ordering};

/// Locks that a thread may hold before it needs more memory for them.
#[cfg(not(loom))]
const PLACES: usize = 119;
/// loom counts every atomic.
#[cfg(loom)]
const PLACES: usize = 2;

/// Locks beyond those. Who holds more still counts as inside, but not all of it is repaired in a child.
#[cfg(not(loom))]
const MORE: usize = 1 << 16;

/// Binary semaphores that a thread may have taken before the oldest is forgotten.
pub(super) const SEMAPHORES: usize = 8;

/// The lower bits of a stamp are the kind.
const STEP: u32 = 1 << Kind::BITS;

/// From one place to the next, in bytes.
const SIZE: u32 = 16;

/// One lock that a thread holds or is about to take.
pub(super) struct Place {
    lock: AtomicUsize,
    stamp: AtomicU32,
    given: AtomicU32,
}

/// What a place says.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Holding {
    /// The lock's address.
    pub(super) lock: usize,
    /// What it is.
    pub(super) kind: Kind,
    /// Forks no longer wait for it.
    pub(super) given: bool,
}

/// A holding of another thread, which may end at any moment.
pub(super) struct Found<'a> {
    place: &'a Place,
    stamp: u32,
}

impl Found<'_> {
    /// Forks do not wait for it.
    pub(super) fn give(&self) {
        self.place.given.store(self.stamp, Ordering::Relaxed);
    }
}

/// What a thread waits for, or is about to have got or given.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Waiting {
    /// The lock's address.
    pub(super) lock: usize,
    /// What it is.
    pub(super) kind: Kind,
    /// The mutex that goes with a condition variable, else 0.
    pub(super) mutex: usize,
}

/// One thread's ledger. All zeroes is a valid one, with nothing in it.
#[repr(C, align(64))]
pub(crate) struct Ledger {
    top: AtomicU32,
    serial: AtomicU32,
    waiting: AtomicUsize,
    waiting_mutex: AtomicUsize,
    /// 0 if it waits for nothing, else its kind and 1.
    waiting_kind: AtomicU32,
    /// How many semaphores the thread ever took; the last of them are in the ring.
    taken: AtomicU32,
    places: [Place; PLACES + 1],
    semaphores: [AtomicUsize; SEMAPHORES],
    #[cfg(not(loom))]
    more: AtomicPtr<Place>,
}

#[cfg(not(loom))]
const _: () = assert!(size_of::<Ledger>() == 2048 && size_of::<Place>() == SIZE as usize);

impl Place {
    fn get(&self) -> Option<Holding> {
        let stamp = self.stamp.load(Ordering::Relaxed);
        Some(Holding {
            lock: self.lock.load(Ordering::Relaxed),
            kind: Kind::from_code(stamp % STEP)?,
            given: self.given.load(Ordering::Relaxed) == stamp,
        })
    }

    fn is(&self, lock: usize) -> bool {
        self.lock.load(Ordering::Relaxed) == lock
    }

    fn copy(&self, from: &Self) {
        self.lock.store(from.lock.load(Ordering::Relaxed), Ordering::Relaxed);
        self.given.store(from.given.load(Ordering::Relaxed), Ordering::Relaxed);
        self.stamp.store(from.stamp.load(Ordering::Relaxed), Ordering::Relaxed);
    }

    fn give(&self) {
        self.given.store(self.stamp.load(Ordering::Relaxed), Ordering::Relaxed);
    }
}

/// The owner's side.
impl Ledger {
    /// Takes a place for `lock`; false if there is none left at hand.
    #[inline(always)]
    pub(super) fn push(&self, lock: usize, kind: Kind) -> bool {
        let top = self.top.load(Ordering::Relaxed);
        if top >= PLACES as u32 * SIZE {
            return false;
        }
        self.occupy(self.at_hand(top + SIZE), top + SIZE, lock, kind);
        true
    }

    #[inline(always)]
    fn occupy(&self, place: &Place, top: u32, lock: usize, kind: Kind) {
        self.top.store(top, Ordering::Relaxed);
        // A signal handler that comes right now takes the place above.
        compiler_fence(Ordering::SeqCst);
        place.lock.store(lock, Ordering::Relaxed);
        let serial = self.serial.load(Ordering::Relaxed).wrapping_add(STEP);
        self.serial.store(serial, Ordering::Relaxed);
        place.stamp.store(serial | kind as u32, Ordering::Relaxed);
    }

    /// Gives up the topmost place.
    #[inline(always)]
    pub(super) fn pop(&self) {
        let top = self.top.load(Ordering::Relaxed);
        self.top.store(top.wrapping_sub(SIZE), Ordering::Release);
    }

    /// Whether the topmost place is that of `lock`, and at hand.
    #[inline(always)]
    pub(super) fn is_top(&self, lock: usize) -> bool {
        let top = self.top.load(Ordering::Relaxed);
        top <= PLACES as u32 * SIZE && self.at_hand(top).is(lock)
    }

    /// The place at the distance `top`, which is a multiple of [`SIZE`] up to `PLACES` times.
    #[cfg(not(loom))]
    #[inline(always)]
    fn at_hand(&self, top: u32) -> &Place {
        // SAFETY: in the array, as the callers have checked; not by index, which would cost an
        // instruction to multiply and two to check again.
        let place = unsafe { self.places.as_ptr().byte_add(top as usize) };
        // SAFETY: as above.
        unsafe { &*place }
    }

    #[cfg(loom)]
    fn at_hand(&self, top: u32) -> &Place {
        &self.places[(top / SIZE) as usize]
    }

    /// Gives up the place of `lock` that was taken last; false if there is none.
    pub(super) fn remove(&self, lock: usize) -> bool {
        let depth = self.depth();
        let found = (1..=depth).rev().find_map(|index| self.place(index).filter(|p| p.is(lock)));
        self.vacate(found, depth)
    }

    /// The same, but looks at the oldest places first.
    pub(super) fn remove_oldest(&self, lock: usize) -> bool {
        let depth = self.depth();
        let found = (1..=depth).find_map(|index| self.place(index).filter(|p| p.is(lock)));
        self.vacate(found, depth)
    }

    fn vacate(&self, found: Option<&Place>, depth: usize) -> bool {
        let (Some(place), Some(top)) = (found, self.place(depth)) else {
            return false;
        };
        if !core::ptr::eq(place, top) {
            place.copy(top);
            compiler_fence(Ordering::SeqCst);
        }
        self.pop();
        true
    }

    /// Gives up all places but those that `keep` wants and the topmost.
    pub(super) fn compact(&self, keep: impl Fn(&Holding) -> bool) {
        let mut kept = 0;
        for index in 1..=self.depth() {
            let Some(place) = self.place(index) else { continue };
            if index == self.depth() || place.get().is_some_and(|holding| keep(&holding)) {
                kept += 1;
                self.place(kept).into_iter().for_each(|to| to.copy(place));
            }
        }
        compiler_fence(Ordering::SeqCst);
        self.top.store(kept as u32 * SIZE, Ordering::Release);
    }

    /// Says what the thread waits for from now on. Returns what it said before, for
    /// [`restore`](Self::restore): a signal handler may interrupt a wait.
    pub(super) fn wait_for(&self, what: Waiting) -> Option<Waiting> {
        let before = self.waiting();
        self.restore(Some(what));
        before
    }

    /// Says what was said before.
    pub(super) fn restore(&self, what: Option<Waiting>) {
        self.waiting_kind.store(0, Ordering::Relaxed);
        compiler_fence(Ordering::SeqCst);
        if let Some(what) = what {
            self.waiting.store(what.lock, Ordering::Relaxed);
            self.waiting_mutex.store(what.mutex, Ordering::Relaxed);
            compiler_fence(Ordering::SeqCst);
            self.waiting_kind.store(what.kind as u32 + 1, Ordering::Release);
        }
    }

    /// Remembers a semaphore that the thread has taken.
    pub(super) fn remember(&self, semaphore: usize) {
        let taken = self.taken.load(Ordering::Relaxed);
        if let Some(place) = self.semaphores.get(taken as usize % SEMAPHORES) {
            place.store(semaphore, Ordering::Relaxed);
        }
        self.taken.store(taken.wrapping_add(1), Ordering::Relaxed);
    }

    /// Forgets it if it is the last one.
    pub(super) fn forget(&self, semaphore: usize) {
        let before = self.taken.load(Ordering::Relaxed).wrapping_sub(1);
        if let Some(place) = self.semaphores.get(before as usize % SEMAPHORES)
            && place.load(Ordering::Relaxed) == semaphore
        {
            place.store(0, Ordering::Relaxed);
            self.taken.store(before, Ordering::Relaxed);
        }
    }

    /// Begins anew, for another thread.
    pub(crate) fn clear(&self) {
        self.top.store(0, Ordering::Relaxed);
        self.waiting_kind.store(0, Ordering::Relaxed);
        self.semaphores.iter().for_each(|place| place.store(0, Ordering::Relaxed));
    }
}

/// For everybody.
impl Ledger {
    /// How many places are in use.
    pub(super) fn depth(&self) -> usize {
        (self.top.load(Ordering::Acquire) / SIZE) as usize
    }

    /// Whether all places at hand are in use, and no others.
    pub(super) fn is_full(&self) -> bool {
        self.depth() == PLACES
    }

    /// What the places say, the topmost first.
    pub(super) fn holdings(&self) -> impl Iterator<Item = Holding> {
        (1..=self.depth()).rev().filter_map(|index| self.place(index)?.get())
    }

    /// Whether there is a place for `lock`.
    pub(super) fn holds(&self, lock: usize) -> bool {
        self.holdings().any(|holding| holding.lock == lock)
    }

    /// The holding of `lock`, if there is one.
    pub(super) fn holding_of(&self, lock: usize) -> Option<Found<'_>> {
        let mut places = (1..=self.depth()).filter_map(|index| self.place(index));
        let place = places.find(|place| place.is(lock))?;
        Some(Found { place, stamp: place.stamp.load(Ordering::Relaxed) })
    }

    /// What the thread waits for.
    pub(super) fn waiting(&self) -> Option<Waiting> {
        let kind = self.waiting_kind.load(Ordering::Acquire).checked_sub(1)?;
        let kind = Kind::from_code(kind)?;
        let lock = self.waiting.load(Ordering::Relaxed);
        Some(Waiting { lock, kind, mutex: self.waiting_mutex.load(Ordering::Relaxed) })
    }

    /// The semaphores that the thread took, and perhaps gave back since.
    pub(super) fn semaphores(&self) -> impl Iterator<Item = usize> {
        let addresses = self.semaphores.iter().map(|place| place.load(Ordering::Relaxed));
        addresses.filter(|address| *address != 0)
    }

    /// The forker no longer waits for any of these holdings.
    pub(super) fn give(&self) {
        (1..=self.depth()).filter_map(|index| self.place(index)).for_each(Place::give);
    }

    #[cfg(loom)]
    fn place(&self, index: usize) -> Option<&Place> {
        self.places.get(index)
    }
}

#[cfg(not(loom))]
impl Ledger {
    /// Nothing in it.
    pub(crate) const fn new() -> Self {
        const PLACE: Place =
            Place { lock: AtomicUsize::new(0), stamp: AtomicU32::new(0), given: AtomicU32::new(0) };
        Self {
            top: AtomicU32::new(0),
            serial: AtomicU32::new(0),
            waiting: AtomicUsize::new(0),
            waiting_mutex: AtomicUsize::new(0),
            waiting_kind: AtomicU32::new(0),
            taken: AtomicU32::new(0),
            places: [PLACE; PLACES + 1],
            semaphores: [const { AtomicUsize::new(0) }; SEMAPHORES],
            more: AtomicPtr::new(core::ptr::null_mut()),
        }
    }

    fn place(&self, index: usize) -> Option<&Place> {
        if index <= PLACES {
            return self.places.get(index);
        }
        let (more, index) = (self.more.load(Ordering::Acquire), index - PLACES - 1);
        if more.is_null() || index >= MORE {
            return None;
        }
        // SAFETY: `push_further` mapped `MORE` places there, never unmapped.
        let place = unsafe { more.add(index) };
        // SAFETY: as above; all zeroes is a valid place.
        Some(unsafe { &*place })
    }

    /// [`push`](Self::push) where that found no place; false if there is no memory either.
    pub(super) fn push_further(&self, lock: usize, kind: Kind) -> bool {
        if self.more.load(Ordering::Relaxed).is_null()
            && let Some(memory) = crate::sys::map(MORE * size_of::<Place>())
        {
            self.more.store(memory.as_ptr().cast(), Ordering::Release);
        }
        let above = self.depth() + 1;
        let Some(place) = self.place(above) else {
            return false;
        };
        self.occupy(place, above as u32 * SIZE, lock, kind);
        true
    }
}

#[cfg(loom)]
impl Ledger {
    /// Nothing in it.
    pub(super) fn new() -> Self {
        let zero = || AtomicU32::new(0);
        Self {
            top: zero(),
            serial: zero(),
            waiting: AtomicUsize::new(0),
            waiting_mutex: AtomicUsize::new(0),
            waiting_kind: zero(),
            taken: zero(),
            places: [(); PLACES + 1].map(|()| Place {
                lock: AtomicUsize::new(0),
                stamp: zero(),
                given: zero(),
            }),
            semaphores: [(); SEMAPHORES].map(|()| AtomicUsize::new(0)),
        }
    }
}

#[cfg(all(test, not(loom)))]
#[allow(clippy::disallowed_types, reason = "tests may allocate")]
mod tests {
    use super::*;

    fn locks(ledger: &Ledger) -> Vec<usize> {
        ledger.holdings().map(|holding| holding.lock).collect()
    }

    #[test]
    fn places_are_given_up_in_any_order() {
        let ledger = Ledger::new();
        for lock in [16, 32, 48, 32] {
            assert!(ledger.push(lock, Kind::Mutex));
        }
        assert!(ledger.is_top(32) && !ledger.is_top(48));
        assert!(ledger.remove(16));
        assert_eq!(locks(&ledger), [48, 32, 32]);
        assert!(!ledger.remove(16));
        assert!(ledger.remove_oldest(32));
        assert_eq!(locks(&ledger), [32, 48]);
    }

    #[test]
    fn many_locks_find_room() {
        let ledger = Ledger::new();
        for lock in 1..=10_000 {
            assert!(ledger.push(lock, Kind::Spin) || ledger.push_further(lock, Kind::Spin));
        }
        assert!((1..=10_000).all(|lock| ledger.remove_oldest(lock)));
        assert_eq!(ledger.depth(), 0);
    }

    #[test]
    fn a_holding_is_given_until_it_ends() {
        let ledger = Ledger::new();
        ledger.push(16, Kind::Mutex);
        ledger.give();
        ledger.push(32, Kind::Mutex);
        let given = || ledger.holdings().map(|holding| holding.given).collect::<Vec<_>>();
        assert_eq!(given(), [false, true]);
        ledger.remove(16);
        assert_eq!(given(), [false]);
        ledger.push(16, Kind::Mutex);
        assert_eq!(given(), [false, false]);
    }

    #[test]
    fn only_the_holding_that_was_found_is_given() {
        let ledger = Ledger::new();
        ledger.push(16, Kind::Mutex);
        assert!(ledger.holding_of(32).is_none());
        let found = ledger.holding_of(16).expect("it was pushed");
        ledger.pop();
        ledger.push(16, Kind::Mutex);
        found.give();
        assert!(ledger.holdings().all(|holding| !holding.given));
        ledger.holding_of(16).expect("it was pushed").give();
        assert!(ledger.holdings().all(|holding| holding.given));
    }

    #[test]
    fn what_is_stale_goes_except_for_the_top() {
        let ledger = Ledger::new();
        for lock in [16, 32, 48, 64] {
            ledger.push(lock, Kind::Mutex);
        }
        ledger.compact(|holding| holding.lock == 32);
        assert_eq!(locks(&ledger), [64, 32]);
    }

    #[test]
    fn the_last_semaphores_are_remembered() {
        let ledger = Ledger::new();
        for semaphore in 1..=SEMAPHORES + 1 {
            ledger.remember(semaphore);
        }
        let mut known: Vec<_> = ledger.semaphores().collect();
        known.sort_unstable();
        assert_eq!(known, (2..=SEMAPHORES + 1).collect::<Vec<_>>());
        ledger.forget(SEMAPHORES + 1);
        ledger.forget(2);
        assert_eq!(ledger.semaphores().count(), SEMAPHORES - 1);
    }
}
