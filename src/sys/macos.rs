//! What only macOS has.

use std::ffi::CStr;
use std::io;
use std::path::{Path, PathBuf};
use std::ptr;

/// The name of the system, in sentences.
pub(crate) const NAME: &str = "macOS";
/// The name of its kernel.
pub(crate) const KERNEL: &str = "Darwin";
/// Lists the libraries that the loader maps before all others.
pub(crate) const PRELOAD: &str = "DYLD_INSERT_LIBRARIES";
/// What separates their names there (dyld(1)).
pub(crate) const PRELOAD_SEPARATORS: &[u8] = b":";
/// The file name of our library.
pub(crate) const LIBRARY_FILE: &str = "libforkfix.dylib";
/// The format of programs and libraries, with its article.
pub(crate) const FORMAT: &str = "a Mach-O";

unsafe extern "C" {
    // Of dyld(3). `safe`: no index is refused, an unknown one gives null.
    safe fn _dyld_image_count() -> u32;
    safe fn _dyld_get_image_name(index: u32) -> *const libc::c_char;
}

/// A path of the file that this process runs.
pub(crate) fn own_executable() -> io::Result<PathBuf> {
    std::env::current_exe()
}

/// Whether this process gave up gaining privileges by executing a program: there is no such thing.
pub(crate) fn no_new_privileges() -> bool {
    false
}

/// The capabilities of a file: there are none.
pub(crate) fn capability_attribute(_path: &Path) -> Option<Vec<u8>> {
    None
}

/// The C library that this command runs with, such as `libSystem of macOS 15.5`.
pub(crate) fn libc() -> String {
    let mut version = [0u8; 64];
    // The last byte stays zero.
    let mut length = version.len() - 1;
    // SAFETY: the name is a C string, `version` has as many bytes as we say, nothing is set.
    unsafe {
        libc::sysctlbyname(
            c"kern.osproductversion".as_ptr(),
            version.as_mut_ptr().cast(),
            &raw mut length,
            ptr::null_mut(),
            0,
        )
    };
    let version = CStr::from_bytes_until_nul(&version).unwrap_or_default();
    format!("libSystem of macOS {}", version.to_string_lossy())
}

/// Whether this Mac has one of Apple's processors. Asked in a way that is true under Rosetta, too.
pub(crate) fn is_apple_silicon() -> bool {
    let mut answer: libc::c_int = 0;
    let mut length = size_of_val(&answer);
    // SAFETY: the name is a C string, `answer` has as many bytes as we say, nothing is set. On Intel
    // the name is unknown and `answer` stays 0.
    unsafe {
        libc::sysctlbyname(
            c"hw.optional.arm64".as_ptr(),
            (&raw mut answer).cast(),
            &raw mut length,
            ptr::null_mut(),
            0,
        )
    };
    answer == 1
}

/// How the library's gate orders what threads see; never an error.
pub(crate) fn barrier() -> Result<&'static str, &'static str> {
    Ok("it has no membarrier, so each protected call pays for a fence")
}

/// Nothing: the kernel has no such service. A worker ends when it can no longer report, a forked
/// child by its alarm.
pub(crate) fn die_with_parent() {}

/// Whether a file is mapped into this process as an image. `path` is canonical.
pub(crate) fn is_mapped(path: &Path) -> bool {
    (0.._dyld_image_count()).any(|index| {
        let name = _dyld_get_image_name(index);
        if name.is_null() {
            return false;
        }
        // SAFETY: not null, so dyld's own C string, which lives as long as the image; none is
        // unloaded while this command has one thread.
        let name = unsafe { CStr::from_ptr(name) };
        PathBuf::from(name.to_string_lossy().as_ref()).canonicalize().is_ok_and(|name| name == path)
    })
}
