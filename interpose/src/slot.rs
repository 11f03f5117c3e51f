//! One record per thread, in memory of our own.
//!
//! Records live in a slab that is never unmapped and never part of a thread's own memory, because
//! the forker reads them at moments that their thread does not choose. A thread gets one on its
//! first interposed call and gives it back in a pthread-key destructor; if it enters again after
//! that, it gets another. The forker drops records whose thread is gone.
//!
//! Callable from any thread, before the constructor and in signal handlers: nothing here allocates
//! with `malloc` or waits.

use core::ffi::c_void;
use core::ptr;
use core::sync::atomic::AtomicPtr;

#[cfg(target_env = "gnu")]
use crate::annex::Annex;
use crate::bounds::ForkBounds;
#[cfg(target_os = "linux")]
use crate::locks::Ledger;
use crate::sync::{AtomicU32, Ordering, fence};
use crate::{child, forker, sys, tls};

/// The forker gave up on this thread, which is still in the same call.
pub(crate) const GIVEN_UP: u32 = 1;
/// The thread waits for something while it holds no lock: it does not count as inside.
pub(crate) const WAIVED: u32 = 1 << 1;
/// The thread is inside and wants to fork itself: it cannot leave before the present fork is done.
pub(crate) const FORKING: u32 = 1 << 2;
/// The thread passes the gate though it is closed, because the forker is stuck: it may be anywhere in
/// a call when the fork happens.
pub(crate) const PASSED: u32 = 1 << 3;

/// One thread's record: a cache line of its own, so that readers do not slow each other down.
#[repr(C, align(64))]
pub(crate) struct Slot {
    /// The reader's word of the [gate](crate::gate). Written by its thread only.
    pub(crate) word: AtomicU32,
    /// Notes about the thread: [`GIVEN_UP`], [`WAIVED`], [`FORKING`], [`PASSED`].
    pub(crate) mark: AtomicU32,
    /// The thread; 0 while the record is free.
    pub(crate) tid: AtomicU32,
    /// Where in the slab the record is.
    index: AtomicU32,
    /// Where the thread's forks in progress stand in the registry of handlers.
    pub(crate) forks: ForkBounds,
    /// Buffers that only some threads need; kept when the record passes to another thread.
    #[cfg(target_env = "gnu")]
    annex: AtomicPtr<Annex>,
}

/// Records that need no mapping; enough for most programs.
const STATIC_SLOTS: usize = 32;
const CHUNK_SLOTS: usize = 1024;
const CHUNKS: usize = 256;
const _: () = assert!(size_of::<Slot>() == 64);

#[cfg_attr(target_os = "linux", unsafe(link_section = ".data.forkfix"))]
static FIRST: [Slot; STATIC_SLOTS] = [const { Slot::new() }; STATIC_SLOTS];
static MORE: [AtomicPtr<Slot>; CHUNKS] = [const { AtomicPtr::new(ptr::null_mut()) }; CHUNKS];

/// Records that were ever in use are all below this index.
#[cfg_attr(target_os = "linux", unsafe(link_section = ".data.forkfix"))]
static IN_USE: AtomicU32 = AtomicU32::new(0);
/// No free record is below this index.
#[cfg_attr(target_os = "linux", unsafe(link_section = ".data.forkfix"))]
static LOWEST_FREE: AtomicU32 = AtomicU32::new(0);

/// The ledgers of the first records' threads, and of the others'.
#[cfg(target_os = "linux")]
static FIRST_LEDGERS: [Ledger; STATIC_SLOTS] = [const { Ledger::new() }; STATIC_SLOTS];
#[cfg(target_os = "linux")]
static MORE_LEDGERS: [AtomicPtr<Ledger>; CHUNKS] =
    [const { AtomicPtr::new(ptr::null_mut()) }; CHUNKS];

/// Stands in where the kernel has no memory for another record. Its threads are not waited for.
static UNTRACKED: Slot = Slot::new();

impl Slot {
    const fn new() -> Self {
        Self {
            word: AtomicU32::new(0),
            mark: AtomicU32::new(0),
            tid: AtomicU32::new(0),
            index: AtomicU32::new(0),
            forks: ForkBounds::new(),
            #[cfg(target_env = "gnu")]
            annex: AtomicPtr::new(ptr::null_mut()),
        }
    }

