//! Streams that a vanished thread had locked.
//!
//! The lock of a `FILE` is a word with its owner's thread id, and musl's `fork` leaves it alone
//! (`src/stdio/__lockfile.c`). So in a child the next `printf`, `fflush(NULL)` or `exit` hangs, even if the
//! forking thread itself held the stream, since it has another id there.
//!
//! All streams but the three standard ones are in a list, which nothing gives access to. But they are
//! linked in both directions, so a stream of our own that stays open leads to all of them. Where in a
//! `FILE` the links and the lock are is learnt from what `fmemopen` and `flockfile` change in that stream.

use core::ffi::{c_char, c_int};
use core::ptr;
use core::sync::atomic::{AtomicPtr, AtomicUsize, Ordering};

use libc::FILE;

use crate::{slot, sys};

unsafe extern "C" {
    static stdin: *mut FILE;
    static stdout: *mut FILE;
    static stderr: *mut FILE;
    fn fmemopen(memory: *mut u8, size: usize, mode: *const c_char) -> *mut FILE;
    fn ftrylockfile(stream: *mut FILE) -> c_int;
    fn funlockfile(stream: *mut FILE);
    fn __fpurge(stream: *mut FILE) -> c_int;
}

/// How much of a stream is searched, in words of four bytes. What `fmemopen` allocates is larger: a `FILE`
/// and a buffer of 1 KiB (`src/stdio/fmemopen.c`).
const SEARCHED: usize = 64;
/// Set in a lock that others wait for (`src/internal/stdio_impl.h`).
const WAITERS: u32 = 1 << 30;
/// The owner that `getc` and `putc` write, whoever calls them (`src/stdio/getc.h`).
const ANYBODY: u32 = WAITERS - 1;

/// The stream that leads to all others; null if they are not as expected.
static OURS: AtomicPtr<FILE> = AtomicPtr::new(ptr::null_mut());
/// Where they are in a stream, in bytes: the lock, how many times `flockfile` took it, the neighbours.
static LOCK: AtomicUsize = AtomicUsize::new(0);
static COUNT: AtomicUsize = AtomicUsize::new(0);
static NEXT: AtomicUsize = AtomicUsize::new(0);
static PREVIOUS: AtomicUsize = AtomicUsize::new(0);

/// What our stream reads.
static BYTE: u8 = 0;

/// Learns where things are; for the constructor.
pub(crate) fn find() {
    let ours = open();
    if ours.is_null() || learn(ours).is_none() {
        log::error!(
            "this musl's streams are not as known: one that another thread holds when the process forks \
             stays locked in the child; use musl 1.2.3 to 1.2.6, or report this version"
        );
    } else {
        OURS.store(ours, Ordering::Relaxed);
    }
}

fn open() -> *mut FILE {
    // SAFETY: a byte that is only read, and a literal string.
    unsafe { fmemopen((&raw const BYTE).cast_mut(), 1, c"r".as_ptr()) }
}

/// Compares what is in the stream `ours`, which nobody else uses, before and after it changes.
fn learn(ours: *mut FILE) -> Option<()> {
    let newer = open();
    if newer.is_null() {
        return None;
    }
    // The list begins with the newest stream.
    let next = only(longs(newer).map(|word| word == ours.addr()));
    let previous = only(longs(ours).map(|word| word == newer.addr()));
    // SAFETY: opened above.
    unsafe { libc::fclose(newer) };
    // The first lock also changes what says that the process has one thread.
    hold(ours, 1);
    release(ours, 1);
    let (free, free_longs) = (words(ours), longs(ours));
    hold(ours, 1);
    let (once, once_longs) = (words(ours), longs(ours));
    hold(ours, 1);
    let twice_longs = longs(ours);
    release(ours, 2);
    let tid = sys::gettid();
    let lock = only(core::array::from_fn::<_, SEARCHED, _>(|at| free[at] == 0 && once[at] == tid));
    let count = only(core::array::from_fn::<_, { SEARCHED / 2 }, _>(|at| {
        (free_longs[at], once_longs[at], twice_longs[at]) == (0, 1, 2)
    }));
    LOCK.store(lock? * size_of::<u32>(), Ordering::Relaxed);
    for (place, found) in [(&COUNT, count), (&NEXT, next), (&PREVIOUS, previous)] {
        place.store(found? * size_of::<usize>(), Ordering::Relaxed);
    }
    Some(())
}

