//! What only Linux has.

#[cfg(target_env = "gnu")]
use std::ffi::CStr;
use std::fs;
use std::io;
use std::os::fd::{FromRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use super::c_string;

/// The name of the system, in sentences.
pub(crate) const NAME: &str = "Linux";
/// The name of its kernel.
pub(crate) const KERNEL: &str = "Linux";
/// Lists the libraries that the loader maps before all others.
pub(crate) const PRELOAD: &str = "LD_PRELOAD";
/// What separates their names there (ld.so(8)).
pub(crate) const PRELOAD_SEPARATORS: &[u8] = b" :";
/// The file name of our library.
pub(crate) const LIBRARY_FILE: &str =
    if cfg!(target_env = "musl") { MUSL_LIBRARY_FILE } else { "libforkfix.so" };
/// The file name of our library for programs of musl.
pub(crate) const MUSL_LIBRARY_FILE: &str = "libforkfix-musl.so";
/// The file name of this command as a program of musl.
pub(crate) const MUSL_COMMAND_FILE: &str = "forkfix-musl";
/// The format of programs and libraries, with its article.
pub(crate) const FORMAT: &str = "an ELF";

/// A path of the file that this process runs, also if it was moved or deleted meanwhile.
pub(crate) fn own_executable() -> io::Result<PathBuf> {
    Ok(PathBuf::from("/proc/self/exe"))
}

/// A descriptor of process `pid`, which stays that of this process when the number is given to another.
pub(crate) fn process_fd(pid: libc::pid_t) -> io::Result<OwnedFd> {
    // SAFETY: the call takes two numbers and touches no memory.
    let fd = unsafe { libc::syscall(libc::SYS_pidfd_open, pid, 0) };
    if fd < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the kernel has just made this descriptor for us; nobody else owns it.
    Ok(unsafe { OwnedFd::from_raw_fd(fd as i32) })
}

/// Whether this process gave up gaining privileges by executing a program.
pub(crate) fn no_new_privileges() -> bool {
    // SAFETY: this command takes no pointer; the unused arguments must be zero.
    unsafe { libc::prctl(libc::PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1 }
}

/// The `security.capability` attribute of `path`, if it has one.
pub(crate) fn capability_attribute(path: &Path) -> Option<Vec<u8>> {
    let path = c_string(path.as_os_str());
    let mut value = [0u8; 64];
    // SAFETY: both names are C strings, and `value` has as many bytes as we say.
    let length = unsafe {
        libc::getxattr(
            path.as_ptr(),
            c"security.capability".as_ptr(),
            value.as_mut_ptr().cast(),
            value.len(),
        )
    };
    Some(value[..usize::try_from(length).ok()?].to_vec())
}

/// The C library that this command runs with, such as `glibc 2.36`. musl does not tell its version.
#[cfg(target_env = "musl")]
pub(crate) fn libc() -> String {
    "musl".to_owned()
}

/// The C library that this command runs with, such as `glibc 2.36`.
#[cfg(target_env = "gnu")]
pub(crate) fn libc() -> String {
    // SAFETY: takes nothing.
    let version = unsafe { libc::gnu_get_libc_version() };
    // SAFETY: glibc answers with a C string of its own that is never freed.
    let version = unsafe { CStr::from_ptr(version) };
    format!("glibc {}", version.to_string_lossy())
}

/// Whether the kernel has the barrier that makes the library's gate cheapest: a sentence, an error if
/// not.
pub(crate) fn barrier() -> Result<&'static str, &'static str> {
    // SAFETY: the query command takes no pointer.
    let commands = unsafe { libc::syscall(libc::SYS_membarrier, libc::MEMBARRIER_CMD_QUERY, 0, 0) };
    if commands >= 0 && commands & i64::from(libc::MEMBARRIER_CMD_PRIVATE_EXPEDITED) != 0 {
        Ok("it has membarrier(PRIVATE_EXPEDITED)")
    } else {
        Err(
            "it lacks membarrier(PRIVATE_EXPEDITED), so each protected call pays for a fence instead",
        )
    }
}

/// Has the kernel kill this process when the one that started it ends.
pub(crate) fn die_with_parent() {
    // SAFETY: the option takes one number.
    unsafe { libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL) };
}

/// Whether a file is mapped into this process. `path` is canonical.
pub(crate) fn is_mapped(path: &Path) -> bool {
    let maps = fs::read("/proc/self/maps").unwrap_or_default();
    maps.split(|&byte| byte == b'\n').any(|line| {
        // Only the path field may hold a slash.
        let mapped = line.iter().position(|&byte| byte == b'/').map(|at| &line[at..]);
        let mapped = mapped.map(|field| field.strip_suffix(b" (deleted)").unwrap_or(field));
        mapped == Some(path.as_os_str().as_bytes())
    })
}
