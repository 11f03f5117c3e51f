//! musl 1.2, 64-bit: the same on x86-64 and arm64 (`src/internal/pthread_impl.h`, `src/thread/*.c`).
//!
//! A mutex of the normal kind does not tell who holds it, nor does a read-write lock: there the ledgers
//! decide.

use core::sync::atomic::{AtomicU32, Ordering};

use libc::{pthread_cond_t, pthread_mutex_t, pthread_rwlock_t};

use super::{Owner, Room, alike, read, word, zero};
use crate::locks::Kind;
use crate::sys;
use crate::table::locks::next;

// The words of `pthread_mutex_t`. Behind them it has its place in a list of all those of its owner, which is
// written when it is taken.
const MUTEX_KIND: usize = 0;
const MUTEX_LOCK: usize = 1;
const MUTEX_WAITERS: usize = 2;
const MUTEX_COUNT: usize = 5;
/// What tells a normal mutex, which has none of them, from others.
const SPECIAL: u32 = 15;
/// Normal, recursive or error-checking.
const TYPES: u32 = 3;
/// The bit of robust ones.
const ROBUST: u32 = 4;
/// The bit of those shared with other processes.
const SHARED: u32 = 128;
/// The lock word of a normal mutex that is held (`EBUSY`), and of a spinlock.
const HELD: u32 = 16;
/// In a lock word: somebody waits.
const WAITED_FOR: u32 = 1 << 31;
/// In the lock word of any but a normal mutex: the owner.
const OWNER: u32 = 0x3fff_ffff;

// The words of `pthread_rwlock_t`.
const RWLOCK_LOCK: usize = 0;
const RWLOCK_WAITERS: usize = 1;
const RWLOCK_SHARED: usize = 2;
/// The lock word of one that is held for writing. Else it has the number of readers.
const WRITER: u32 = 0x7fff_ffff;

// The words of `pthread_cond_t`: a pointer that is null unless it is shared, and for one that is not the ends
// of the list of who waits, on their stacks, and the list's lock.
const COND_SHARED: [usize; 2] = [0, 1];
const COND_HEAD: [usize; 2] = [2, 3];
const COND_CLOCK: usize = 4;
const COND_LOCK: usize = 8;
const COND_TAIL: [usize; 2] = [10, 11];

/// `pthread_once_t` where another thread is at it, without and with others that wait.
const ONCE_PENDING: [u32; 2] = [1, 3];
const ONCE_DONE: u32 = 2;

const _: () = {
    assert!(size_of::<pthread_mutex_t>() == 40);
    assert!(size_of::<pthread_rwlock_t>() == 56);
    assert!(size_of::<pthread_cond_t>() == 48);
};

/// Whether this mutex is none of ours: shared with other processes, or robust.
///
/// # Safety
///
/// A mutex must be there.
#[inline(always)]
pub(in super::super) unsafe fn is_foreign_mutex(mutex: usize) -> bool {
    // SAFETY: as the caller vouches.
    unsafe { word(mutex, MUTEX_KIND) }.load(Ordering::Relaxed) & (ROBUST | SHARED) != 0
}

/// Whether this mutex is one of ours whose taking cannot fail, and most likely need not wait.
///
/// # Safety
///
/// A mutex must be there.
#[inline(always)]
pub(in super::super) unsafe fn is_free_mutex(mutex: usize) -> bool {
    // SAFETY: as the caller vouches.
    let kind = unsafe { word(mutex, MUTEX_KIND) }.load(Ordering::Relaxed);
    // SAFETY: as above.
    let lock = unsafe { word(mutex, MUTEX_LOCK) }.load(Ordering::Relaxed);
    kind & !TYPES | lock == 0
}

/// Whether this read-write lock is shared with other processes.
///
/// # Safety
///
/// A read-write lock must be there.
#[inline(always)]
pub(in super::super) unsafe fn is_foreign_rwlock(lock: usize) -> bool {
    // SAFETY: as the caller vouches.
    unsafe { word(lock, RWLOCK_SHARED) }.load(Ordering::Relaxed) != 0
}