fn hold(stream: *mut FILE, times: usize) {
    for _ in 0..times {
        // SAFETY: a stream of ours.
        unsafe { ftrylockfile(stream) };
    }
}

fn release(stream: *mut FILE, times: usize) {
    for _ in 0..times {
        // SAFETY: a stream of ours that this thread holds as many times.
        unsafe { funlockfile(stream) };
    }
}

/// What is in a stream of ours.
fn words(stream: *mut FILE) -> [u32; SEARCHED] {
    // SAFETY: what `fmemopen` allocated is larger, and as aligned as any memory of `malloc`.
    unsafe { stream.cast::<[u32; SEARCHED]>().read_volatile() }
}

/// The same in words as long as a pointer.
fn longs(stream: *mut FILE) -> [usize; SEARCHED / 2] {
    // SAFETY: as above.
    unsafe { stream.cast::<[usize; SEARCHED / 2]>().read_volatile() }
}

/// Where the only hit is.
fn only<const N: usize>(hits: [bool; N]) -> Option<usize> {
    let mut found = hits.iter().enumerate().filter(|(_, hit)| **hit).map(|(at, _)| at);
    found.next().filter(|_| found.next().is_none())
}

/// In a child whose only known thread was `before` and is `now`: its streams are its own again, those of
/// owners that are `gone` are free.
pub(super) fn repair(before: u32, now: u32, gone: impl Fn(u32) -> bool) {
    let ours = OURS.load(Ordering::Relaxed);
    if ours.is_null() {
        return;
    }
    let (next, previous) = (NEXT.load(Ordering::Relaxed), PREVIOUS.load(Ordering::Relaxed));
    // SAFETY: libc's variables, which never change.
    let standard = unsafe { [stdin, stdout, stderr] };
    let streams = standard.into_iter().chain(linked(ours, next));
    for stream in streams.chain(linked(ours, previous).skip(1)) {
        // SAFETY: streams of libc's, which no other thread changes.
        unsafe { mend(stream, before, now, &gone) };
    }
}

/// `stream` and those that the links at the offset `link` lead to.
fn linked(stream: *mut FILE, link: usize) -> impl Iterator<Item = *mut FILE> {
    core::iter::successors(Some(stream), move |stream| {
        // SAFETY: a stream in libc's list; `fork` has waited until nobody changed that.
        let neighbour = unsafe { at::<*mut FILE>(*stream, link).read() };
        (!neighbour.is_null()).then_some(neighbour)
    })
}

/// The place `offset` bytes into a stream.
fn at<T>(stream: *mut FILE, offset: usize) -> *mut T {
    stream.cast::<u8>().wrapping_add(offset).cast()
}

/// # Safety
///
/// `stream` must be a stream that is not closed, in a process in which nobody else uses it.
unsafe fn mend(stream: *mut FILE, before: u32, now: u32, gone: impl Fn(u32) -> bool) {
    let lock = at::<u32>(stream, LOCK.load(Ordering::Relaxed));
    // SAFETY: the caller's word.
    let word = unsafe { lock.read() };
    // Negative while the process has one thread, and no lock is taken.
    if word.cast_signed() <= 0 {
        return;
    }
    let owner = word & !WAITERS;
    if owner == before {
        // SAFETY: as above.
        unsafe { lock.write(now) };
    } else if owner == ANYBODY || (owner != 0 && gone(owner)) {
        if owner == ANYBODY || is_inside_call(owner) {
            // Its buffer is half used, and the parent goes on with it: what is in there is not for the child
            // to write.
            // SAFETY: as above; changes nothing but the stream's pointers (`src/stdio/ext.c`).
            unsafe { __fpurge(stream) };
        }
        // SAFETY: as above.
        unsafe { lock.write(0) };
        // SAFETY: as above.
        unsafe { at::<usize>(stream, COUNT.load(Ordering::Relaxed)).write(0) };
    }
}

/// Whether the vanished thread `tid` was in a call that uses streams, and did not just hold one with
/// `flockfile`.
fn is_inside_call(tid: u32) -> bool {
    let inside = |slot: &slot::Slot| {
        slot.tid.load(Ordering::Relaxed) == tid && slot.word.load(Ordering::Relaxed) != 0
    };
    slot::all().any(inside)
}
