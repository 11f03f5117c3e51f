//! Our entry in `LD_PRELOAD` or `DYLD_INSERT_LIBRARIES`, for programs that are started without it, or
//! that it would do no good.

use core::cell::UnsafeCell;
use core::ffi::{CStr, c_char};
use core::ptr::{self, NonNull};
use core::sync::atomic::{AtomicUsize, Ordering};

use crate::environ::Strs;
use crate::{object, options, sys};

type Str = *const c_char;

/// The variable, and the same with its equals sign.
#[cfg(target_os = "linux")]
pub(crate) const VARIABLE: &CStr = c"LD_PRELOAD";
#[cfg(target_os = "linux")]
const NAME: &[u8] = b"LD_PRELOAD=";
/// The variable, and the same with its equals sign.
#[cfg(target_os = "macos")]
pub(crate) const VARIABLE: &CStr = c"DYLD_INSERT_LIBRARIES";
#[cfg(target_os = "macos")]
const NAME: &[u8] = b"DYLD_INSERT_LIBRARIES=";

/// Longest path of the library that is carried on: `PATH_MAX`.
const LONGEST: usize = 4096;

/// Room for the absolute path of this library.
struct Path(UnsafeCell<[u8; LONGEST]>);

// SAFETY: written by the constructor alone, before `LENGTH` tells anybody to read it.
unsafe impl Sync for Path {}

static PATH: Path = Path(UnsafeCell::new([0; LONGEST]));
/// How long the path is; 0 if the library was not preloaded by the variable.
static LENGTH: AtomicUsize = AtomicUsize::new(0);

fn path() -> &'static [u8] {
    let len = LENGTH.load(Ordering::Acquire);
    // SAFETY: `remember` wrote these bytes before it published the length, and nothing writes them
    // afterwards.
    unsafe { core::slice::from_raw_parts(PATH.0.get().cast(), len) }
}

/// Notes where this library is, if the environment it was loaded with preloads it; for the
/// constructor. A library loaded by other means needs nothing carried on.
pub(crate) fn remember(environment_value: Option<&CStr>) {
    let Some(own) = object::own_path() else {
        return;
    };
    let named = |value: &CStr| has_entry(value.to_bytes(), file_name(own.to_bytes()));
    if !environment_value.is_some_and(named) {
        return;
    }
    // SAFETY: a C string, and room for PATH_MAX bytes; the constructor is the only writer.
    let absolute = unsafe { libc::realpath(own.as_ptr(), PATH.0.get().cast()) };
    if absolute.is_null() {
        log::error!("cannot find the library's own path; programs that lose it go unprotected");
        return;
    }
    // SAFETY: `realpath` wrote a C string into our buffer.
    LENGTH.store(unsafe { CStr::from_ptr(absolute) }.count_bytes(), Ordering::Release);
}

/// The last part of a path.
pub(crate) fn file_name(path: &[u8]) -> &[u8] {
    path.rsplit(|byte| *byte == b'/').next().unwrap_or(path)
}

/// Entries of `LD_PRELOAD` end at colons and spaces (ld.so(8)), those of `DYLD_INSERT_LIBRARIES` at colons
/// (dyld(1)).
fn is_separator(byte: &u8) -> bool {
    *byte == b':' || cfg!(target_os = "linux") && *byte == b' '
}

/// Whether a value of the variable has an entry with this file name.
fn has_entry(value: &[u8], name: &[u8]) -> bool {
    value.split(is_separator).any(|entry| file_name(entry) == name)
}

/// A line `LD_PRELOAD=…` for an environment, in memory of its own.
pub(crate) struct Line {
    memory: NonNull<u8>,
    size: usize,
}

impl Line {
    fn new(parts: &[&[u8]]) -> Option<Self> {
        // The mapping is zeroed, so the line ends with a zero byte.
        let size = NAME.len() + parts.iter().map(|part| part.len()).sum::<usize>() + 1;
        let line = Self { memory: sys::map(size)?, size };
        let mut at = line.memory.as_ptr();
        for part in [NAME].iter().chain(parts) {
            // SAFETY: the mapping has room for all parts.
            unsafe { ptr::copy_nonoverlapping(part.as_ptr(), at, part.len()) };
            at = at.wrapping_add(part.len());
        }
        Some(line)
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        // SAFETY: mapped by `new`; the call that read the line is over.
        unsafe { sys::unmap(self.memory, self.size) };
    }
}

/// What must be done to an environment.
pub(crate) enum Change {
    /// Nothing.
    None,
    /// The line replaces the variable.
    Set(Line),
    /// The variable goes.
    Unset,
}

