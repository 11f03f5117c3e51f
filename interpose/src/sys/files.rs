//! Files that several processes share, and what the kernel says of their users.

use core::ffi::CStr;
use core::mem::MaybeUninit;
use core::ptr::NonNull;

use libc::c_int;

use super::linux::{mmap, sys, syscall};

/// What is known about an open file.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct About {
    /// Its type and permissions (`st_mode`).
    pub(crate) mode: u32,
    pub(crate) owner: u32,
    /// How many names it has.
    pub(crate) links: libc::nlink_t,
    /// In bytes.
    pub(crate) size: u64,
}

/// Opens `path`, relative to `directory`, close-on-exec. Returns errno on failure.
pub(crate) fn open_at(directory: c_int, path: &CStr, flags: c_int) -> Result<c_int, c_int> {
    let fd = sys!(SYS_openat, directory, path.as_ptr(), flags | libc::O_CLOEXEC, 0) as c_int;
    if fd < 0 { Err(-fd) } else { Ok(fd) }
}

/// What the kernel says about descriptor `fd`.
pub(crate) fn about(fd: c_int) -> Option<About> {
    let mut about = MaybeUninit::<libc::stat>::uninit();
    if sys!(SYS_fstat, fd, about.as_mut_ptr()) != 0 {
        return None;
    }
    // SAFETY: filled in just now.
    let about = unsafe { about.assume_init() };
    Some(About {
        mode: about.st_mode,
        owner: about.st_uid,
        links: about.st_nlink,
        size: about.st_size as u64,
    })
}

/// Maps the first `size` bytes of file `fd`, shared with whoever else does.
pub(crate) fn map_shared(fd: c_int, size: usize) -> Option<NonNull<u8>> {
    mmap(size, libc::MAP_SHARED, fd)
}

/// The user that the process acts as.
pub(crate) fn effective_user() -> u32 {
    sys!(SYS_geteuid) as u32
}

/// The parent's process id; 0 if it is in another namespace.
pub(crate) fn parent() -> u32 {
    sys!(SYS_getppid) as u32
}

/// The calling thread's name, filled up with zeroes.
pub(crate) fn own_name() -> [u8; 16] {
    let mut name = [0; 16];
    sys!(SYS_prctl, libc::PR_GET_NAME, name.as_mut_ptr());
    name
}
