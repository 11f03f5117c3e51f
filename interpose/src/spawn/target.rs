//! Whether the program in a file can have this library.
//!
//! dyld ends a process whose inserted library has no slice for its architecture. Ours has x86_64 and
//! arm64; a process that runs an arm64e slice needs one of that kind, which can only be built with Apple's
//! tools. A file that cannot be read, or is of no kind we know, is left to dyld.

use core::ffi::{CStr, c_char};
use core::fmt::Write;

use crate::text::Text;
use crate::{environ, errno, sys};

/// How much of a file is looked at: the headers, and a script's first line.
const HEAD: usize = 4096;
/// How many interpreters may stand between a script and a program.
const SCRIPTS: u32 = 4;

/// mach-o/loader.h, mach-o/fat.h, mach/machine.h.
const MAGIC_64: u32 = 0xFEED_FACF;
const FAT_MAGIC: u32 = 0xCAFE_BABE;
const FAT_MAGIC_64: u32 = 0xCAFE_BABF;
const CPU_X86_64: u32 = 0x0100_0007;
const CPU_ARM64: u32 = 0x0100_000C;
const SUBTYPE_ARM64E: u32 = 2;
const SUBTYPE_MASK: u32 = 0x00FF_FFFF;

/// Whether the program at `path` can.
///
/// # Safety
///
/// `path` must be a C string.
pub(crate) unsafe fn fits(path: *const c_char) -> bool {
    // SAFETY: the caller's word.
    file_fits(unsafe { CStr::from_ptr(path) }, SCRIPTS)
}

/// Whether the program `file` can, which is searched for in `PATH` if it has no slash.
///
/// # Safety
///
/// `file` must be a C string.
pub(crate) unsafe fn found_in_path_fits(file: *const c_char) -> bool {
    // SAFETY: the caller's word.
    unsafe { found_in_fits(environ::path(), file) }
}

/// Whether the program `file` can, which is searched for in `search` if it has no slash.
///
/// # Safety
///
/// `file` must be a C string.
pub(crate) unsafe fn found_in_fits(search: &[u8], file: *const c_char) -> bool {
    // SAFETY: the caller's word.
    let name = unsafe { CStr::from_ptr(file) };
    if name.to_bytes().contains(&b'/') {
        return file_fits(name, SCRIPTS);
    }
    let Ok(name) = name.to_str() else {
        return true;
    };
    for place in search.split(|byte| *byte == b':') {
        let mut path = Text::<1024>::new();
        let place = core::str::from_utf8(place).unwrap_or(".");
        let place = if place.is_empty() { "." } else { place };
        if write!(path, "{place}/{name}\0").is_err() {
            continue;
        }
        if let Ok(path) = CStr::from_bytes_until_nul(path.as_bytes())
            && is_executable(path)
        {
            return file_fits(path, SCRIPTS);
        }
    }
    true
}

fn is_executable(path: &CStr) -> bool {
    let before = errno::get();
    // SAFETY: a C string.
    let result = unsafe { libc::access(path.as_ptr(), libc::X_OK) };
    errno::set(before);
    result == 0
}

fn file_fits(path: &CStr, scripts: u32) -> bool {
    let Some(fd) = sys::open_read(path) else {
        return true;
    };
    let mut head = [0; HEAD];
    let len = sys::read(fd, &mut head);
    sys::close(fd);
    let head = head.get(..len.unwrap_or(0)).unwrap_or_default();
    let Some(line) = head.strip_prefix(b"#!") else {
        return image_fits(head);
    };
    let mut words =
        line.split(|byte| matches!(byte, b' ' | b'\t' | b'\n')).filter(|w| !w.is_empty());
    let mut interpreter = Text::<1024>::new();
    let word = words.next().and_then(|word| core::str::from_utf8(word).ok()).unwrap_or_default();
    let written = write!(interpreter, "{word}\0");
    match CStr::from_bytes_until_nul(interpreter.as_bytes()) {
        Ok(interpreter) if written.is_ok() && scripts > 0 => file_fits(interpreter, scripts - 1),
        _ => true,
    }
}

fn image_fits(head: &[u8]) -> bool {
    let big = |at: usize| word(head, at).map(u32::from_be_bytes);
    let little = |at: usize| word(head, at).map(u32::from_le_bytes);
    if little(0) == Some(MAGIC_64) {
        return !is_arm64e(little(4), little(8));
    }
    let entry_size = match big(0) {
        Some(FAT_MAGIC) => 20,
        Some(FAT_MAGIC_64) => 32,
        _ => return true,
    };
    let count = big(4).unwrap_or(0) as usize;
    let at = |slice: usize| 8 + slice * entry_size;
    let slices =
        || (0..count.min(HEAD / entry_size)).map(|slice| (big(at(slice)), big(at(slice) + 4)));
    let here = |cpu: Option<u32>| cfg!(target_arch = "x86_64") && cpu == Some(CPU_X86_64);
    slices().any(|(cpu, _)| here(cpu)) || !slices().any(|(cpu, subtype)| is_arm64e(cpu, subtype))
}

fn word(head: &[u8], at: usize) -> Option<[u8; 4]> {
    head.get(at..at + 4)?.try_into().ok()
}

fn is_arm64e(cpu: Option<u32>, subtype: Option<u32>) -> bool {
    cpu == Some(CPU_ARM64) && subtype.is_some_and(|kind| kind & SUBTYPE_MASK == SUBTYPE_ARM64E)
}
