//! Linux: the dynamic loader's two locks, taken for the fork instead of gated.
//!
//! `dlopen` finds its caller by its return address (RUNPATH, `$ORIGIN`, name spaces), so no hook can call it,
//! only delay it; lazy binding and NSS load objects without any call that could be interposed. All of
//! them hold `dl_load_lock`, and `dl_load_write_lock` while they change the list of objects; so does
//! `dl_iterate_phdr` while the program's callback runs. The forker takes both, within a bound: then no load
//! is half done in the child. libc frees the first one in the child, but never the second (elf/rtld.c,
//! nptl/fork.h, unchanged up to 2.43).
//!
//! Both are recursive mutexes in `_rtld_global`, which ld.so exports. The second is found by looking for the
//! mutex that this thread holds while `dl_iterate_phdr` runs a callback; the first stands before it
//! (`sysdeps/generic/ldsodefs.h`). If things are not as expected, the locks are left alone.
//!
//! They are taken past our own hooks: they are no locks of the program, which the child would look after.

use core::ffi::{c_int, c_void};
use core::ptr;
use core::sync::atomic::{AtomicPtr, AtomicU32, Ordering};

use libc::pthread_mutex_t;

use crate::sys::Activity;
use crate::table::locks::next;
use crate::{errno, options, sys};

/// The beginning of a `pthread_mutex_t` (`sysdeps/nptl/bits/struct_mutex.h` for x86-64 and aarch64).
#[repr(C)]
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Mutex {
    lock: c_int,
    count: u32,
    owner: c_int,
    users: u32,
    kind: c_int,
}

/// The first two fields of a mutex that is locked, once.
const LOCKED_ONCE: u64 = 1 << 32 | 1;

/// Asks `dladdr1` for the symbol (dlfcn.h).
const RTLD_DL_SYMENT: c_int = 1;

const RECURSIVE: c_int = libc::PTHREAD_MUTEX_RECURSIVE;

/// The loader's locks; null if they were not found.
static LOAD: AtomicPtr<pthread_mutex_t> = AtomicPtr::new(ptr::null_mut());
static WRITE: AtomicPtr<pthread_mutex_t> = AtomicPtr::new(ptr::null_mut());

/// What [`find`] looks through.
struct Region {
    start: *const u8,
    size: usize,
    tid: c_int,
    found: *const u8,
    count: usize,
}

/// Finds the locks; for the constructor.
pub(crate) fn find() {
    // SAFETY: a look-up by a literal name.
    let start = unsafe { libc::dlsym(libc::RTLD_DEFAULT, c"_rtld_global".as_ptr()) };
    let Some(size) = size_of_object(start) else {
        return;
    };
    let tid = sys::gettid().cast_signed();
    let mut region = Region { start: start.cast(), size, tid, found: ptr::null(), count: 0 };
    // SAFETY: the callback has the right signature, and `region` outlives the call.
    unsafe { libc::dl_iterate_phdr(Some(look), (&raw mut region).cast()) };
    if region.count != 1 {
        return;
    }
    let write = region.found;
    let load = write.wrapping_sub(size_of::<pthread_mutex_t>());
    let free = Mutex { lock: 0, count: 0, owner: 0, users: 0, kind: RECURSIVE };
    // SAFETY: both are inside `_rtld_global`, whose beginning is far before the first match.
    let is_free = |at: *const u8| unsafe { read(at) } == free;
    if is_free(load) && is_free(write) {
        LOAD.store(load.cast_mut().cast(), Ordering::Relaxed);
        WRITE.store(write.cast_mut().cast(), Ordering::Relaxed);
    }
}

/// The size of the variable at `start`, as the loader's symbol table tells it; `None` if it is not known.
fn size_of_object(start: *const c_void) -> Option<usize> {
    let mut info = core::mem::MaybeUninit::<libc::Dl_info>::uninit();
    let mut symbol: *const libc::Elf64_Sym = ptr::null();
    // SAFETY: takes any address; both places are valid.
    let known = unsafe {
        libc::dladdr1(start, info.as_mut_ptr(), (&raw mut symbol).cast(), RTLD_DL_SYMENT)
    };
    // SAFETY: the loader's symbol, which lives as long as the loader.
    let symbol = unsafe { symbol.as_ref() };
    symbol.filter(|_| known != 0).map(|symbol| symbol.st_size as usize)
}