    /// The thread's buffers, made on first use; `None` if there is no memory. Only for the thread
    /// that owns the record.
    #[cfg(target_env = "gnu")]
    pub(crate) fn annex(&self) -> Option<&Annex> {
        let mut annex = self.annex.load(Ordering::Acquire);
        if annex.is_null() {
            annex = sys::map(size_of::<Annex>())?.as_ptr().cast();
            self.annex.store(annex, Ordering::Release);
        }
        // SAFETY: mapped with the size of an `Annex`, page-aligned, never unmapped; all zeroes is
        // a valid `Annex`, and all its parts are atomic.
        Some(unsafe { &*annex })
    }

    /// The thread's ledger of locks.
    #[cfg(target_os = "linux")]
    pub(crate) fn ledger(&self) -> Option<&'static Ledger> {
        let index = self.index.load(Ordering::Relaxed) as usize;
        FIRST_LEDGERS.get(index).or_else(|| in_chunk(&MORE_LEDGERS, index - STATIC_SLOTS))
    }

    /// Makes the record free. The thread must be gone, or be the caller.
    fn release(&self) {
        #[cfg(target_os = "linux")]
        if let Some(ledger) = self.ledger() {
            ledger.clear();
        }
        self.word.store(0, Ordering::Release);
        self.mark.store(0, Ordering::Relaxed);
        self.tid.store(0, Ordering::Release);
        LOWEST_FREE.fetch_min(self.index.load(Ordering::Relaxed), Ordering::AcqRel);
    }
}

fn at(index: usize) -> Option<&'static Slot> {
    if let Some(slot) = FIRST.get(index) {
        return Some(slot);
    }
    in_chunk(&MORE, index - STATIC_SLOTS)
}

/// The object at `index` in chunks that are mapped when one is needed.
fn in_chunk<T>(chunks: &'static [AtomicPtr<T>; CHUNKS], index: usize) -> Option<&'static T> {
    let chunk = chunks.get(index / CHUNK_SLOTS)?.load(Ordering::Acquire);
    if chunk.is_null() {
        return None;
    }
    // SAFETY: a chunk has `CHUNK_SLOTS` objects, and the index is taken modulo that.
    let object = unsafe { chunk.add(index % CHUNK_SLOTS) };
    // SAFETY: chunks are mapped zeroed, which is a free record or an empty ledger, and never unmapped.
    Some(unsafe { &*object })
}

/// Maps the chunk with the object at `index`, unless another thread is faster.
fn map_chunk<T>(chunks: &[AtomicPtr<T>; CHUNKS], index: usize) -> Option<()> {
    let chunk = chunks.get(index / CHUNK_SLOTS)?;
    if !chunk.load(Ordering::Relaxed).is_null() {
        return Some(());
    }
    let size = CHUNK_SLOTS * size_of::<T>();
    let fresh = sys::map(size)?;
    let place = fresh.as_ptr().cast();
    let none = ptr::null_mut();
    if chunk.compare_exchange(none, place, Ordering::AcqRel, Ordering::Acquire).is_err() {
        // SAFETY: nobody has seen this mapping.
        unsafe { sys::unmap(fresh, size) };
    }
    Some(())
}

/// The record at `index`, if need be in a chunk that is mapped now.
fn at_or_map(index: usize) -> Option<&'static Slot> {
    if let Some(slot) = at(index) {
        return Some(slot);
    }
    // First, so that no thread has a record without one.
    #[cfg(target_os = "linux")]
    map_chunk(&MORE_LEDGERS, index - STATIC_SLOTS)?;
    map_chunk(&MORE, index - STATIC_SLOTS)?;
    at(index)
}

/// Every record that was ever in use.
pub(crate) fn all() -> impl Iterator<Item = &'static Slot> {
    (0..IN_USE.load(Ordering::Acquire) as usize).map_while(at)
}

/// How many records were ever in use at a time.
pub(crate) fn in_use() -> u32 {
    IN_USE.load(Ordering::Relaxed)
}

/// Frees the records of threads that no longer exist. Not in a child that libc's fork did not make: there it
/// cannot be told whose threads they are.
fn reap_all() {
    if child::is_own_process() {
        all().for_each(reap);
    }
}

/// Frees the record if its thread no longer exists.
pub(crate) fn reap(slot: &Slot) {
    let tid = slot.tid.load(Ordering::Acquire);
    if tid != 0 && !sys::thread_exists(child::pid(), tid) {
        slot.release();
    }
}

/// The calling thread's record.
#[inline]
pub(crate) fn mine() -> &'static Slot {
    let slot = tls::slot();
    if slot.is_null() {
        return register();
    }
    // SAFETY: the TLS word holds null or a pointer that `register` put there, to a record that is
    // never unmapped.
    unsafe { &*slot }
}

