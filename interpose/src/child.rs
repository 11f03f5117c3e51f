//! The only code that runs in a forked child before `fork` returns.
//!
//! No allocation, no lock of anybody else's, no std I/O, no panic, no symbol look-up. libc has
//! already reset its own locks (malloc, stdio, the loader's) and runs us as its child handler.

use core::sync::atomic::Ordering;

use crate::family::Family;
use crate::gate::{GATE, LINGERING, ORPHANS};
use crate::slot::{self, FORKING, GIVEN_UP, PASSED, Slot};
use crate::sync::AtomicU32;
use crate::{atfork, forker, stats, sys};

/// The process that the gate belongs to.
#[cfg_attr(target_os = "linux", unsafe(link_section = ".data.forkfix"))]
static PID: AtomicU32 = AtomicU32::new(0);
/// Families that lost a thread inside, as a set of [`Family::bit`]s. Grandchildren inherit it.
#[cfg_attr(target_os = "linux", unsafe(link_section = ".data.forkfix"))]
static ORPHANED: AtomicU32 = AtomicU32::new(0);

/// Frees our own locks, whose holders may be gone: before any handler runs, since running handlers
/// takes the registry's.
pub(crate) fn free_locks() {
    atfork::unlock_in_child();
    #[cfg(target_os = "linux")]
    crate::hooks::environment::unlock_in_child();
}

/// Makes the child's world consistent: it has one thread, which holds the gate until it opens it.
#[cfg_attr(target_os = "linux", unsafe(link_section = ".text.hot.fork"))]
pub(crate) fn repair() {
    repair_without(|_| true);
}

/// Makes the world of a child consistent that lacks the threads that are `gone`.
#[cfg_attr(target_os = "linux", unsafe(link_section = ".text.hot.fork"))]
fn repair_without(gone: impl Fn(&Slot) -> bool) {
    PID.store(sys::getpid(), Ordering::Relaxed);
    let tid = sys::gettid();
    #[cfg(target_os = "linux")]
    crate::locks::repair(slot::mine(), tid, &gone);
    #[cfg(target_env = "musl")]
    crate::musl::repair(slot::mine().tid.load(Ordering::Relaxed), tid, &gone);
    let mut lost = 0;
    slot::keep(slot::mine(), tid, gone, |vanished| {
        // The word alone does not tell: a thread that backs off from the closed gate shows its
        // family for a moment. Whoever was inside when the gate was drained has a mark.
        let family = Family::from_code(vanished.word.load(Ordering::Relaxed));
        let inside = vanished.mark.load(Ordering::Relaxed) & (GIVEN_UP | PASSED | FORKING) != 0;
        if let (Some(family), true) = (family, inside)
            && !family.passes()
        {
            lost |= family.bit();
        }
    });
    if lost != 0 {
        ORPHANED.fetch_or(lost, Ordering::Relaxed);
        GATE.set(ORPHANS, true);
    }
    if GATE.flags() & LINGERING != 0 {
        // Whom the parent gave up on is gone here.
        GATE.set(LINGERING, false);
    }
    #[cfg(target_env = "gnu")]
    {
        crate::loader::repair(tid);
        crate::hooks::exit::repair();
        crate::hooks::helpers::doubt();
    }
    #[cfg(target_os = "linux")]
    crate::hooks::processes::repair();
    #[cfg(target_os = "linux")]
    crate::history::reset();
    forker::adopt(tid);
    stats::reset();
}

/// If this process is a child that libc's `fork` did not make (`_Fork`, a raw `clone`), and is about
/// to fork properly, it owns a copy of a gate that nobody will ever open: starts afresh, with the threads
/// that it has made since.
pub(crate) fn adopt_if_foreign() {
    let now = sys::getpid();
    if pid() != now {
        free_locks();
        forker::reset(slot::mine());
        repair_without(|slot| !sys::thread_exists(now, slot.tid.load(Ordering::Relaxed)));
    }
}

/// Has calls of `family` answered from now on: nobody serves them.
#[cfg(target_env = "gnu")]
pub(crate) fn orphan(family: Family) {
    ORPHANED.fetch_or(family.bit(), Ordering::Relaxed);
    GATE.set(ORPHANS, true);
}

/// Whether calls of `family` must be answered instead of made.
pub(crate) fn is_orphaned(family: Family) -> bool {
    ORPHANED.load(Ordering::Relaxed) & family.bit() != 0
}

/// Whether the gate belongs to this process. Not to a child of `vfork`, which shares this memory, nor to one that
/// libc's fork did not make.
pub(crate) fn is_own_process() -> bool {
    sys::getpid() == pid()
}

/// The process that the gate belongs to; another than `getpid` says in a child of `vfork`, `_Fork`
/// or a raw `clone`.
pub(crate) fn pid() -> u32 {
    let known = PID.load(Ordering::Relaxed);
    if known != 0 {
        return known;
    }
    let pid = sys::getpid();
    PID.store(pid, Ordering::Relaxed);
    pid
}
