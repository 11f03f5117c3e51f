//! Answers that need no lock: what a child is told where the real function would hang.

use core::ffi::{CStr, c_char, c_int, c_long, c_ulong};
use core::fmt::Write;
use core::ptr;
use core::sync::atomic::{AtomicPtr, Ordering};

use crate::text::Text;
use crate::{errno, sys};

type Describe = unsafe extern "C" fn(c_int) -> *const c_char;

/// `strerrordesc_np` and `sigdescr_np` (glibc 2.32): untranslated texts, no locks.
static ERROR: AtomicPtr<()> = AtomicPtr::new(ptr::null_mut());
static SIGNAL: AtomicPtr<()> = AtomicPtr::new(ptr::null_mut());

/// Finds libc's tables; for the constructor.
pub(crate) fn find_tables() {
    for (place, name) in [(&ERROR, c"strerrordesc_np"), (&SIGNAL, c"sigdescr_np")] {
        // SAFETY: a look-up by a literal name.
        let found = unsafe { libc::dlsym(libc::RTLD_DEFAULT, name.as_ptr()) };
        place.store(found.cast(), Ordering::Relaxed);
    }
}

fn describe(table: &AtomicPtr<()>, number: c_int, unknown: &'static CStr) -> &'static CStr {
    let function = table.load(Ordering::Relaxed);
    if function.is_null() {
        return unknown;
    }
    // SAFETY: the address of one of the two functions above, which have this signature.
    let function: Describe = unsafe { core::mem::transmute(function) };
    // SAFETY: takes any number.
    let text = unsafe { function(number) };
    if text.is_null() {
        return unknown;
    }
    // SAFETY: libc's constant string.
    unsafe { CStr::from_ptr(text) }
}

/// What `strerror` says, untranslated.
pub(crate) fn error_text(number: c_int) -> *mut c_char {
    describe(&ERROR, number, c"Unknown error").as_ptr().cast_mut()
}

/// What `strsignal` says, untranslated.
pub(crate) fn signal_text(number: c_int) -> *mut c_char {
    describe(&SIGNAL, number, c"Unknown signal").as_ptr().cast_mut()
}

/// `__xpg_strerror_r`: copies as much of the text as fits.
///
/// # Safety
///
/// `buffer` must be valid for writes of `size` bytes.
pub(crate) unsafe fn copy_error_text(number: c_int, buffer: *mut c_char, size: usize) -> c_int {
    let text = describe(&ERROR, number, c"Unknown error").to_bytes();
    let Some(room) = size.checked_sub(1) else {
        return libc::ERANGE;
    };
    let len = text.len().min(room);
    // SAFETY: `len` bytes are within the text and within the buffer, which do not overlap.
    unsafe { ptr::copy_nonoverlapping(text.as_ptr().cast(), buffer, len) };
    // SAFETY: `len` is at most `size - 1`.
    unsafe { buffer.wrapping_add(len).write(0) };
    if len == text.len() { 0 } else { libc::ERANGE }
}

/// `regerror`: a text that fits any code, and the size it needs.
///
/// # Safety
///
/// `buffer` must be valid for writes of `size` bytes.
pub(crate) unsafe fn copy_regex_error(buffer: *mut c_char, size: usize) -> usize {
    let text = c"Regular expression error".to_bytes_with_nul();
    if let Some(room) = size.checked_sub(1) {
        let len = room.min(text.len() - 1);
        // SAFETY: `len` bytes are within the text and within the buffer, which do not overlap.
        unsafe { ptr::copy_nonoverlapping(text.as_ptr().cast(), buffer, len) };
        // SAFETY: `len` is at most `size - 1`.
        unsafe { buffer.wrapping_add(len).write(0) };
    }
    text.len()
}

/// Writes `prefix: text` to stderr, as `perror` and its kin do.
///
/// # Safety
///
/// `prefix` must be null or a C string.
pub(crate) unsafe fn complain(prefix: *const c_char, text: *const c_char) {
    let mut line = Text::<512>::new();
    for (part, separator) in [(prefix, ": "), (text, "\n")] {
        if part.is_null() {
            continue;
        }
        // SAFETY: `prefix` by the caller's word; `text` is a constant of libc or ours.
        let part = unsafe { CStr::from_ptr(part) }.to_bytes();
        if !part.is_empty() {
            let _ = line.write_str(core::str::from_utf8(part).unwrap_or("?"));
            let _ = line.write_str(separator);
        }
    }
    sys::write(libc::STDERR_FILENO, line.as_bytes());
}

/// `perror` with `errno` now.
///
/// # Safety
///
/// `prefix` must be null or a C string.
pub(crate) unsafe fn complain_of_errno(prefix: *const c_char) {
    let text = error_text(errno::get());
    // SAFETY: the caller's word.
    unsafe { complain(prefix, text) };
}

/// A number from 0 to 2³¹ - 1, as `random` returns.
pub(crate) fn random_number() -> c_long {
    let mut bytes = [0; 4];
    sys::random_bytes(&mut bytes);
    c_long::from(u32::from_ne_bytes(bytes) >> 1)
}

/// Which of two texts `ngettext` returns if there is no translation.
pub(crate) fn plural(one: *const c_char, many: *const c_char, n: c_ulong) -> *mut c_char {
    if n == 1 { one.cast_mut() } else { many.cast_mut() }
}
