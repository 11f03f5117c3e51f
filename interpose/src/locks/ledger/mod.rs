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

use core::sync::atomic::compiler_fence;
#[cfg(not(loom))]
use core::sync::atomic::{AtomicPtr, AtomicU64};

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

/// So many places are looked at before the others.
const NEAR: usize = 8;

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
    /// Where a lock was found that was not the topmost.
    hint: AtomicU32,
    /// When the wait began for which a forker has allowed the thread so much of a processor's time, in
    /// nanoseconds.
    #[cfg(not(loom))]
    wait: AtomicU64,
    #[cfg(not(loom))]
    allowed: AtomicU64,
    #[cfg(not(loom))]
    more: AtomicPtr<Place>,
}

#[cfg(not(loom))]
const _: () = assert!(size_of::<Ledger>() == 2048 && size_of::<Place>() == SIZE as usize);

impl Place {
    #[cfg(not(loom))]
    const fn new() -> Self {
        Self { lock: AtomicUsize::new(0), stamp: AtomicU32::new(0), given: AtomicU32::new(0) }
    }

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

    /// Gives up a place of `lock`; false if there is none.
    pub(super) fn remove(&self, lock: usize) -> bool {
        let found = self.index_of(lock);
        found.into_iter().for_each(|index| self.vacate(index));
        found.is_some()
    }

    /// Gives up the place at `index`, which the topmost one then takes.
    pub(super) fn vacate(&self, index: usize) {
        let depth = self.depth();
        if index != depth
            && let (Some(place), Some(top)) = (self.place(index), self.place(depth))
        {
            place.copy(top);
            compiler_fence(Ordering::SeqCst);
        }
        self.pop();
    }

    /// Where a place of `lock` is.
    pub(super) fn index_of(&self, lock: usize) -> Option<usize> {
        let depth = self.depth();
        let mut index = depth;
        while index > depth.saturating_sub(NEAR) {
            if self.place(index).is_some_and(|place| place.is(lock)) {
                return Some(index);
            }
            index -= 1;
        }
        self.search(lock, depth)
    }

    /// The same far from the top: looks around the place that was found last. An allocator that holds thousands
    /// of locks around a fork gives them back in the order it took them, while each gap is filled from the
    /// top.
    #[cold]
    fn search(&self, lock: usize, depth: usize) -> Option<usize> {
        let is = |index: &usize| self.place(*index).is_some_and(|place| place.is(lock));
        let hint = (self.hint.load(Ordering::Relaxed) as usize).clamp(1, depth.max(1));
        let mut around = (0..depth).flat_map(|step| [hint.wrapping_sub(step), hint + step]);
        let found = around.find(|index| (1..=depth).contains(index) && is(index))?;
        self.hint.store(found as u32, Ordering::Relaxed);
        Some(found)
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
        // Not before the lock was given back, or has a place.
        self.waiting_kind.store(0, Ordering::Release);
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

    /// Begins, for a thread that has just got it. A page that was never written to would cost each child a fault.
    pub(crate) fn begin(&self) {
        self.top.store(0, Ordering::Relaxed);
    }

    /// Forgets all, for another thread. Writes only if it has to: a child shares the page with its parent.
    pub(crate) fn clear(&self) {
        for word in [&self.top, &self.waiting_kind] {
            if word.load(Ordering::Relaxed) != 0 {
                word.store(0, Ordering::Relaxed);
            }
        }
        for place in &self.semaphores {
            if place.load(Ordering::Relaxed) != 0 {
                place.store(0, Ordering::Relaxed);
            }
        }
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
        Self {
            top: AtomicU32::new(0),
            serial: AtomicU32::new(0),
            waiting: AtomicUsize::new(0),
            waiting_mutex: AtomicUsize::new(0),
            waiting_kind: AtomicU32::new(0),
            taken: AtomicU32::new(0),
            places: [const { Place::new() }; PLACES + 1],
            semaphores: [const { AtomicUsize::new(0) }; SEMAPHORES],
            hint: AtomicU32::new(0),
            wait: AtomicU64::new(0),
            allowed: AtomicU64::new(0),
            more: AtomicPtr::new(core::ptr::null_mut()),
        }
    }

    /// What the thread was allowed in the wait that began then: `allowed`, if nothing was yet. For the forker.
    pub(super) fn allow(&self, wait: u64, allowed: u64) -> u64 {
        if self.wait.swap(wait, Ordering::Relaxed) != wait {
            self.allowed.store(allowed, Ordering::Relaxed);
        }
        self.allowed.load(Ordering::Relaxed)
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
            hint: zero(),
        }
    }
}

#[cfg(all(test, not(loom)))]
mod tests;
