//! The child's side: what threads that are gone left behind.
//!
//! Locks are made anew, never released: whoever waits for them is gone too, and what libc notes about
//! those must go. There is one thread, and all of it holds no lock while this runs.
//!
//! Nothing is changed in memory that the parent shares, whatever a lock there says it is.

use super::ledger::{Ledger, Waiting};
use super::{Kind, layout};
use crate::options::{self, Orphans};
use crate::slot::{self, Slot};
use crate::stats;
use crate::sync::Ordering;
use crate::sys;
use crate::table::locks::next;

/// Who survives, with its ledger and its ids.
struct Survivor<'a> {
    ledger: Option<&'a Ledger>,
    /// Its thread id in the parent.
    before: u32,
    /// Its thread id now.
    now: u32,
}

/// Frees the locks of threads that are `gone`, and makes those of `mine` its own under its new id `tid`.
pub(crate) fn repair(mine: &Slot, tid: u32, gone: impl Fn(&Slot) -> bool) {
    if !super::are_tracked() {
        return;
    }
    if options::orphans() == Orphans::Abort && super::orphans::any() {
        sys::abort();
    }
    let before = mine.tid.load(Ordering::Relaxed);
    let me = Survivor { ledger: mine.ledger(), before, now: tid };
    if options::orphans() != Orphans::Report {
        for slot in slot::all() {
            let tid = slot.tid.load(Ordering::Relaxed);
            if tid != 0
                && !core::ptr::eq(slot, mine)
                && gone(slot)
                && let Some(ledger) = slot.ledger()
            {
                me.free(ledger, tid);
            }
        }
    }
    me.adopt();
    super::orphans::forget();
}

impl Survivor<'_> {
    /// Frees what the thread `tid`, which is gone, held or waited for.
    fn free(&self, ledger: &Ledger, tid: u32) {
        for holding in ledger.holdings() {
            self.free_lock(holding.lock, holding.kind, tid);
        }
        if let Some(waiting) = ledger.waiting() {
            self.free_awaited(&waiting, tid);
        }
        for semaphore in ledger.semaphores() {
            if layout::taker(semaphore) == Some(tid) {
                give_back(semaphore);
            }
        }
    }

    fn free_lock(&self, lock: usize, kind: Kind, tid: u32) {
        match kind {
            Kind::Mutex => self.free_mutex(lock, tid),
            Kind::Read | Kind::Write => self.free_rwlock(lock),
            Kind::Spin => {
                if layout::is_busy_spinlock(lock) && !self.holds(lock) && !sys::is_shared(lock) {
                    // SAFETY: there is one, in memory of this process alone; its holder is gone.
                    unsafe { layout::reset_spinlock(lock) };
                    stats::REPAIRED.add();
                }
            }
            Kind::Guard => {
                if !self.holds(lock) && super::guard::reset(lock) {
                    stats::REPAIRED.add();
                }
            }
            Kind::Once => {
                if !self.holds(lock) {
                    layout::reset_once(lock);
                }
            }
            Kind::Cond | Kind::Semaphore => {}
        }
    }

    fn free_awaited(&self, waiting: &Waiting, tid: u32) {
        match waiting.kind {
            Kind::Cond => {
                if layout::read::<12>(waiting.lock).is_some() && !sys::is_shared(waiting.lock) {
                    // SAFETY: the thread waited there until now, so it is there; nobody else is left.
                    unsafe { layout::reset_cond(waiting.lock) };
                }
                self.free_mutex(waiting.mutex, tid);
                self.free_users(waiting.mutex);
            }
            // The thread had just got it, or was about to post it: whether that was noted, or noted no longer,
            // is a matter of where in between it was.
            Kind::Semaphore => {
                if layout::taker(waiting.lock).is_some_and(|taker| taker == 0 || taker == tid) {
                    give_back(waiting.lock);
                }
            }
            kind => self.free_lock(waiting.lock, kind, tid),
        }
    }

    /// Frees a mutex that thread `tid` took. Another owner has a ledger of its own.
    fn free_mutex(&self, mutex: usize, tid: u32) {
        let owner = layout::owner(mutex);
        let mine = owner == layout::Owner::Unknown && self.holds(mutex);
        if owner.may_be(tid) && !mine && !sys::is_shared(mutex) {
            // SAFETY: found held just now by a thread that is gone, and this is the only one.
            unsafe { layout::reset_mutex(mutex) };
            stats::REPAIRED.add();
        }
    }

    /// Forgets who used a mutex for a wait: glibc destroys none that has users.
    fn free_users(&self, mutex: usize) {
        let free = layout::owner(mutex) == layout::Owner::Nobody && !self.holds(mutex);
        if free && layout::read::<5>(mutex).is_some() && !sys::is_shared(mutex) {
            // SAFETY: there is one, as somebody waited with it until now, which nobody holds.
            unsafe { layout::reset_mutex(mutex) };
        }
    }

    /// Makes a read-write lock anew, with what this thread holds of it.
    fn free_rwlock(&self, lock: usize) {
        if !layout::is_busy_rwlock(lock) || sys::is_shared(lock) {
            return;
        }
        // SAFETY: there is one; its other holders are gone.
        unsafe { layout::reset_rwlock(lock) };
        stats::REPAIRED.add();
        let place = core::ptr::with_exposed_provenance_mut(lock);
        let mine = self.ledger.into_iter().flat_map(Ledger::holdings);
        for holding in mine.filter(|holding| holding.lock == lock) {
            // The lock is free, or held for reading as often as it was: neither waits.
            if holding.kind == Kind::Read {
                // SAFETY: there is a lock.
                unsafe { next::pthread_rwlock_tryrdlock.get()(place) };
            } else {
                // SAFETY: as above.
                unsafe { next::pthread_rwlock_trywrlock.get()(place) };
            }
        }
    }

    fn holds(&self, lock: usize) -> bool {
        self.ledger.is_some_and(|ledger| ledger.holds(lock))
    }

    /// Locks that know their holder by its id, which is another one here.
    #[unsafe(link_section = ".text.hot.fork")]
    fn adopt(&self) {
        let mine = self.ledger.into_iter().flat_map(Ledger::holdings);
        for holding in mine.filter(|holding| !sys::is_shared(holding.lock)) {
            match holding.kind {
                // SAFETY: there is no other thread.
                Kind::Mutex => unsafe {
                    layout::adopt_mutex(holding.lock, self.before, self.now);
                },
                // SAFETY: this thread holds it, and there is no other.
                Kind::Write => unsafe {
                    layout::adopt_rwlock(holding.lock, self.before, self.now);
                },
                _ => {}
            }
        }
        for semaphore in self.ledger.into_iter().flat_map(Ledger::semaphores) {
            if layout::taker(semaphore) == Some(self.before) {
                // SAFETY: found there just now.
                unsafe { layout::set_taker(semaphore, self.now) };
            }
        }
    }
}

fn give_back(semaphore: usize) {
    if sys::is_shared(semaphore) {
        return;
    }
    // SAFETY: found there, taken by a thread that is gone.
    unsafe { layout::reset_semaphore(semaphore) };
    stats::REPAIRED.add();
}
