//! The registry of fork handlers: ours instead of libc's.
//!
//! Owning it decides where the gate closes. Handlers of the application run with the gate open,
//! because they take application locks and call libc; then the gate closes; then handlers of the
//! *allocator* run, because after jemalloc's or gperftools' prepare handler every thread that
//! allocates inside a gated call is stuck until the fork is over.
//!
//! Order is POSIX's within a tier: prepare handlers newest first, parent and child handlers oldest
//! first. As in glibc, a handler that is registered while a fork runs takes part from the next fork
//! on, and one that is removed meanwhile no longer runs (nptl/register-atfork.c).
//!
//! The table is in memory of our own: allocators register while they initialise. It is consistent
//! at every instant, so a child just frees the lock. The lock is never held while a handler runs.

use core::cell::UnsafeCell;
use core::ffi::{CStr, c_int, c_void};
use core::fmt::Write;
use core::ptr;
use core::sync::atomic::{AtomicBool, AtomicPtr, AtomicU64, Ordering};

#[cfg(target_env = "gnu")]
use crate::family::Family;
use crate::lock::Lock;
#[cfg(target_env = "gnu")]
use crate::reader;
#[cfg(target_env = "gnu")]
use crate::table;
use crate::text::Text;
use crate::{object, preload, sys, triple};

/// A fork handler. May unwind: C++ code is free to throw from it, into its own doom or not.
pub(crate) type Handler = unsafe extern "C-unwind" fn();

/// Which of a registration's three handlers.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Phase {
    /// Before the fork.
    Prepare,
    /// After it, in the parent, or after it failed.
    Parent,
    /// After it, in the child.
    Child,
}

/// When a handler runs.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Tier {
    /// With the gate open.
    Application,
    /// With the gate closed: it belongs to the object that provides `malloc`.
    Allocator,
}

#[derive(Clone, Copy)]
struct Entry {
    id: u64,
    handlers: [Option<Handler>; 3],
    /// Any address inside the object that registered; null for a program that is not
    /// position-independent.
    #[cfg_attr(
        not(target_env = "gnu"),
        expect(dead_code, reason = "nobody says what is unloaded")
    )]
    dso: *const c_void,
    /// Registered while the allocator initialised itself.
    early: bool,
    live: bool,
}

/// The header of a mapping; the entries follow, in the order of their ids.
struct Table {
    len: usize,
    capacity: usize,
}

#[cfg_attr(target_os = "linux", unsafe(link_section = ".data.forkfix"))]
static LOCK: Lock = Lock::new();
static TABLE: AtomicPtr<Table> = AtomicPtr::new(ptr::null_mut());
/// The id of the newest registration. Written under the lock.
#[cfg_attr(target_os = "linux", unsafe(link_section = ".data.forkfix"))]
static NEWEST: AtomicU64 = AtomicU64::new(0);
/// The allocator has initialised itself: later registrations of its object are not its own.
static ALLOCATOR_IS_UP: AtomicBool = AtomicBool::new(false);

const FIRST_CAPACITY: usize = 64;

impl Table {
    const fn size(capacity: usize) -> usize {
        size_of::<Self>() + capacity * size_of::<Entry>()
    }

    fn map(capacity: usize) -> Option<&'static mut Self> {
        let table = sys::map(Self::size(capacity))?.cast::<Self>();
        // SAFETY: freshly mapped, page-aligned and larger than a `Table`; nobody else has it.
        let table = unsafe { &mut *table.as_ptr() };
        *table = Self { len: 0, capacity };
        Some(table)
    }

    fn entries(&mut self) -> &mut [Entry] {
        let first = ptr::from_mut(self).wrapping_add(1).cast::<Entry>();
        // SAFETY: `len` entries behind the header were written by `push`, inside the mapping;
        // `Table`'s size is a multiple of `Entry`'s alignment (checked below).
        unsafe { core::slice::from_raw_parts_mut(first, self.len) }
    }

    /// The entry is whole before the length counts it, so that a fork at any instant leaves the
    /// child a consistent table.
    fn push(&mut self, entry: Entry) {
        let place = ptr::from_mut(self).wrapping_add(1).cast::<Entry>().wrapping_add(self.len);
        // SAFETY: the caller checked that there is room for another entry in the mapping.
        unsafe { place.write(entry) };
        core::sync::atomic::fence(Ordering::Release);
        self.len += 1;
    }
}