/// # Safety
///
/// `at` must be the address of memory that may be read.
unsafe fn read(at: *const u8) -> Mutex {
    // SAFETY: the caller's word; a mutex is plain numbers.
    unsafe { at.cast::<Mutex>().read_volatile() }
}

/// Looks for mutexes that this thread holds once. Runs under `dl_load_write_lock`.
unsafe extern "C" fn look(
    _info: *mut libc::dl_phdr_info,
    _size: usize,
    region: *mut c_void,
) -> c_int {
    // SAFETY: `find` passed its `Region`, and waits for us.
    let region = unsafe { &mut *region.cast::<Region>() };
    let wanted = Mutex { lock: 1, count: 1, owner: region.tid, users: 1, kind: RECURSIVE };
    let size = size_of::<pthread_mutex_t>();
    let last = region.start.wrapping_add(region.size.saturating_sub(size));
    // Not the very first place: another mutex stands before the one we look for.
    let mut at = region.start.wrapping_add(size);
    while at <= last {
        // SAFETY: inside the variable.
        let begins_so = unsafe { at.cast::<u64>().read_volatile() } == LOCKED_ONCE;
        // SAFETY: inside the variable.
        if begins_so && unsafe { read(at) } == wanted {
            region.found = at;
            region.count += 1;
        }
        at = at.wrapping_add(align_of::<pthread_mutex_t>());
    }
    1
}

/// The forker holds the first lock, the second.
const HOLDS_LOAD: u32 = 1;
const HOLDS_WRITE: u32 = 1 << 1;
/// What the forker holds.
#[cfg_attr(target_os = "linux", unsafe(link_section = ".data.forkfix"))]
static HELD: AtomicU32 = AtomicU32::new(0);

/// Takes both locks, waiting for as long as for calls that may block. What it cannot get, it leaves: libc
/// frees the first one in the child, [`repair`] the second. True if it had to wait.
pub(crate) fn hold() -> bool {
    hold_within(options::blocking_ns(), options::bounded_ns())
}

/// How long the forker waits for the locks when it takes them again, in nanoseconds.
const AGAIN_NS: u64 = 1_000_000;

/// Makes `call` without the locks: it runs an allocator's handlers, which wait for locks that another thread may
/// hold while it asks for the list of objects (tcmalloc does, when it grows). Afterwards whoever holds
/// one of the locks may wait for the allocator, so the forker does not wait for long.
pub(crate) fn without_locks(call: impl FnOnce()) {
    let held = HELD.load(Ordering::Relaxed) != 0;
    release();
    call();
    if held {
        hold_within(AGAIN_NS, 0);
    }
}

/// Whether the forker holds both locks: nobody loads anything.
pub(crate) fn is_held() -> bool {
    HELD.load(Ordering::Relaxed) == HOLDS_LOAD | HOLDS_WRITE
}

fn hold_within(wait_ns: u64, locked_ns: u64) -> bool {
    let (load, write) = (LOAD.load(Ordering::Relaxed), WRITE.load(Ordering::Relaxed));
    if load.is_null() {
        return false;
    }
    let before = errno::get();
    let mut waited = false;
    let mut held = 0;
    for (mutex, bit) in [(load, HOLDS_LOAD), (write, HOLDS_WRITE)] {
        // SAFETY: the loader's mutex, which the loader locks by the same function.
        let at_once = unsafe { next::pthread_mutex_trylock.ensure()(mutex) == 0 };
        waited |= !at_once;
        if at_once || take(mutex, wait_ns, locked_ns) {
            held |= bit;
        }
    }
    HELD.store(held, Ordering::Relaxed);
    errno::set(before);
    if held != HOLDS_LOAD | HOLDS_WRITE {
        log::warn!(
            "another thread is still loading a library; in the child that may stay half done"
        );
    }
    waited
}

