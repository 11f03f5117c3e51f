//! Loaded objects: which of them provides `malloc`, which is this library, whose code an address is.

use core::ffi::{CStr, c_void};

#[cfg(target_os = "linux")]
mod elf;
#[cfg(target_os = "macos")]
mod macho;

#[cfg(target_os = "linux")]
pub(crate) use elf::{data_at, find_provider, is_allocators};
#[cfg(target_os = "macos")]
pub(crate) use macho::{find_provider, is_allocators};

/// What the loader knows about `address`.
fn describe(address: *const c_void) -> Option<libc::Dl_info> {
    let mut info = libc::Dl_info {
        dli_fname: core::ptr::null(),
        dli_fbase: core::ptr::null_mut(),
        dli_sname: core::ptr::null(),
        dli_saddr: core::ptr::null_mut(),
    };
    // SAFETY: `dladdr` takes any address; `info` is a valid place.
    let known = unsafe { libc::dladdr(address, &raw mut info) };
    (known != 0).then_some(info)
}

/// The path by which the loader knows the object whose code is at `address`, for as long as it is
/// loaded.
pub(crate) fn path_at(address: *const c_void) -> Option<&'static CStr> {
    let info = describe(address)?;
    if info.dli_fname.is_null() {
        return None;
    }
    // SAFETY: the loader's string, which lives as long as the object.
    Some(unsafe { CStr::from_ptr(info.dli_fname) })
}

/// The path by which the loader knows this library, if it lives as long as the process.
pub(crate) fn own_path() -> Option<&'static CStr> {
    path_at((own_path as *const ()).cast())
}
