//! What became of this process's children: whether each one so far has become another program at once.
//!
//! Programs that only start others by `fork` need none of their locks in the child. A fork there does not wait
//! for locks of the program, and says nothing of those it found held: they are free in the child all the same.
//! The first fork of a process has nothing to go by, so it waits; its parent says nothing before it knows.
//!
//! A child tells its parent by a page that they share. What the page says is only ever as good as the guess that
//! the next child will do as the others did. A wrong one costs a wait that was left out: locks are free, but what
//! they guard may be half done. To wait for more children than one before the guess is made costs programs such as Node
//! a tenth of their time: their threads hold locks for 10 ms and more while they start.

use core::ptr::{self, NonNull};
use core::sync::atomic::{AtomicPtr, AtomicU32, Ordering};

use crate::{child, sys};

/// What a process and its children share, in bytes.
const SIZE: usize = size_of::<AtomicU32>();

/// Forks of this process while it had other threads.
#[unsafe(link_section = ".data.forkfix")]
static FORKS: AtomicU32 = AtomicU32::new(0);
/// How many of these children have become another program; null before the first such fork.
#[unsafe(link_section = ".data.forkfix")]
static EXECS: AtomicPtr<AtomicU32> = AtomicPtr::new(ptr::null_mut());
/// The same of the parent of this process; null if it has none, or knows already.
#[unsafe(link_section = ".data.forkfix")]
static PARENTS: AtomicPtr<AtomicU32> = AtomicPtr::new(ptr::null_mut());

/// Whether each child so far has become another program, and there was one.
pub(crate) fn all_executed() -> bool {
    let forks = FORKS.load(Ordering::Relaxed);
    forks > 0 && forks == execs()
}

/// Whether each child but the newest has, of which it cannot be told yet.
pub(crate) fn all_others_executed() -> bool {
    FORKS.load(Ordering::Relaxed).saturating_sub(execs()) <= 1
}

fn execs() -> u32 {
    counter(&EXECS).map_or(0, |execs| execs.load(Ordering::Relaxed))
}

/// Counts a fork. For the forker, with the gate closed, after the drain.
pub(crate) fn forking() {
    if counter(&EXECS).is_none() {
        let page = sys::map_for_children(SIZE);
        EXECS.store(page.map_or(ptr::null_mut(), |page| page.as_ptr().cast()), Ordering::Relaxed);
    }
    FORKS.fetch_add(1, Ordering::Relaxed);
}

/// The fork that was counted last has failed.
pub(crate) fn failed() {
    let one_less = |forks: u32| forks.checked_sub(1);
    FORKS.fetch_update(Ordering::Relaxed, Ordering::Relaxed, one_less).ok();
}

/// In a child, which has none of its own yet.
#[unsafe(link_section = ".text.hot.fork")]
pub(crate) fn reset() {
    let parents = EXECS.load(Ordering::Relaxed);
    let grandparents = PARENTS.swap(parents, Ordering::Relaxed);
    if let Some(page) = NonNull::new(grandparents) {
        // SAFETY: `forking` mapped it, and only `PARENTS` led to it, in which it was.
        unsafe { sys::unmap(page.cast(), SIZE) };
    }
    EXECS.store(ptr::null_mut(), Ordering::Relaxed);
    FORKS.store(0, Ordering::Relaxed);
}

/// Makes a call that comes back only if this process has not become another program. A child of `vfork` shares
/// these numbers with its parent and is none of its forks.
pub(crate) fn executing<R>(exec: impl FnOnce() -> R) -> R {
    let execs = counter(&PARENTS).filter(|_| child::is_own_process());
    if let Some(execs) = execs {
        execs.fetch_add(1, Ordering::Relaxed);
    }
    let result = exec();
    if let Some(execs) = execs {
        execs.fetch_sub(1, Ordering::Relaxed);
    }
    result
}

fn counter(place: &AtomicPtr<AtomicU32>) -> Option<&'static AtomicU32> {
    // SAFETY: null, or a page that `forking` mapped; all zeroes is a valid number. Only `reset` unmaps one, which
    // nothing leads to any more, in a child whose only thread is there.
    unsafe { place.load(Ordering::Relaxed).as_ref() }
}