/// Gives the calling thread a record.
#[cold]
#[inline(never)]
pub(crate) fn register() -> &'static Slot {
    // Without a key (the program has used up all) records come back when the slab would have to grow.
    let key = tls::key(give_back);
    if key.is_none() && tls::NEEDS_KEY {
        return &UNTRACKED;
    }
    // A signal handler that interrupts this may register first; its record is then the one that
    // stays, and this one goes back.
    let Some(slot) = take_free() else {
        log::error!("no memory to keep track of another thread; it is not protected");
        tls::set_slot(&raw const UNTRACKED);
        return &UNTRACKED;
    };
    let earlier = tls::slot();
    if !earlier.is_null() {
        slot.release();
        // SAFETY: as in `mine`.
        return unsafe { &*earlier };
    }
    #[cfg(target_os = "linux")]
    tls::set_ledger(slot.ledger().filter(|_| crate::locks::are_tracked()).inspect(|l| l.begin()));
    tls::set_slot(slot);
    if let Some(key) = key {
        // SAFETY: the key exists; the value is only ever handed to `give_back`.
        unsafe { libc::pthread_setspecific(key, ptr::from_ref(slot).cast()) };
    }
    slot
}

/// The id of the thread whose record the caller's is. A child of `vfork` has the memory of a thread of its
/// parent, which keeps the record when the child is gone; libc's own word for that thread has not changed.
fn own_tid() -> u32 {
    #[cfg(target_os = "linux")]
    if !child::is_own_process()
        && let Some(tid) = sys::tid_in_libc()
        && sys::thread_exists(child::pid(), tid)
    {
        return tid;
    }
    sys::gettid()
}

fn take_free() -> Option<&'static Slot> {
    let tid = own_tid();
    let mut start = LOWEST_FREE.load(Ordering::Acquire);
    let mut index = start;
    let mut reaped = false;
    loop {
        // Before twice as many are in use as ever, take back what threads left behind that ended without a
        // destructor, or used a record after their last one.
        if index == in_use() && index.is_power_of_two() && !reaped {
            reaped = true;
            reap_all();
            start = LOWEST_FREE.load(Ordering::Acquire);
            index = start;
            continue;
        }
        let slot = at_or_map(index as usize)?;
        // Before it is anybody's: the ledger is found by it.
        slot.index.store(index, Ordering::Relaxed);
        if slot.tid.compare_exchange(0, tid, Ordering::AcqRel, Ordering::Relaxed).is_ok() {
            IN_USE.fetch_max(index + 1, Ordering::AcqRel);
            pass_over(start, index);
            return Some(slot);
        }
        index += 1;
    }
}

/// Notes that no record from `start` to `taken` is free, unless one was freed meanwhile: one that was above the
/// lowest then has not said so.
fn pass_over(start: u32, taken: u32) {
    let next = taken + 1;
    if LOWEST_FREE.compare_exchange(start, next, Ordering::AcqRel, Ordering::Relaxed).is_err() {
        return;
    }
    let is_free =
        |index: &u32| at(*index as usize).is_some_and(|slot| slot.tid.load(Ordering::Acquire) == 0);
    if let Some(free) = (start..taken).find(is_free) {
        LOWEST_FREE.fetch_min(free, Ordering::AcqRel);
    }
}

/// Runs at thread exit. Other destructors may run after it and enter again: they get a new record
/// and this destructor runs once more.
extern "C" fn give_back(slot: *mut c_void) {
    tls::set_slot(ptr::null());
    #[cfg(target_os = "linux")]
    tls::set_ledger(None);
    // SAFETY: `slot` is the record that this thread registered; records are never unmapped.
    unsafe { &*slot.cast_const().cast::<Slot>() }.release();
    fence(Ordering::SeqCst);
    forker::wake();
}

/// In a forked child: the records of threads that are `gone` are free again. Calls `vanished` with each
/// before. The caller's has its new id.
pub(crate) fn keep(
    mine: &Slot,
    tid: u32,
    gone: impl Fn(&Slot) -> bool,
    mut vanished: impl FnMut(&Slot),
) {
    for slot in all() {
        if ptr::eq(slot, mine) {
            slot.tid.store(tid, Ordering::Relaxed);
        } else if slot.tid.load(Ordering::Relaxed) != 0 && gone(slot) {
            vanished(slot);
            slot.release();
        }
    }
}
