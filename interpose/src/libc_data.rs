//! libc's own variables, and the locks among them.
//!
//! No symbol leads to these locks. But they are where libc's writable memory is, and those that one thread
//! can take several times name their owner.

use core::ops::Range;
use core::sync::atomic::{AtomicUsize, Ordering};

#[cfg(target_env = "gnu")]
use libc::c_int;

use crate::object;
use crate::table::next;

/// From where to where they are; both 0 until [`find`] was called. The first is aligned for any of them.
static START: AtomicUsize = AtomicUsize::new(0);
static END: AtomicUsize = AtomicUsize::new(0);

const ALIGNMENT: usize = 16;

/// Finds them. Takes the loader's locks; for the constructor.
pub(crate) fn find() {
    if let Some(data) = object::data_at((next::exit.ensure() as *const ()).addr()) {
        END.store(data.end, Ordering::Relaxed);
        START.store(data.start.next_multiple_of(ALIGNMENT), Ordering::Relaxed);
    }
}

/// Where they are; empty before [`find`].
pub(crate) fn range() -> Range<usize> {
    START.load(Ordering::Relaxed)..END.load(Ordering::Relaxed)
}

/// A lock that one thread can take several times (sysdeps/nptl/libc-lock.h); also that of a stream
/// (sysdeps/nptl/stdio-lock.h).
#[cfg(target_env = "gnu")]
#[repr(C)]
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Recursive {
    lock: c_int,
    count: c_int,
    owner: usize,
}

#[cfg(target_env = "gnu")]
impl Recursive {
    /// One that nobody holds.
    pub(crate) const FREE: Self = Self { lock: 0, count: 0, owner: 0 };

    /// Whether `thread`, as `pthread_self` names it, holds it, and has taken it once.
    fn is_held_once_by(&self, thread: usize) -> bool {
        self.owner == thread && self.count == 1 && self.lock != 0
    }

    /// Whether it is held by some thread, whose record is aligned as all are.
    fn is_held(&self) -> bool {
        self.lock != 0 && self.count > 0 && self.owner != 0 && self.owner.is_multiple_of(ALIGNMENT)
    }

    /// What is at `place`, where a lock may be or something else. `None` if none can be there.
    fn at(place: usize) -> Option<Self> {
        let last = range().end.checked_sub(size_of::<Self>())?;
        let fits = (range().start..=last).contains(&place);
        if !fits || !place.is_multiple_of(align_of::<Self>()) {
            return None;
        }
        // SAFETY: inside libc's writable memory, which stays mapped, and aligned; any bits are valid, whoever
        // changes them meanwhile.
        Some(unsafe { core::ptr::with_exposed_provenance::<Self>(place).read_volatile() })
    }
}

/// The calling thread, as such locks name their owner.
#[cfg(target_env = "gnu")]
pub(crate) fn this_thread() -> usize {
    // SAFETY: no preconditions.
    unsafe { libc::pthread_self() as usize }
}

/// Calls `visit` for each recursive lock among libc's variables that this thread holds once. Before [`find`] it
/// takes the loader's locks.
#[cfg(target_env = "gnu")]
pub(crate) fn locks_of_this_thread(mut visit: impl FnMut(*mut Recursive)) {
    if range().is_empty() {
        find();
    }
    let me = this_thread();
    for place in range().step_by(align_of::<Recursive>()) {
        if Recursive::at(place).is_some_and(|lock| lock.is_held_once_by(me)) {
            visit(core::ptr::with_exposed_provenance_mut(place));
        }
    }
}

/// Whether the futex at `word` is in a lock of libc's that is held for a short time only: any of its own but
/// those of streams (and the list of these), which are held over reads and writes.
#[cfg(target_env = "gnu")]
pub(crate) fn is_short_lock(word: usize) -> bool {
    range().contains(&word) && !Recursive::at(word).is_some_and(|lock| lock.is_held())
}

#[cfg(all(test, target_env = "gnu"))]
mod tests {
    use super::*;

    #[test]
    fn the_lock_of_a_stream_is_found_and_is_no_short_one() {
        unsafe extern "C" {
            static stdout: *mut libc::FILE;
            fn flockfile(stream: *mut libc::FILE);
            fn funlockfile(stream: *mut libc::FILE);
        }
        let found = || {
            let mut found = [0; 2];
            let mut count = 0;
            locks_of_this_thread(|lock| {
                found[count] = lock.addr();
                count += 1;
            });
            (found[0], count)
        };
        let before = found();
        // SAFETY: libc's own stream, which no other test locks.
        unsafe { flockfile(stdout) };
        let (lock, count) = found();
        let short = is_short_lock(lock);
        // SAFETY: locked above.
        unsafe { funlockfile(stdout) };
        assert_eq!((before.1, count, found().1), (0, 1, 0));
        assert!(!short && is_short_lock(lock), "it is free now");
        assert!(!is_short_lock(range().end) && !is_short_lock((&raw const count).addr()));
        assert!(is_short_lock(range().end - 4), "too near to the end for a stream's");
    }
}
