//! glibc, 64-bit: the same on x86-64 and arm64 (`sysdeps/nptl/bits/thread-shared-types.h`,
//! `struct_mutex.h` and `struct_rwlock.h` of both; nothing moved between 2.28 and 2.43 but what is
//! learnt by [`check`]).

use core::sync::atomic::{AtomicUsize, Ordering};

use libc::{pthread_cond_t, pthread_mutex_t, pthread_rwlock_t};

use super::{Owner, Room, alike, read, word, zero};
use crate::locks::Kind;
use crate::sys;
use crate::table::locks::next;

// The words of `pthread_mutex_t`.
const MUTEX_LOCK: usize = 0;
const MUTEX_COUNT: usize = 1;
const MUTEX_OWNER: usize = 2;
const MUTEX_USERS: usize = 3;
const MUTEX_KIND: usize = 4;
/// Normal, recursive, error-checking or adaptive (`PTHREAD_MUTEX_KIND_MASK_NP`).
const TYPES: u32 = 3;
/// `PTHREAD_MUTEX_ROBUST_NORMAL_NP` (`nptl/pthreadP.h`).
const ROBUST: u32 = 16;
/// `PTHREAD_MUTEX_PRIO_INHERIT_NP`: the lock word is the owner's id.
const INHERIT: u32 = 32;
/// `PTHREAD_MUTEX_PRIO_PROTECT_NP`: the lock word has the ceiling in its upper bits.
const PROTECT: u32 = 64;
/// `PTHREAD_MUTEX_PSHARED_BIT`.
const SHARED: u32 = 128;
/// `PTHREAD_MUTEX_ELISION_NP` and `PTHREAD_MUTEX_NO_ELISION_NP`; the latter is set with the normal type.
const ELISION: u32 = 0x300;
/// `PTHREAD_MUTEX_PRIO_CEILING_MASK`.
const CEILING: u32 = 0xfff8_0000;
/// All bits that a kind may have, elision's among them.
const KINDS: u32 = 0x3ff;

// The words of `pthread_rwlock_t`. The three in front of the writer are futexes and padding.
const RWLOCK_STATE: core::ops::Range<usize> = 0..6;
/// The first word of a free lock that was last held by a writer (`PTHREAD_RWLOCK_WRPHASE`).
const WRITE_PHASE: u32 = 1;
/// A writer holds it, or is about to (`PTHREAD_RWLOCK_WRLOCKED`).
const WRITE_LOCKED: u32 = 2;
const RWLOCK_WRITERS: usize = 1;
const RWLOCK_WRITER: usize = 6;
const RWLOCK_SHARED: usize = 7;

// The flags of `pthread_cond_t` share their word with a count. Its place is learnt.
const COND_SHARED: u32 = 1;
const COND_FLAGS: u32 = 3;
const COND_WORDS: usize = 12;

const _: () = {
    assert!(size_of::<pthread_mutex_t>() >= 40 && align_of::<pthread_mutex_t>() == 8);
    assert!(size_of::<pthread_rwlock_t>() == 56);
    assert!(size_of::<pthread_cond_t>() == 4 * COND_WORDS);
};

/// Where in a condition variable the flags are: 9 before glibc 2.42, then 7.
static COND_PLACE: AtomicUsize = AtomicUsize::new(9);

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
    kind & !(TYPES | ELISION) | lock == 0
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
    let (state, shared) = (load(RWLOCK_STATE.start), load(RWLOCK_SHARED));
    if kind == Kind::Read {
        state & WRITE_LOCKED | shared == 0
    } else {
        state & !WRITE_PHASE | load(RWLOCK_WRITERS) | shared == 0
    }
}

/// Whether this condition variable is shared with other processes.
///
/// # Safety
///
/// A condition variable must be there.
pub(in super::super) unsafe fn is_foreign_cond(cond: usize) -> bool {
    let place = COND_PLACE.load(Ordering::Relaxed);
    // SAFETY: as the caller vouches.
    unsafe { word(cond, place) }.load(Ordering::Relaxed) & COND_SHARED != 0
}

/// Who holds the mutex at `mutex`, if it is one of ours.
pub(in super::super) fn owner(mutex: usize) -> Owner {
    let Some(words) = read::<5>(mutex) else {
        return Owner::Nobody;
    };
    let [lock, _, owner, users, kind] = words;
    let held = if kind & PROTECT != 0 { lock & !CEILING } else { lock };
    // What has no such kind and users is not a mutex any more.
    if kind & (ROBUST | SHARED) != 0 || kind & !KINDS != 0 || held == 0 || users > 1 << 20 {
        Owner::Nobody
    } else if owner == 0 {
        Owner::Unknown
    } else {
        Owner::Thread(owner)
    }
}

/// Makes a mutex free, of the kind it is.
///
/// # Safety
///
/// [`owner`] has found it held by a thread that is gone, and there is no other thread.
pub(in super::super) unsafe fn reset_mutex(mutex: usize) {
    // SAFETY: there is a mutex; the caller vouches for the rest.
    let kind = unsafe { word(mutex, MUTEX_KIND) }.load(Ordering::Relaxed);
    // SAFETY: as above.
    let lock = unsafe { word(mutex, MUTEX_LOCK) };
    let ceiling = if kind & PROTECT != 0 { lock.load(Ordering::Relaxed) & CEILING } else { 0 };
    lock.store(ceiling, Ordering::Relaxed);
    // SAFETY: as above.
    unsafe { zero(mutex, [MUTEX_COUNT, MUTEX_OWNER, MUTEX_USERS]) };
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
    unsafe { word(mutex, MUTEX_OWNER) }.store(now, Ordering::Relaxed);
    // Whoever else meant to take it is gone.
    // SAFETY: as above.
    unsafe { word(mutex, MUTEX_USERS) }.store(1, Ordering::Relaxed);
    // SAFETY: as above.
    if unsafe { word(mutex, MUTEX_KIND) }.load(Ordering::Relaxed) & INHERIT != 0 {
        // SAFETY: as above.
        unsafe { word(mutex, MUTEX_LOCK) }.store(now, Ordering::Relaxed);
    }
}