const _: () = assert!(size_of::<Table>().is_multiple_of(align_of::<Entry>()));

/// The table, under the lock.
fn registered() -> Option<&'static mut Table> {
    let table = TABLE.load(Ordering::Acquire);
    // SAFETY: null or a mapping from `Table::map`. All callers hold the lock and end their use
    // before they release it, so there is one reference at a time.
    unsafe { table.as_mut() }
}

/// Libraries whose child handlers are left out, as the user listed them: file names between commas.
static SKIPPED: Names = Names(UnsafeCell::new(Text::new()));

struct Names(UnsafeCell<Text<256>>);

// SAFETY: written by the constructor alone, before the program's own code runs.
unsafe impl Sync for Names {}

/// The option `atfork_skip`; for the constructor. False if the list is too long.
pub(crate) fn skip_libraries(names: &str) -> bool {
    // SAFETY: only the constructor calls this, and nothing else holds a reference meanwhile.
    let skipped = unsafe { &mut *SKIPPED.0.get() };
    *skipped = Text::new();
    skipped.write_str(names).is_ok()
}

/// Whether the code of `handler` is in a library that the user listed.
fn is_skipped(handler: Handler) -> bool {
    // SAFETY: not written any more; see `Names`.
    let skipped = unsafe { &*SKIPPED.0.get() };
    if skipped.as_bytes().is_empty() {
        return false;
    }
    let path = object::path_at((handler as *const ()).cast()).map_or(&b""[..], CStr::to_bytes);
    let name = preload::file_name(path);
    let skip = skipped.as_bytes().split(|byte| *byte == b',').any(|entry| entry == name);
    if skip {
        log::info!(
            "a fork handler of {} will not run in children",
            core::str::from_utf8(name).unwrap_or("a library")
        );
    }
    skip
}

/// Adds handlers. Returns 0, or `ENOMEM` as `pthread_atfork` does.
pub(crate) fn register(mut handlers: [Option<Handler>; 3], dso: *const c_void) -> c_int {
    triple::install();
    let [_, _, child] = &mut handlers;
    *child = child.filter(|child| !is_skipped(*child));
    let _held = LOCK.hold_masked();
    let Some(table) = table_with_room() else {
        return libc::ENOMEM;
    };
    // A fork reads `NEWEST` without the lock, so it must not count a registration that is not in the
    // table yet: its prepare handler would be left out and its others not. A child of a fork between
    // the two writes below finds the table ahead of `NEWEST`.
    let last = table.entries().last().map_or(0, |entry| entry.id);
    let id = NEWEST.load(Ordering::Relaxed).max(last) + 1;
    let early = !ALLOCATOR_IS_UP.load(Ordering::Relaxed);
    table.push(Entry { id, handlers, dso, early, live: true });
    NEWEST.store(id, Ordering::Release);
    0
}

/// The table with room for one more: the present one, or a copy of its live entries.
fn table_with_room() -> Option<&'static mut Table> {
    let Some(old) = registered() else {
        let first = Table::map(FIRST_CAPACITY)?;
        TABLE.store(first, Ordering::Release);
        return Some(first);
    };
    if old.len < old.capacity {
        return Some(old);
    }
    let live = old.entries().iter().filter(|entry| entry.live).count();
    let new = Table::map((live * 2).max(FIRST_CAPACITY))?;
    for entry in old.entries().iter().filter(|entry| entry.live) {
        new.push(*entry);
    }
    let old_size = Table::size(old.capacity);
    let old = ptr::NonNull::from(old).cast();
    TABLE.store(new, Ordering::Release);
    // SAFETY: no longer reachable, and references to it live only under the lock we hold.
    unsafe { sys::unmap(old, old_size) };
    Some(new)
}