/// What `env` needs so that the new program has the library, if it can have it, which `fits` tells, and
/// else so that it does not. Nothing if it has the kill switch, or if programs shall not be followed.
///
/// # Safety
///
/// `env` must be null or a null-terminated array of C strings.
pub(crate) unsafe fn change_for(env: Strs, fits: impl FnOnce() -> bool) -> Change {
    let own = path();
    if own.is_empty() {
        return Change::None;
    }
    let mut theirs: &[u8] = b"";
    // SAFETY: the caller's word.
    for entry in unsafe { entries(env) } {
        if let Some(value) = entry.strip_prefix(NAME) {
            theirs = value;
        } else if let Some(value) = entry.strip_prefix(b"FORKFIX=")
            && options::is_kill_switch(value)
        {
            return Change::None;
        }
    }
    let present = has_entry(theirs, file_name(own));
    if !fits() {
        return if present { without(theirs, file_name(own)) } else { Change::None };
    }
    if present || !options::follow() {
        return Change::None;
    }
    let separator: &[u8] = if theirs.is_empty() { b"" } else { b":" };
    set(&[path(), separator, theirs])
}

fn set(parts: &[&[u8]]) -> Change {
    Line::new(parts).map_or(Change::None, Change::Set)
}

/// Takes the entry with this file name out of a value that has it.
fn without(value: &[u8], name: &[u8]) -> Change {
    let Some(entry) = value.split(is_separator).find(|entry| file_name(entry) == name) else {
        return Change::None;
    };
    let start = entry.as_ptr().addr() - value.as_ptr().addr();
    let (before, rest) = value.split_at(start);
    let after = rest.get(entry.len() + 1..).unwrap_or_default();
    match (before.split_last(), after) {
        (None, []) => Change::Unset,
        // The separator goes with the last entry: dyld would take an empty one for a file.
        (Some((_, before)), []) => set(&[before]),
        _ => set(&[before, after]),
    }
}

/// Makes `change` in `env`.
///
/// # Safety
///
/// `env` must be a null-terminated array of C strings with room for one more entry; `change` must live
/// as long as it is used.
pub(crate) unsafe fn apply(env: *mut Str, change: &Change) {
    let line: Str = match change {
        Change::None => return,
        Change::Set(line) => line.memory.as_ptr().cast_const().cast(),
        Change::Unset => ptr::null(),
    };
    let mut at = env;
    // SAFETY: up to its null entry the array may be read.
    while let Some(entry) = NonNull::new(unsafe { *at }.cast_mut()) {
        // SAFETY: entries are C strings.
        if unsafe { CStr::from_ptr(entry.as_ptr()) }.to_bytes().starts_with(NAME) {
            break;
        }
        at = at.wrapping_add(1);
    }
    if line.is_null() {
        // SAFETY: `at` is at the variable or at the null entry.
        unsafe { close_gap(at) };
        return;
    }
    // SAFETY: as above.
    let appended = unsafe { *at }.is_null();
    // SAFETY: the variable's place, or the null entry's.
    unsafe { at.write(line) };
    if appended {
        // SAFETY: the room behind the null entry.
        unsafe { at.wrapping_add(1).write(ptr::null()) };
    }
}

/// Moves the entries behind `at` one place forward.
///
/// # Safety
///
/// `at` must be a place of a null-terminated array.
unsafe fn close_gap(mut at: *mut Str) {
    // SAFETY: up to its null entry the array may be read.
    while !unsafe { *at }.is_null() {
        // SAFETY: as above; the place behind an entry is still in the array.
        unsafe { ptr::copy(at.wrapping_add(1), at, 1) };
        at = at.wrapping_add(1);
    }
}

/// The entries of an environment.
///
/// # Safety
///
/// `env` must be null or a null-terminated array of C strings that lives as long as the iterator.
unsafe fn entries<'a>(env: Strs) -> impl Iterator<Item = &'a [u8]> {
    let mut at = env;
    core::iter::from_fn(move || {
        if at.is_null() {
            return None;
        }
        // SAFETY: up to its null entry the array may be read.
        let entry = NonNull::new(unsafe { *at }.cast_mut())?;
        at = at.wrapping_add(1);
        // SAFETY: entries are C strings.
        Some(unsafe { CStr::from_ptr(entry.as_ptr()) }.to_bytes())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_are_found_by_file_name() {
        assert!(has_entry(b"/a/libforkfix.so", b"libforkfix.so"));
        assert!(has_entry(b"/x/y.so /usr/$LIB/libforkfix.so:z", b"libforkfix.so"));
        assert!(!has_entry(b"/a/notlibforkfix.so", b"libforkfix.so"));
        assert!(!has_entry(b"", b"libforkfix.so"));
    }

    #[test]
    fn an_entry_is_taken_out() {
        let rest = |value: &[u8]| match without(value, b"f.so") {
            // SAFETY: a line ends with a zero byte.
            Change::Set(line) => unsafe { CStr::from_ptr(line.memory.as_ptr().cast()) }
                .to_bytes()
                .strip_prefix(NAME)
                .map(<[u8]>::to_vec),
            Change::Unset => Some(b"unset".to_vec()),
            Change::None => None,
        };
        assert_eq!(rest(b"/a/f.so").as_deref(), Some(&b"unset"[..]));
        assert_eq!(rest(b"/a/f.so:/b.so").as_deref(), Some(&b"/b.so"[..]));
        assert_eq!(rest(b"/b.so:/a/f.so").as_deref(), Some(&b"/b.so"[..]));
        assert_eq!(rest(b"/b.so:f.so:c.so").as_deref(), Some(&b"/b.so:c.so"[..]));
        assert_eq!(rest(b"/b.so"), None);
    }
}