/// How often the forker looks whether the thread that loads goes on, in nanoseconds.
const LOOK_NS: u64 = 50_000_000;

/// Waits for a mutex; longer than `wait_ns` while its owner goes on, as the drain does. New calls of `dlopen`
/// and its kin wait at the gate meanwhile. An owner that waits for a lock itself, most likely for memory, has
/// `locked_ns`.
fn take(mutex: *mut pthread_mutex_t, wait_ns: u64, locked_ns: u64) -> bool {
    let start = sys::monotonic_ns();
    let mut look_ns = wait_ns;
    // Whom the forker waits for, and how much time of a processor that thread may have used at the most.
    let mut awaited = None;
    while !take_within(mutex, look_ns) {
        // SAFETY: the loader's mutex.
        let owner = unsafe { read(mutex.cast()) }.owner.cast_unsigned();
        let used = sys::processor_ns(owner).unwrap_or(u64::MAX);
        let allowed = match awaited {
            Some((thread, allowed)) if thread == owner => allowed,
            _ => used.saturating_add(options::bounded_ns()),
        };
        awaited = Some((owner, allowed));
        let patience = match sys::activity(owner) {
            // Right between two owners.
            _ if owner == 0 => options::starved_ns(),
            Activity::Running => options::starved_ns(),
            Activity::LockWait => locked_ns,
            Activity::Blocked | Activity::Unknown => 0,
        };
        if sys::monotonic_ns() - start >= patience || used >= allowed {
            return false;
        }
        look_ns = LOOK_NS;
    }
    true
}

fn take_within(mutex: *mut pthread_mutex_t, wait_ns: u64) -> bool {
    let mut until = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: a valid place.
    unsafe { libc::clock_gettime(libc::CLOCK_REALTIME, &raw mut until) };
    let ns = until.tv_nsec.cast_unsigned() + wait_ns;
    until.tv_sec += (ns / 1_000_000_000).cast_signed();
    until.tv_nsec = (ns % 1_000_000_000).cast_signed();
    // SAFETY: the loader's mutex, as above; a valid time.
    unsafe { next::pthread_mutex_timedlock.ensure()(mutex, &raw const until) == 0 }
}

/// In the parent: gives back what [`hold`] took.
pub(crate) fn release() {
    let held = HELD.load(Ordering::Relaxed);
    if held == 0 {
        return;
    }
    HELD.store(0, Ordering::Relaxed);
    for (mutex, bit) in [(&WRITE, HOLDS_WRITE), (&LOAD, HOLDS_LOAD)] {
        if held & bit != 0 {
            // SAFETY: this thread locked it.
            unsafe { next::pthread_mutex_unlock.ensure()(mutex.load(Ordering::Relaxed)) };
        }
    }
}

/// In the child: libc has made the first lock anew, whoever held it; the second is freed here. If the
/// thread was in a callback of `dl_iterate_phdr` when it forked, it keeps that hold under its new id.
pub(crate) fn repair(tid: u32) {
    let write = WRITE.load(Ordering::Relaxed).cast::<Mutex>();
    if write.is_null() {
        return;
    }
    let ours = HELD.swap(0, Ordering::Relaxed) & HOLDS_WRITE != 0;
    // SAFETY: the loader's mutex; there is no other thread.
    let now = unsafe { write.read() };
    let count = if ours { now.count.saturating_sub(1) } else { 0 };
    let users = u32::from(count > 0);
    let owner = if count > 0 { tid.cast_signed() } else { 0 };
    let mended = Mutex { lock: users.cast_signed(), count, owner, users, kind: now.kind };
    if mended != now {
        // SAFETY: as above; the rest of the mutex is the same whether it is locked or not.
        unsafe { write.write(mended) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_locks_of_this_loader_are_found() {
        let found = |_| {
            find();
            !LOAD.load(Ordering::Relaxed).is_null()
        };
        // More than once, since threads of other tests hold them at times; the constructor is alone.
        assert!((0..1000).any(found));
        hold();
        assert_eq!(HELD.load(Ordering::Relaxed), HOLDS_LOAD | HOLDS_WRITE);
        release();
    }
}
