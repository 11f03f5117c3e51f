//! The gate between threads inside libc and a forking thread: the protocol itself.
//!
//! A *reader* is a thread inside an interposed call. It publishes that in a word of its own, then
//! looks at the gate's flags; the *forker* sets [`CLOSED`], then looks at every reader's word. With
//! a full barrier between store and load on both sides (see [`barrier`]), either
//! the reader sees the closed gate or the forker sees the reader.
//!
//! Invariant: while the gate is closed and the forker has seen every word at zero, no other thread
//! is inside, and none gets in until the gate opens.
//!
//! | word of a reader | means |
//! |---|---|
//! | 0 | outside |
//! | a [`Family`](crate::family::Family) | inside a call of that family |
//! | [`FORKER`] | this thread is closing the gate, or holds it closed |
//!
//! A reader that was inside already passes a closed gate (NSS modules, signal handlers and
//! callbacks call back into libc while their caller holds locks), so the forker's wait is finite.
//!
//! Callable from any thread, at any time. `gate_model` checks this file with loom; removing either
//! barrier makes it fail.

use crate::barrier;
use crate::sync::{AtomicU32, Ordering};

/// The word of the thread that forks.
pub(crate) const FORKER: u32 = u32::MAX;

/// The forker waits for readers, or all are out: nobody may enter.
pub(crate) const CLOSED: u32 = 1;
/// Readers fence themselves, because the forker has no `membarrier(2)`. Also the state before the
/// constructor ran, when that is not known yet.
pub(crate) const FENCED: u32 = 1 << 1;
/// The next definitions have not all been looked up yet (see `next`).
#[cfg(not(loom))]
pub(crate) const UNRESOLVED: u32 = 1 << 2;
/// In a child: some family lost a thread that could not be drained.
#[cfg(not(loom))]
pub(crate) const ORPHANS: u32 = 1 << 3;
/// Some thread that an earlier fork gave up on may still be in that same call.
#[cfg(not(loom))]
pub(crate) const LINGERING: u32 = 1 << 4;
/// Some reader sleeps until the gate opens.
pub(crate) const SLEEPERS: u32 = 1 << 5;

/// The gate. There is one; tests of the protocol make their own.
#[derive(Debug)]
#[repr(C)]
pub(crate) struct Gate {
    /// First, because assembly looks at it (see `rows`). Zero in the common case, so that a reader needs one test for all of the above.
    flags: AtomicU32,
    /// Counts readers that left, or backed off from, a closed gate. The forker sleeps on it.
    wakeups: AtomicU32,
}

/// The process's gate.
#[cfg(not(loom))]
#[cfg_attr(target_os = "linux", unsafe(link_section = ".data.forkfix"))]
pub(crate) static GATE: Gate = Gate { flags: AtomicU32::new(AT_FIRST), wakeups: AtomicU32::new(0) };

/// What the constructor still has to find out. On macOS there is nothing.
#[cfg(not(loom))]
const AT_FIRST: u32 = if cfg!(target_os = "linux") { FENCED | UNRESOLVED } else { 0 };

impl Gate {
    /// An open gate with no flag set.
    #[cfg(loom)]
    pub(crate) fn new() -> Self {
        Self { flags: AtomicU32::new(0), wakeups: AtomicU32::new(0) }
    }

    /// Publishes `who` in the reader's `word`. Returns whether the reader may go ahead at once; if
    /// not, it must look at [`flags`](Self::flags), or at `doubts`, flags of its own.
    #[inline(always)]
    pub(crate) fn enter(&self, word: &AtomicU32, who: u32, doubts: impl FnOnce() -> u32) -> bool {
        word.store(who, Ordering::Relaxed);
        barrier::light();
        self.flags.load(Ordering::Acquire) | doubts() == 0
    }

    /// Puts the reader's `word` back. Returns false if the reader must call
    /// [`announce`](Self::announce) when a forker waits, which the flags tell.
    #[inline(always)]
    pub(crate) fn leave(&self, word: &AtomicU32, before: u32) -> bool {
        word.store(before, Ordering::Release);
        barrier::light();
        self.flags.load(Ordering::Relaxed) == 0
    }

    /// The flags now.
    pub(crate) fn flags(&self) -> u32 {
        self.flags.load(Ordering::Acquire)
    }

    /// Tells the forker that some reader's word changed. The caller still has to wake it up.
    pub(crate) fn announce(&self) {
        self.wakeups.fetch_add(1, Ordering::Release);
    }

    /// Closes the gate to readers that are outside. One forker at a time.
    pub(crate) fn close(&self) {
        let before = self.flags.fetch_or(CLOSED, Ordering::SeqCst);
        barrier::heavy(before & FENCED != 0);
    }

    /// Opens the gate. Returns whether readers sleep, which still have to be woken up.
    pub(crate) fn open(&self) -> bool {
        self.flags.fetch_and(!(CLOSED | SLEEPERS), Ordering::Release) & SLEEPERS != 0
    }

    /// A number that changes with every [`announce`](Self::announce): taken before the readers'
    /// words are looked at, it tells a forker whether going to sleep would miss one.
    pub(crate) fn ticket(&self) -> u32 {
        self.wakeups.load(Ordering::Acquire)
    }
}

#[cfg(not(loom))]
impl Gate {
    /// The word that parked readers sleep on.
    pub(crate) fn flags_word(&self) -> &AtomicU32 {
        &self.flags
    }

    /// Notes that the caller is about to sleep on the flags. Returns the value to expect there, or
    /// `None` if the gate is not closed any more.
    pub(crate) fn expect_sleep(&self) -> Option<u32> {
        let flags = self.flags.load(Ordering::Relaxed);
        let asleep = flags | SLEEPERS;
        let closed = flags & CLOSED != 0
            && self
                .flags
                .compare_exchange(flags, asleep, Ordering::SeqCst, Ordering::Relaxed)
                .is_ok();
        closed.then_some(asleep)
    }

    /// The word that the forker sleeps on.
    pub(crate) fn wakeups_word(&self) -> &AtomicU32 {
        &self.wakeups
    }

    /// Sets or clears flags other than [`CLOSED`].
    pub(crate) fn set(&self, flags: u32, on: bool) {
        if on {
            self.flags.fetch_or(flags, Ordering::SeqCst);
        } else {
            self.flags.fetch_and(!flags, Ordering::SeqCst);
        }
    }

    /// Makes readers fence themselves from now on.
    #[cfg(target_os = "linux")]
    pub(crate) fn require_fences(&self) {
        self.set(FENCED, true);
    }
}
