//! Locks of the program: mutexes, read-write locks, spinlocks, semaphores, condition variables, and what
//! initialises something once.
//!
//! A thread that holds one counts as inside, like one that is in a call of libc: a fork waits for it, though
//! not for long. What it still holds when the fork goes on is free again in the child.
//!
//! | room | what lives there |
//! |---|---|
//! | `ledger` | a thread's record of what it holds and waits for |
//! | `holder` | a thread's side: taking a lock, passing the gate |
//! | `mutex`, `rwlock`, `spinlock`, `cond`, `semaphore`, `guard`, `once` | the hooks |
//! | `forker` | the forking thread's side: who holds something, for whom it is no use to wait |
//! | `orphans` | what the user is told |
//! | `repair` | the child's side |
//! | `python` | what Python keeps in Python, and is mended there |
//! | `layout` | what the locks look like in memory |
//!
//! Locks that are shared with other processes, or robust, are none of ours: no thread of this process is
//! the only one that may hold them, or libc tells the next holder itself.
//!
//! # The protocol
//!
//! 1. A thread takes a place in its ledger, looks at the gate, then takes the lock. If the gate is closed
//!    and the thread holds nothing else, it gives the place up and waits.
//! 2. A thread that has to wait for its first lock has no place meanwhile: it says what it waits
//!    for. When it has got the lock it takes a place; if the gate closed meanwhile, it gives the lock
//!    back. A fork between the two finds a lock under which no code has run.
//! 3. The same goes for the mutex of a condition variable.
//!
//! `model` checks this with loom.

#[cfg_attr(loom, allow(dead_code, reason = "the model has no forker"))]
mod ledger;

#[cfg(not(loom))]
use core::sync::atomic::{AtomicBool, Ordering};

#[cfg(not(loom))]
use crate::{history, options, tls};

#[cfg(not(loom))]
pub(crate) mod cond;
#[cfg(not(loom))]
pub(crate) mod forker;
#[cfg(not(loom))]
pub(crate) mod guard;
#[cfg(not(loom))]
pub(crate) mod holder;
#[cfg(not(loom))]
mod layout;
#[cfg(all(loom, test))]
mod model;
#[cfg(not(loom))]
pub(crate) mod mutex;
#[cfg(not(loom))]
pub(crate) mod once;
#[cfg(not(loom))]
mod orphans;
#[cfg(not(loom))]
pub(crate) mod python;
#[cfg(not(loom))]
mod repair;
#[cfg(not(loom))]
pub(crate) mod rwlock;
#[cfg(not(loom))]
pub(crate) mod semaphore;
#[cfg(not(loom))]
pub(crate) mod spinlock;

#[cfg(not(loom))]
pub(crate) use holder::is_inside;
#[cfg(not(loom))]
pub(crate) use ledger::Ledger;
#[cfg(not(loom))]
pub(crate) use orphans::{NOTES, Noted, not_noted, note, noted, tell, tell_late};
#[cfg(not(loom))]
pub(crate) use repair::repair;

/// False if the program's locks are left alone.
#[cfg(not(loom))]
static TRACKED: AtomicBool = AtomicBool::new(true);

/// Whether anything is done about the program's locks.
#[cfg(not(loom))]
pub(crate) fn are_tracked() -> bool {
    TRACKED.load(Ordering::Relaxed)
}

/// Whether a child most likely has no use for what the program's locks guard, so that a fork need not wait for
/// them: it will become another program. They are free in it if that is wrong.
#[cfg(not(loom))]
pub(crate) fn are_of_no_use() -> bool {
    options::orphans() == options::Orphans::Repair && history::all_executed()
}

/// Decides that; for the constructor.
#[cfg(not(loom))]
pub(crate) fn choose() {
    let wanted = !options::off() && options::orphans() != options::Orphans::Off;
    let known = layout::check();
    if let (true, Err(what)) = (wanted, known) {
        log::error!(
            "this libc has {what} of a kind that is not known; locks of the program are left alone"
        );
    }
    TRACKED.store(wanted && known.is_ok(), Ordering::Relaxed);
    if !are_tracked() {
        // This thread may have got one before.
        tls::set_ledger(None);
    }
}

/// What kind of thing a thread holds or waits for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u32)]
pub(crate) enum Kind {
    /// A mutex.
    Mutex,
    /// A read-write lock, for reading.
    Read,
    /// A read-write lock, for writing.
    Write,
    /// A spinlock.
    Spin,
    /// The guard of a static variable in C++.
    Guard,
    /// A `pthread_once_t`.
    Once,
    /// A condition variable; only waited for.
    Cond,
    /// A binary semaphore; only waited for.
    Semaphore,
}

impl Kind {
    /// How many bits a kind takes.
    const BITS: u32 = 4;

    const ALL: [Self; 8] = [
        Self::Mutex,
        Self::Read,
        Self::Write,
        Self::Spin,
        Self::Guard,
        Self::Once,
        Self::Cond,
        Self::Semaphore,
    ];

    fn from_code(code: u32) -> Option<Self> {
        Self::ALL.get(code as usize).copied()
    }

    /// How it is called in messages.
    #[cfg(not(loom))]
    const fn name(self) -> &'static str {
        match self {
            Self::Mutex => "mutex",
            Self::Read | Self::Write => "read-write lock",
            Self::Spin => "spinlock",
            Self::Guard => "guard of a static variable",
            Self::Once => "once control",
            Self::Cond => "condition variable",
            Self::Semaphore => "semaphore",
        }
    }
}