/// Whether this read-write lock is one of ours whose taking cannot fail, and most likely need not wait.
///
/// # Safety
///
/// A read-write lock must be there.
#[inline(always)]
pub(in super::super) unsafe fn is_free_rwlock(lock: usize, kind: Kind) -> bool {
    // SAFETY: as the caller vouches.
    let load = |index| unsafe { word(lock, index) }.load(Ordering::Relaxed);
    let (state, shared) = (load(RWLOCK_LOCK), load(RWLOCK_SHARED));
    // The last number of readers but one: what comes next is a writer.
    let free = if kind == Kind::Read { state & WRITER < WRITER - 1 } else { state == 0 };
    free && shared == 0
}

/// Whether this condition variable is shared with other processes.
///
/// # Safety
///
/// A condition variable must be there.
pub(in super::super) unsafe fn is_foreign_cond(cond: usize) -> bool {
    // SAFETY: as the caller vouches.
    COND_SHARED.into_iter().any(|i| unsafe { word(cond, i) }.load(Ordering::Relaxed) != 0)
}

/// Who holds the mutex at `mutex`, if it is one of ours.
pub(in super::super) fn owner(mutex: usize) -> Owner {
    let Some([kind, lock, ..]) = read::<6>(mutex) else {
        return Owner::Nobody;
    };
    // What has no such kind is not a mutex any more.
    if kind & ROBUST != 0 || kind & !SPECIAL != 0 {
        Owner::Nobody
    } else if kind == 0 {
        if lock & !WAITED_FOR == HELD { Owner::Unknown } else { Owner::Nobody }
    } else {
        match lock & OWNER {
            0 => Owner::Nobody,
            owner => Owner::Thread(owner),
        }
    }
}

/// Makes a mutex free, of the kind it is.
///
/// # Safety
///
/// [`owner`] has found it held by a thread that is gone, and there is no other thread.
pub(in super::super) unsafe fn reset_mutex(mutex: usize) {
    // SAFETY: there is a mutex; the caller vouches for the rest.
    unsafe { zero(mutex, [MUTEX_LOCK, MUTEX_WAITERS, MUTEX_COUNT]) };
}

/// Makes a mutex that this thread held before the fork its own under its new id.
///
/// # Safety
///
/// There is no other thread.
pub(in super::super) unsafe fn adopt_mutex(mutex: usize, before: u32, now: u32) {
    if owner(mutex) != Owner::Thread(before) {
        return;
    }
    // SAFETY: `owner` has seen a mutex there.
    unsafe { word(mutex, MUTEX_LOCK) }.store(now, Ordering::Relaxed);
    // Whoever waited for it is gone.
    // SAFETY: as above.
    unsafe { word(mutex, MUTEX_WAITERS) }.store(0, Ordering::Relaxed);
}

/// Whether there is a read-write lock at `lock` that is not free.
pub(in super::super) fn is_busy_rwlock(lock: usize) -> bool {
    read::<14>(lock).is_some_and(|words| {
        let [lock, waiters, rest @ ..] = words;
        lock | waiters != 0 && rest.iter().all(|word| *word == 0)
    })
}

/// Who holds the read-write lock at `lock` for writing: it does not tell.
pub(in super::super) fn writer(lock: usize) -> Owner {
    match read::<1>(lock) {
        Some([state]) if state & WRITER == WRITER => Owner::Unknown,
        _ => Owner::Nobody,
    }
}

/// Makes a read-write lock free.
///
/// # Safety
///
/// It is one of ours, and nobody else uses it.
pub(in super::super) unsafe fn reset_rwlock(lock: usize) {
    // SAFETY: as the caller vouches.
    unsafe { zero(lock, [RWLOCK_LOCK, RWLOCK_WAITERS]) };
}

/// Nothing to do: a read-write lock does not know who holds it.
///
/// # Safety
///
/// None; where locks know it, this thread must hold it.
pub(in super::super) unsafe fn adopt_rwlock(_lock: usize, _before: u32, _now: u32) {}

/// Makes a condition variable one that nobody waits for, with its clock.
///
/// # Safety
///
/// It is one of ours, and nobody else uses it.
pub(in super::super) unsafe fn reset_cond(cond: usize) {
    // SAFETY: as the caller vouches.
    unsafe { zero(cond, COND_HEAD.into_iter().chain([COND_LOCK]).chain(COND_TAIL)) };
}

/// Whether what this control variable stands for has been done.
///
/// # Safety
///
/// A `pthread_once_t` must be there.
pub(in super::super) unsafe fn is_done(once: usize) -> bool {
    // SAFETY: as the caller vouches.
    unsafe { word(once, 0) }.load(Ordering::Acquire) == ONCE_DONE
}