/// Removes the handlers of the object that `dso` belongs to. Null removes nothing: it stands for
/// the end of the process.
#[cfg(target_env = "gnu")]
pub(crate) fn forget(dso: *const c_void) {
    if dso.is_null() || TABLE.load(Ordering::Relaxed).is_null() {
        return;
    }
    let _held = LOCK.hold_masked();
    if let Some(table) = registered() {
        for entry in table.entries().iter_mut().filter(|entry| ptr::eq(entry.dso, dso)) {
            entry.live = false;
        }
    }
}

/// Begins a fork: the handlers that take part are those up to the returned id.
pub(crate) fn newest() -> u64 {
    NEWEST.load(Ordering::Acquire)
}

/// Runs one phase of one tier for the registrations up to id `bound`.
pub(crate) fn run(phase: Phase, tier: Tier, bound: u64) {
    if bound == 0 || TABLE.load(Ordering::Relaxed).is_null() {
        return;
    }
    let mut last = if phase == Phase::Prepare { bound.saturating_add(1) } else { 0 };
    while let Some(entry) = next(phase, tier, last, bound) {
        last = entry.id;
        let [prepare, parent, child] = entry.handlers;
        let handler = match phase {
            Phase::Prepare => prepare,
            Phase::Parent => parent,
            Phase::Child => child,
        };
        if let Some(handler) = handler {
            // SAFETY: whoever registered it vouched that it may be called around a fork as long as
            // it is registered, which was checked just now.
            unsafe { handler() };
        }
    }
}

/// Whether a fork up to id `bound` runs handlers of `tier`.
#[cfg(target_env = "gnu")]
pub(crate) fn any(tier: Tier, bound: u64) -> bool {
    next(Phase::Prepare, tier, bound.saturating_add(1), bound).is_some()
}

/// The live registration that comes after `last` in the order of `phase`.
fn next(phase: Phase, tier: Tier, last: u64, bound: u64) -> Option<Entry> {
    let _held = LOCK.hold_masked();
    let entries = &*registered()?.entries();
    let wanted = |entry: &&Entry| entry.live && tier_of(entry) == tier;
    if phase == Phase::Prepare {
        let older = entries.partition_point(|entry| entry.id < last);
        entries.get(..older)?.iter().rev().find(wanted).copied()
    } else {
        let (from, to) = (
            entries.partition_point(|entry| entry.id <= last),
            entries.partition_point(|entry| entry.id <= bound),
        );
        entries.get(from..to)?.iter().find(wanted).copied()
    }
}

fn tier_of(entry: &Entry) -> Tier {
    if object::is_allocators(&entry.handlers, entry.early) {
        Tier::Allocator
    } else {
        Tier::Application
    }
}

/// What registers from now on is not the allocator initialising itself.
pub(crate) fn allocator_is_up() {
    ALLOCATOR_IS_UP.store(true, Ordering::Relaxed);
}

/// The hook for `__register_atfork`, which `pthread_atfork` compiles to.
#[cfg(target_env = "gnu")]
pub(crate) unsafe fn register_hook(
    prepare: Option<Handler>,
    parent: Option<Handler>,
    child: Option<Handler>,
    dso: *mut c_void,
) -> c_int {
    register([prepare, parent, child], dso)
}

/// The hook for `pthread_atfork`. On Linux programs of before 2003 import it, and gperftools as a weak
/// symbol; on macOS everybody does. Nothing tells which object registers, so nothing is ever removed.
pub(crate) unsafe fn pthread_atfork_hook(
    prepare: Option<Handler>,
    parent: Option<Handler>,
    child: Option<Handler>,
) -> c_int {
    register([prepare, parent, child], ptr::null())
}

/// The hook for `__cxa_finalize`, which an object calls when it is unloaded.
#[cfg(target_env = "gnu")]
pub(crate) unsafe fn finalize_hook(dso: *mut c_void) {
    {
        // It takes the lock of the exit handlers.
        let _inside = reader::enter(Family::Exit);
        let next = table::next::__cxa_finalize.ensure();
        // SAFETY: the caller's arguments, passed on.
        unsafe { next(dso) };
    }
    forget(dso);
}

/// In a forked child: whoever held the lock is gone; the table is whole.
pub(crate) fn unlock_in_child() {
    LOCK.free_in_child();
}
