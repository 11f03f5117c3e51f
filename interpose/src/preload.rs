//! Our entry in `LD_PRELOAD`, for programs that are started without it.

use core::cell::UnsafeCell;
use core::ffi::{CStr, c_char};
use core::ptr::{self, NonNull};
use core::sync::atomic::{AtomicUsize, Ordering};

use crate::hooks::environment::Strs;
use crate::{object, options, sys};

type Str = *const c_char;

const NAME: &[u8] = b"LD_PRELOAD=";
/// Longest path of the library that is carried on: `PATH_MAX`.
const LONGEST: usize = 4096;

/// Room for the absolute path of this library.
struct Path(UnsafeCell<[u8; LONGEST]>);

// SAFETY: written by the constructor alone, before `LENGTH` tells anybody to read it.
unsafe impl Sync for Path {}

static PATH: Path = Path(UnsafeCell::new([0; LONGEST]));
/// How long the path is; 0 if the library was not preloaded by `LD_PRELOAD`.
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
        log::error!(
            "cannot find the library's own path; programs without LD_PRELOAD go unprotected"
        );
        return;
    }
    // SAFETY: `realpath` wrote a C string into our buffer.
    LENGTH.store(unsafe { CStr::from_ptr(absolute) }.count_bytes(), Ordering::Release);
}

fn file_name(path: &[u8]) -> &[u8] {
    path.rsplit(|byte| *byte == b'/').next().unwrap_or(path)
}

/// Whether a value of `LD_PRELOAD` has an entry with this file name. Entries end at colons and
/// spaces (ld.so(8)).
fn has_entry(value: &[u8], name: &[u8]) -> bool {
    value.split(|byte| matches!(byte, b':' | b' ')).any(|entry| file_name(entry) == name)
}

/// A line `LD_PRELOAD=…` for an environment, in memory of its own.
pub(crate) struct Line {
    memory: NonNull<u8>,
    size: usize,
}

impl Line {
    fn new(theirs: &[u8]) -> Option<Self> {
        let separator: &[u8] = if theirs.is_empty() { b"" } else { b":" };
        let parts = [NAME, path(), separator, theirs];
        // The mapping is zeroed, so the line ends with a zero byte.
        let size = parts.iter().map(|part| part.len()).sum::<usize>() + 1;
        let line = Self { memory: sys::map(size)?, size };
        let mut at = line.memory.as_ptr();
        for part in parts {
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

/// The line that `env` lacks: `None` if it preloads this library already, if it has the kill
/// switch, or if programs shall not be followed.
///
/// # Safety
///
/// `env` must be null or a null-terminated array of C strings.
pub(crate) unsafe fn line_for(env: Strs) -> Option<Line> {
    let own = path();
    if own.is_empty() || !options::follow() {
        return None;
    }
    let mut theirs: &[u8] = b"";
    // SAFETY: the caller's word.
    for entry in unsafe { entries(env) } {
        if let Some(value) = entry.strip_prefix(NAME) {
            theirs = value;
        } else if let Some(value) = entry.strip_prefix(b"FORKFIX=")
            && options::is_kill_switch(value)
        {
            return None;
        }
    }
    if has_entry(theirs, file_name(own)) { None } else { Line::new(theirs) }
}

/// Replaces the `LD_PRELOAD` of `env` by `line`, or adds it.
///
/// # Safety
///
/// `env` must be a null-terminated array of C strings with room for one more entry; `line` must live
/// as long as it is used.
pub(crate) unsafe fn put(env: *mut Str, line: &Line) {
    let mut at = env;
    // SAFETY: up to its null entry the array may be read.
    while let Some(entry) = NonNull::new(unsafe { *at }.cast_mut()) {
        // SAFETY: entries are C strings.
        if unsafe { CStr::from_ptr(entry.as_ptr()) }.to_bytes().starts_with(NAME) {
            // SAFETY: an entry of the caller's array.
            unsafe { at.write(line.memory.as_ptr().cast()) };
            return;
        }
        at = at.wrapping_add(1);
    }
    // SAFETY: the null entry, and the room behind it.
    unsafe { at.write(line.memory.as_ptr().cast()) };
    // SAFETY: as above.
    unsafe { at.wrapping_add(1).write(ptr::null()) };
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
}
