//! What glibc and musl have alike, as far as it matters here: semaphores and spinlocks.

use core::sync::atomic::{AtomicU32, Ordering};

use libc::sem_t;

use super::{Room, read, word};
use crate::table::locks::next;

// The words of `sem_t`. What follows its value is different, and up to here (glibc: `struct new_sem`, musl:
// `src/thread/sem_*.c`); the rest is nobody's.
const SEM_VALUE: usize = 0;
const SEM_WAITERS: usize = 1;
const SEM_SPARE: usize = 4;
/// Values of a semaphore that is taken: musl marks there that threads wait, before 1.2.4 by the last one, later
/// by the upper bit.
const TAKEN: [u32; 3] = [0, 1 << 31, u32::MAX];
/// Marks a semaphore that began with 1, mixed with its address so that no copy is taken for one.
const SEM_MARK: u32 = 0x6b72_6f66;

const _: () = assert!(size_of::<sem_t>() == 32);

/// What a free spinlock holds: with glibc 1 on x86, else 0.
static SPIN_FREE: AtomicU32 = AtomicU32::new(0);

/// Whether this spinlock is free, so that taking it most likely need not wait.
///
/// # Safety
///
/// A spinlock must be there.
#[inline(always)]
pub(in super::super) unsafe fn is_free_spinlock(lock: usize) -> bool {
    // SAFETY: as the caller vouches.
    unsafe { word(lock, 0) }.load(Ordering::Relaxed) == SPIN_FREE.load(Ordering::Relaxed)
}

/// Whether there is a spinlock at `lock` that is not free.
pub(in super::super) fn is_busy_spinlock(lock: usize) -> bool {
    read::<1>(lock).is_some_and(|[value]| value != SPIN_FREE.load(Ordering::Relaxed))
}

/// Makes a spinlock free.
///
/// # Safety
///
/// There is a spinlock, and nobody else uses it.
pub(in super::super) unsafe fn reset_spinlock(lock: usize) {
    // SAFETY: as the caller vouches.
    unsafe { word(lock, 0) }.store(SPIN_FREE.load(Ordering::Relaxed), Ordering::Relaxed);
}

fn mark(semaphore: usize) -> u32 {
    SEM_MARK ^ (semaphore >> 4) as u32
}

/// Notes in a semaphore that was just initialised whether it is binary: it began with 1, for this process.
///
/// # Safety
///
/// A semaphore must be there, of the layout that [`check_semaphore`] finds.
pub(in super::super) unsafe fn mark_semaphore(semaphore: usize, binary: bool) {
    let value = if binary { mark(semaphore) } else { 0 };
    // SAFETY: as the caller vouches; libc leaves the upper half of a `sem_t` alone.
    unsafe { word(semaphore, SEM_SPARE) }.store(value, Ordering::Relaxed);
    // SAFETY: as above.
    unsafe { word(semaphore, SEM_SPARE + 1) }.store(0, Ordering::Relaxed);
}

/// Whether it is binary.
///
/// # Safety
///
/// A semaphore must be there.
#[inline(always)]
pub(in super::super) unsafe fn is_binary(semaphore: usize) -> bool {
    // SAFETY: as the caller vouches.
    unsafe { word(semaphore, SEM_SPARE) }.load(Ordering::Relaxed) == mark(semaphore)
}

/// Notes who took a binary semaphore; 0 if nobody.
///
/// # Safety
///
/// A semaphore must be there.
pub(in super::super) unsafe fn set_taker(semaphore: usize, taker: u32) {
    // SAFETY: as the caller vouches.
    unsafe { word(semaphore, SEM_SPARE + 1) }.store(taker, Ordering::Relaxed);
}

/// Who took the binary semaphore at `semaphore`, 0 if that is not noted; `None` if it is free, or there is
/// none.
pub(in super::super) fn taker(semaphore: usize) -> Option<u32> {
    let words = read::<6>(semaphore)?;
    let [value, _, _, _, known, taker] = words;
    (TAKEN.contains(&value) && known == mark(semaphore)).then_some(taker)
}

/// Gives a binary semaphore its 1 back.
///
/// # Safety
///
/// [`taker`] has found one there that a vanished thread took, and there is no other thread.
pub(in super::super) unsafe fn reset_semaphore(semaphore: usize) {
    // SAFETY: as the caller vouches.
    unsafe { set_taker(semaphore, 0) };
    // SAFETY: as above.
    unsafe { word(semaphore, SEM_VALUE) }.store(1, Ordering::Relaxed);
    // SAFETY: as above; the threads that waited are gone.
    unsafe { word(semaphore, SEM_WAITERS) }.store(0, Ordering::Relaxed);
}

/// Tries a spinlock, and learns what a free one holds.
pub(super) fn learn_spinlock() -> Option<()> {
    let room = Room::new();
    let lock = core::ptr::with_exposed_provenance_mut(room.address());
    // SAFETY: a place for a spinlock.
    unsafe { next::pthread_spin_init.ensure()(lock, libc::PTHREAD_PROCESS_PRIVATE) };
    let free = room.0.first()?.load(Ordering::Relaxed);
    SPIN_FREE.store(free, Ordering::Relaxed);
    (free <= 1 && room.is(&[(0, free)])).then_some(())
}

/// Tries a semaphore.
pub(super) fn check_semaphore() -> Option<()> {
    let room = Room::new();
    let semaphore = core::ptr::with_exposed_provenance_mut(room.address());
    // SAFETY: a place for a semaphore.
    unsafe { next::sem_init.ensure()(semaphore, 0, 1) };
    let [value, waiters, .., first_spare, taker] = read::<6>(room.address())?;
    let begun = value == 1 && waiters | first_spare | taker == 0;
    // SAFETY: made above.
    unsafe { next::sem_trywait.ensure()(semaphore) };
    let [value, waiters, .., first_spare, taker] = read::<6>(room.address())?;
    (begun && TAKEN.contains(&value) && waiters | first_spare | taker == 0).then_some(())
}
