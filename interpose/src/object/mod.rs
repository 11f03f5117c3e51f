//! Loaded objects: which of them provides `malloc`, which is this library, whose code an address is.

use core::ffi::{CStr, c_void};

#[cfg(target_os = "linux")]
mod elf;
#[cfg(target_os = "macos")]
mod macho;
#[cfg(target_os = "linux")]
pub(crate) mod symbols;

#[cfg(target_os = "linux")]
pub(crate) use elf::{data_at, find_provider, is_allocators, is_defined_nowhere};
#[cfg(target_env = "gnu")]
pub(crate) use elf::{headers, is_in};
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

/// Where an address is.
#[cfg(target_os = "linux")]
pub(crate) struct Whereabouts {
    /// The file name of the object.
    pub(crate) file: &'static str,
    /// The distance from the object's beginning, in bytes.
    pub(crate) offset: usize,
    /// The nearest symbol, and the distance from it.
    pub(crate) symbol: Option<(&'static str, usize)>,
}

/// Where `address` is; `None` if in no object. Takes the loader's locks.
#[cfg(target_os = "linux")]
pub(crate) fn whereabouts(address: usize) -> Option<Whereabouts> {
    let info = describe(core::ptr::without_provenance(address))?;
    let text = |text: *const core::ffi::c_char| {
        // SAFETY: null, or the loader's string, which lives as long as the object; the caller uses it at
        // once.
        let text = (!text.is_null()).then(|| unsafe { CStr::from_ptr(text) })?;
        text.to_str().ok()
    };
    let path = text(info.dli_fname)?;
    Some(Whereabouts {
        file: path.rsplit('/').next().unwrap_or(path),
        offset: address - info.dli_fbase.addr(),
        symbol: text(info.dli_sname).map(|name| (name, address - info.dli_saddr.addr())),
    })
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
    let own = own_path as *const ();
    #[cfg(target_os = "linux")]
    return elf::object_at(own.addr()).map(|object| object.path);
    #[cfg(target_os = "macos")]
    return path_at(own.cast());
}
