//! Changes of the environment, made here instead of in libc.
//!
//! libc moves the array that `environ` points to and frees the old one (stdlib/setenv.c, until 2.41).
//! A caller of `posix_spawn` or `execve` loads `environ` before our hook runs, and so may hand it an
//! array that another thread's `setenv` has freed in between: of 3,000 spawns 659 failed and 177
//! children had lost variables. No snapshot can mend that, so the arrays live here, where none is
//! ever freed: they double in size, so all of them together are at most twice the last one.
//! glibc 2.41 does the same.
//!
//! As in libc, a string that `setenv` made is never freed but used again for the same assignment,
//! `getenv` takes no lock, and a program may point `environ` wherever it likes.

use core::ffi::{CStr, c_char, c_int};
use core::ptr;
use core::slice;
use core::sync::atomic::{AtomicPtr, AtomicUsize, Ordering};

use libc::{EINVAL, ENOMEM};

use crate::environ::{self, current, is_current};
use crate::family::Family;
use crate::lock::Lock;
use crate::table::next;
use crate::{errno, options, reader};

type Entries = *mut *const c_char;

/// Held while the environment changes. A fork finds it free: its holders are inside the gate.
#[cfg_attr(target_os = "linux", unsafe(link_section = ".data.forkfix"))]
static LOCK: Lock = Lock::new();

/// The newest array of ours, and for how many pointers it has room. Under the lock.
static ARRAY: AtomicPtr<*const c_char> = AtomicPtr::new(ptr::null_mut());
static ROOM: AtomicUsize = AtomicUsize::new(0);

/// Strings that `setenv` made, by hash. Under the lock.
static STRINGS: [AtomicPtr<Interned>; BUCKETS] =
    [const { AtomicPtr::new(ptr::null_mut()) }; BUCKETS];
const BUCKETS: usize = 512;

/// A string `name=value`, which stands behind this header.
#[repr(C)]
struct Interned {
    next: *mut Self,
    /// Without the zero byte.
    len: usize,
}

/// In a forked child: the lock is free even if a thread was given up on while it held it.
pub(crate) fn unlock_in_child() {
    LOCK.free_in_child();
}

/// The hook for `setenv`.
pub(crate) unsafe fn setenv(name: *const c_char, value: *const c_char, overwrite: c_int) -> c_int {
    if options::off() {
        // SAFETY: the caller's arguments, passed on.
        return unsafe { next::setenv.ensure()(name, value, overwrite) };
    }
    // SAFETY: the caller passes null or a C string.
    let Some(name) = (unsafe { valid_name(name) }) else {
        return errno::with(EINVAL, -1);
    };
    change(|| {
        let place = find(name);
        if place.is_some() && overwrite == 0 {
            return Some(());
        }
        // SAFETY: the caller passes a C string.
        let entry = intern(name, unsafe { CStr::from_ptr(value) }.to_bytes())?;
        put(place, entry)
    })
}

/// The hook for `putenv`: the caller's own string becomes part of the environment.
pub(crate) unsafe fn putenv(entry: *mut c_char) -> c_int {
    if options::off() {
        // SAFETY: the caller's arguments, passed on.
        return unsafe { next::putenv.ensure()(entry) };
    }
    // SAFETY: the caller passes a C string.
    let bytes = unsafe { CStr::from_ptr(entry) }.to_bytes();
    let Some(end) = bytes.iter().position(|byte| *byte == b'=') else {
        // As in libc: a name alone is taken out.
        return change(|| {
            remove(bytes);
            Some(())
        });
    };
    change(|| put(find(bytes.get(..end)?), entry))
}

/// The hook for `unsetenv`.
pub(crate) unsafe fn unsetenv(name: *const c_char) -> c_int {
    if options::off() {
        // SAFETY: the caller's arguments, passed on.
        return unsafe { next::unsetenv.ensure()(name) };
    }
    // SAFETY: the caller passes null or a C string.
    let Some(name) = (unsafe { valid_name(name) }) else {
        return errno::with(EINVAL, -1);
    };
    change(|| {
        remove(name);
        Some(())
    })
}