/// In a child: whoever was at it is gone, so the next thread begins anew.
pub(in super::super) fn reset_once(once: usize) {
    if read::<1>(once).is_some_and(|[state]| ONCE_PENDING.contains(&state)) {
        // SAFETY: readable, and in a state that only such a variable has; there is no other thread.
        unsafe { zero(once, [0]) };
    }
}

/// Tries all of it on locks of its own; the text says what is not as expected. For the constructor.
pub(in super::super) fn check() -> Result<(), &'static str> {
    check_mutex(libc::PTHREAD_MUTEX_NORMAL, HELD).ok_or("mutexes")?;
    check_mutex(libc::PTHREAD_MUTEX_RECURSIVE, sys::gettid()).ok_or("recursive mutexes")?;
    check_rwlock().ok_or("read-write locks")?;
    check_cond().ok_or("condition variables")?;
    check_once().ok_or("once controls")?;
    alike::learn_spinlock().ok_or("spinlocks")?;
    alike::check_semaphore().ok_or("semaphores")
}

fn check_mutex(kind: libc::c_int, held: u32) -> Option<()> {
    let room = Room::new();
    let mutex = core::ptr::with_exposed_provenance_mut(room.address());
    let mut attributes = core::mem::MaybeUninit::<libc::pthread_mutexattr_t>::uninit();
    // SAFETY: a place for attributes; these functions only write to their arguments.
    unsafe { libc::pthread_mutexattr_init(attributes.as_mut_ptr()) };
    // SAFETY: initialised above.
    unsafe { libc::pthread_mutexattr_settype(attributes.as_mut_ptr(), kind) };
    // SAFETY: a place for a mutex, and attributes.
    unsafe { next::pthread_mutex_init.ensure()(mutex, attributes.as_ptr()) };
    let kind = kind as u32;
    let free = room.is(&[(MUTEX_KIND, kind)]);
    // SAFETY: a mutex that only this function knows.
    unsafe { next::pthread_mutex_lock.ensure()(mutex) };
    let [is, lock, waiters, .., count] = read::<6>(room.address())?;
    let locked = is == kind && lock == held && waiters | count == 0;
    // SAFETY: as above, locked.
    unsafe { next::pthread_mutex_unlock.ensure()(mutex) };
    let [is, lock, waiters, .., count] = read::<6>(room.address())?;
    (free && locked && is == kind && lock | waiters | count == 0).then_some(())
}

fn check_rwlock() -> Option<()> {
    let room = Room::new();
    let lock = core::ptr::with_exposed_provenance_mut(room.address());
    // SAFETY: a lock that only this function knows.
    unsafe { next::pthread_rwlock_wrlock.ensure()(lock) };
    let written = room.is(&[(RWLOCK_LOCK, WRITER)]);
    // SAFETY: as above, locked.
    unsafe { next::pthread_rwlock_unlock.ensure()(lock) };
    // SAFETY: as above.
    unsafe { next::pthread_rwlock_rdlock.ensure()(lock) };
    let read = room.is(&[(RWLOCK_LOCK, 1)]);
    // SAFETY: as above, locked.
    unsafe { next::pthread_rwlock_unlock.ensure()(lock) };
    (written && read && room.is(&[])).then_some(())
}

fn check_cond() -> Option<()> {
    let clock = libc::CLOCK_MONOTONIC;
    let mut attributes = core::mem::MaybeUninit::<libc::pthread_condattr_t>::uninit();
    // SAFETY: a place for attributes; these functions only write to their arguments.
    unsafe { libc::pthread_condattr_init(attributes.as_mut_ptr()) };
    // SAFETY: initialised above.
    unsafe { libc::pthread_condattr_setclock(attributes.as_mut_ptr(), clock) };
    let room = Room::new();
    let cond = core::ptr::with_exposed_provenance_mut(room.address());
    // SAFETY: a place for a condition variable, and attributes.
    unsafe { libc::pthread_cond_init(cond, attributes.as_ptr()) };
    room.is(&[(COND_CLOCK, clock as u32)]).then_some(())
}

fn check_once() -> Option<()> {
    extern "C-unwind" fn nothing() {}
    let control = AtomicU32::new(0);
    // SAFETY: a control variable, and a function that returns.
    unsafe { next::pthread_once.ensure()(control.as_ptr().cast(), nothing) };
    (control.load(Ordering::Relaxed) == ONCE_DONE).then_some(())
}