/// Whether there is a read-write lock at `lock` that is not free.
pub(in super::super) fn is_busy_rwlock(lock: usize) -> bool {
    read::<12>(lock).is_some_and(|words| {
        let [readers, writers, _, _, _, _, writer, shared, ..] = words;
        shared == 0 && (readers & !WRITE_PHASE != 0 || writers != 0 || writer != 0)
    })
}

/// Who holds the read-write lock at `lock` for writing.
pub(in super::super) fn writer(lock: usize) -> Owner {
    const WRITING: u32 = WRITE_PHASE | WRITE_LOCKED;
    match read::<8>(lock) {
        Some([state, .., writer, 0]) if state & WRITING == WRITING => match writer {
            0 => Owner::Unknown,
            writer => Owner::Thread(writer),
        },
        _ => Owner::Nobody,
    }
}

/// Makes a read-write lock free, with its preference.
///
/// # Safety
///
/// It is one of ours, and nobody else uses it.
pub(in super::super) unsafe fn reset_rwlock(lock: usize) {
    // SAFETY: as the caller vouches.
    unsafe { zero(lock, RWLOCK_STATE.chain([RWLOCK_WRITER])) };
}

/// Makes a read-write lock that this thread held for writing its own under its new id.
///
/// # Safety
///
/// This thread holds it for writing, and there is no other thread.
pub(in super::super) unsafe fn adopt_rwlock(lock: usize, before: u32, now: u32) {
    // SAFETY: held, so it is there.
    let writer = unsafe { word(lock, RWLOCK_WRITER) };
    if writer.load(Ordering::Relaxed) == before {
        writer.store(now, Ordering::Relaxed);
    }
}

/// Makes a condition variable one that nobody waits for, with its clock.
///
/// # Safety
///
/// It is one of ours, and nobody else uses it.
pub(in super::super) unsafe fn reset_cond(cond: usize) {
    let place = COND_PLACE.load(Ordering::Relaxed);
    // SAFETY: as the caller vouches.
    let flags = unsafe { word(cond, place) };
    let kept = flags.load(Ordering::Relaxed) & COND_FLAGS;
    // SAFETY: as above.
    unsafe { zero(cond, 0..COND_WORDS) };
    flags.store(kept, Ordering::Relaxed);
}

/// Whether what this control variable stands for has been done.
///
/// # Safety
///
/// A `pthread_once_t` must be there.
pub(in super::super) unsafe fn is_done(once: usize) -> bool {
    // SAFETY: as the caller vouches.
    unsafe { word(once, 0) }.load(Ordering::Acquire) & 2 != 0
}

/// Nothing to do: glibc itself begins anew what another thread had begun (`fork_generation`).
pub(in super::super) fn reset_once(_once: usize) {}

/// Tries all of it on locks of its own; the text says what is not as expected. For the constructor.
pub(in super::super) fn check() -> Result<(), &'static str> {
    check_mutex().ok_or("mutexes")?;
    check_rwlock().ok_or("read-write locks")?;
    learn_cond().ok_or("condition variables")?;
    alike::learn_spinlock().ok_or("spinlocks")?;
    alike::check_semaphore().ok_or("semaphores")
}

fn check_mutex() -> Option<()> {
    let room = Room::new();
    let mutex = core::ptr::with_exposed_provenance_mut(room.address());
    // SAFETY: a mutex that only this function knows.
    unsafe { next::pthread_mutex_lock.ensure()(mutex) };
    let held = room.is(&[(MUTEX_LOCK, 1), (MUTEX_OWNER, sys::gettid()), (MUTEX_USERS, 1)]);
    // SAFETY: as above, locked.
    unsafe { next::pthread_mutex_unlock.ensure()(mutex) };
    (held && room.is(&[])).then_some(())
}

fn check_rwlock() -> Option<()> {
    let room = Room::new();
    let lock = core::ptr::with_exposed_provenance_mut(room.address());
    // SAFETY: a lock that only this function knows.
    unsafe { next::pthread_rwlock_wrlock.ensure()(lock) };
    // SAFETY: within the room.
    let writer = unsafe { word(room.address(), RWLOCK_WRITER) }.load(Ordering::Relaxed);
    let held = writer == sys::gettid() && is_busy_rwlock(room.address());
    // SAFETY: as above, locked.
    unsafe { next::pthread_rwlock_unlock.ensure()(lock) };
    (held && !is_busy_rwlock(room.address())).then_some(())
}

fn learn_cond() -> Option<()> {
    const MONOTONIC: u32 = 2;
    let room = Room::new();
    let cond = core::ptr::with_exposed_provenance_mut(room.address());
    let mut attributes = core::mem::MaybeUninit::<libc::pthread_condattr_t>::uninit();
    // SAFETY: a place for attributes; these functions only write to their arguments.
    unsafe { libc::pthread_condattr_init(attributes.as_mut_ptr()) };
    // SAFETY: initialised above.
    unsafe { libc::pthread_condattr_setclock(attributes.as_mut_ptr(), libc::CLOCK_MONOTONIC) };
    // SAFETY: a place for a condition variable.
    unsafe { libc::pthread_cond_init(cond, attributes.as_ptr()) };
    let place = room.0.iter().position(|word| word.load(Ordering::Relaxed) != 0)?;
    COND_PLACE.store(place, Ordering::Relaxed);
    (place < COND_WORDS && room.is(&[(place, MONOTONIC)])).then_some(())
}