/// The hook for `clearenv`.
pub(crate) unsafe fn clearenv() -> c_int {
    if options::off() {
        // SAFETY: no arguments.
        return unsafe { next::clearenv.ensure()() };
    }
    change(|| {
        publish(ptr::null_mut());
        Some(())
    })
}

/// A name as `setenv` takes it: not null, not empty, without an equals sign.
///
/// # Safety
///
/// `name` must be null or a C string.
unsafe fn valid_name<'a>(name: *const c_char) -> Option<&'a [u8]> {
    if name.is_null() {
        return None;
    }
    // SAFETY: the caller's word.
    let name = unsafe { CStr::from_ptr(name) }.to_bytes();
    (!name.is_empty() && !name.contains(&b'=')).then_some(name)
}

/// Makes a change inside the gate and under the lock; `None` from it means that memory ran out.
fn change(make: impl FnOnce() -> Option<()>) -> c_int {
    let Ok(_inside) = reader::enter(Family::Environment) else {
        return errno::with(ENOMEM, -1);
    };
    let _held = LOCK.hold();
    match make() {
        Some(()) => 0,
        None => errno::with(ENOMEM, -1),
    }
}

/// The places of the environment's entries, up to the null pointer.
fn places() -> impl Iterator<Item = Entries> {
    let mut at = current().cast_mut();
    core::iter::from_fn(move || {
        let place = at;
        at = at.wrapping_add(1);
        // SAFETY: up to its null entry the array may be read.
        (!place.is_null() && !unsafe { *place }.is_null()).then_some(place)
    })
}

fn is_assignment_of(place: Entries, name: &[u8]) -> bool {
    // SAFETY: `places` yields readable places of C strings.
    let entry = unsafe { *place };
    // SAFETY: reads no further than the end of either string.
    let differs = unsafe { libc::strncmp(entry, name.as_ptr().cast(), name.len()) };
    // SAFETY: the entry has as many bytes as the name, and its zero byte behind them at the latest.
    differs == 0 && unsafe { *entry.wrapping_add(name.len()) } == b'=' as c_char
}

fn find(name: &[u8]) -> Option<Entries> {
    places().find(|place| is_assignment_of(*place, name))
}

/// Stores `entry` at `place`, or behind the last entry. `getenv` may be reading.
fn put(place: Option<Entries>, entry: *const c_char) -> Option<()> {
    let place = match place {
        Some(place) => place,
        None => place_behind_last()?,
    };
    // SAFETY: a place in the present array; `getenv` reads it without a lock, as it does in libc.
    unsafe { AtomicPtr::from_ptr(place.cast()) }.store(entry.cast_mut(), Ordering::Release);
    Some(())
}

/// Makes room behind the last entry, with the null pointer behind the room already in place.
fn place_behind_last() -> Option<Entries> {
    let len = places().count();
    let array = array_for(len + 2)?;
    if !is_current(array) {
        if len > 0 {
            // SAFETY: the present array has `len` entries, ours has room for them; a program that
            // points `environ` into our array may make them overlap.
            unsafe { ptr::copy(current(), array, len) };
        }
        // SAFETY: within the room.
        unsafe { array.wrapping_add(len).write(ptr::null()) };
    }
    let place = array.wrapping_add(len);
    // SAFETY: within the room.
    unsafe { place.wrapping_add(1).write(ptr::null()) };
    publish(array);
    Some(place)
}

/// An array of ours with room for `count` pointers. One that it replaces stays, for whoever reads it.
fn array_for(count: usize) -> Option<Entries> {
    let room = ROOM.load(Ordering::Relaxed);
    if count <= room {
        return Some(ARRAY.load(Ordering::Relaxed));
    }
    let room = count.max(room).checked_mul(2)?;
    // SAFETY: a size that does not overflow; null is handled.
    let array: Entries = unsafe { libc::calloc(room, size_of::<*const c_char>()) }.cast();
    if array.is_null() {
        return None;
    }
    ARRAY.store(array, Ordering::Relaxed);
    ROOM.store(room, Ordering::Relaxed);
    Some(array)
}

fn publish(array: Entries) {
    let place = environ::place().cast::<*mut *const c_char>();
    // SAFETY: libc's variable, aligned; others load it at any time.
    unsafe { AtomicPtr::from_ptr(place) }.store(array, Ordering::Release);
}

/// Takes out every assignment of `name`.
fn remove(name: &[u8]) {
    let mut kept = current().cast_mut();
    for place in places() {
        if !is_assignment_of(place, name) {
            if !ptr::eq(place, kept) {
                // SAFETY: both are places of the present array, `kept` the earlier one.
                unsafe { ptr::copy(place, kept, 1) };
            }
            kept = kept.wrapping_add(1);
        }
    }
    // All of them, so that `getenv`, which takes no lock, never finds an old string behind a new one.
    // SAFETY: `kept` is at or before the null pointer that ends the array.
    while !kept.is_null() && !unsafe { *kept }.is_null() {
        // SAFETY: as above.
        unsafe { kept.write(ptr::null()) };
        kept = kept.wrapping_add(1);
    }
}

/// The string `name=value`: one made earlier, or a new one.
fn intern(name: &[u8], value: &[u8]) -> Option<*const c_char> {
    let parts = [name, b"=", value];
    let bucket = STRINGS.get(hash(&parts) % BUCKETS)?;
    let first = bucket.load(Ordering::Relaxed);
    let mut at = first;
    while !at.is_null() {
        // SAFETY: strings are never freed.
        let known = unsafe { &*at };
        if known.is(&parts) {
            return Some(known.text());
        }
        at = known.next;
    }
    let len = parts.iter().map(|part| part.len()).sum::<usize>();
    // SAFETY: null is handled.
    let fresh: *mut Interned = unsafe { libc::malloc(size_of::<Interned>() + len + 1) }.cast();
    if fresh.is_null() {
        return None;
    }
    // SAFETY: allocated with room for the header and the string.
    unsafe { fresh.write(Interned { next: first, len }) };
    let text: *mut u8 = fresh.wrapping_add(1).cast();
    let mut end = text;
    for part in parts {
        // SAFETY: the allocation has room for all parts.
        unsafe { ptr::copy_nonoverlapping(part.as_ptr(), end, part.len()) };
        end = end.wrapping_add(part.len());
    }
    // SAFETY: the last byte of the allocation.
    unsafe { end.write(0) };
    bucket.store(fresh, Ordering::Relaxed);
    Some(text.cast_const().cast())
}

/// Eight bytes at a time: a multiplication each, as in FNV-1a.
fn hash(parts: &[&[u8]]) -> usize {
    let mut hash: u64 = 0xCBF2_9CE4_8422_2325;
    let mut mix =
        |word: u64| hash = (hash ^ word).wrapping_mul(0x9E37_79B9_7F4A_7C15).rotate_left(29);
    for part in parts {
        let (words, rest) = part.as_chunks::<8>();
        words.iter().for_each(|word| mix(u64::from_ne_bytes(*word)));
        let mut last = [0; 8];
        if let Some(start) = last.get_mut(..rest.len()) {
            start.copy_from_slice(rest);
        }
        mix(u64::from_ne_bytes(last) ^ part.len() as u64);
    }
    hash as usize
}

impl Interned {
    fn text(&self) -> *const c_char {
        ptr::from_ref(self).wrapping_add(1).cast()
    }

    fn is(&self, parts: &[&[u8]; 3]) -> bool {
        // SAFETY: `intern` wrote `len` bytes behind the header.
        let mut text = unsafe { slice::from_raw_parts(self.text().cast::<u8>(), self.len) };
        for part in parts {
            let Some(rest) = text.strip_prefix(*part) else {
                return false;
            };
            text = rest;
        }
        text.is_empty()
    }
}
