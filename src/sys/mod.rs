//! What the systems differ in, and thin wrappers of libc, safe to call.
//!
//! What has no counterpart on the other system stands in `linux.rs` and `macos.rs`, which have the
//! same functions.
//!
//! Callable from: the command's only thread. Nothing here changes the process but [`exec`] and
//! [`die_with_parent`].

#[cfg(target_os = "linux")]
#[path = "linux.rs"]
mod system;
#[cfg(target_os = "macos")]
#[path = "macos.rs"]
mod system;

use std::ffi::{CStr, CString, OsStr, OsString};
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsRawFd, BorrowedFd};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::Path;
use std::ptr;
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};
use std::time::Duration;

use libc::{c_char, c_int};

pub(crate) use system::*;

/// Whether SIGPIPE was ignored when this process started.
static SIGPIPE_IGNORED: AtomicBool = AtomicBool::new(false);
/// Bit N: descriptor N (0, 1 or 2) was closed when this process started.
static CLOSED_AT_START: AtomicU8 = AtomicU8::new(0);

/// Runs before Rust's runtime, which ignores SIGPIPE and opens `/dev/null` on closed standard
/// descriptors. The program that [`exec`] starts must find both as we found them.
extern "C" fn remember_start() {
    let mut action = MaybeUninit::<libc::sigaction>::zeroed();
    // SAFETY: a null new action only asks; `action` is a valid place for the answer.
    let asked = unsafe { libc::sigaction(libc::SIGPIPE, ptr::null(), action.as_mut_ptr()) };
    // SAFETY: the structure is plain data, and all zeros is a value of it.
    let action = unsafe { action.assume_init() };
    SIGPIPE_IGNORED.store(asked == 0 && action.sa_sigaction == libc::SIG_IGN, Ordering::Relaxed);
    for fd in 0..3 {
        // SAFETY: F_GETFD takes no pointer and is harmless on any number.
        if unsafe { libc::fcntl(fd, libc::F_GETFD) } == -1 {
            CLOSED_AT_START.fetch_or(1 << fd, Ordering::Relaxed);
        }
    }
}

// SAFETY: the section holds pointers to functions that the loader calls once, before `main`; libc's
// `fcntl` and `sigaction` and our own atomics are all that this one uses.
#[used]
#[cfg_attr(target_os = "linux", unsafe(link_section = ".init_array"))]
#[cfg_attr(target_os = "macos", unsafe(link_section = "__DATA,__mod_init_func,mod_init_funcs"))]
static REMEMBER_START: extern "C" fn() = remember_start;

/// The user and group ids of this process that decide whether a new program gains privileges.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Ids {
    /// Real user id.
    pub(crate) uid: u32,
    /// Effective user id.
    pub(crate) euid: u32,
    /// Real group id.
    pub(crate) gid: u32,
    /// Effective group id.
    pub(crate) egid: u32,
}

/// This process's [`Ids`].
pub(crate) fn ids() -> Ids {
    // SAFETY: takes nothing and cannot fail.
    let uid = unsafe { libc::getuid() };
    // SAFETY: as above.
    let euid = unsafe { libc::geteuid() };
    // SAFETY: as above.
    let gid = unsafe { libc::getgid() };
    // SAFETY: as above.
    let egid = unsafe { libc::getegid() };
    Ids { uid, euid, gid, egid }
}

/// Whether the kernel would let this process execute `path`, by its effective ids.
pub(crate) fn may_execute(path: &Path) -> bool {
    let path = c_string(path.as_os_str());
    // SAFETY: `path` is a C string that lives through the call.
    let answer =
        unsafe { libc::faccessat(libc::AT_FDCWD, path.as_ptr(), libc::X_OK, libc::AT_EACCESS) };
    answer == 0
}

/// Whether `path` is on a file system that is mounted `nosuid`.
pub(crate) fn on_nosuid_mount(path: &Path) -> bool {
    let path = c_string(path.as_os_str());
    let mut answer = MaybeUninit::<libc::statvfs>::zeroed();
    // SAFETY: `path` is a C string, `answer` a valid place; both live through the call.
    let asked = unsafe { libc::statvfs(path.as_ptr(), answer.as_mut_ptr()) };
    // SAFETY: the structure is plain data, and all zeros is a value of it.
    let answer = unsafe { answer.assume_init() };
    asked == 0 && answer.f_flag & libc::ST_NOSUID != 0
}

/// Where `execvp` looks for programs if `PATH` is not set.
pub(crate) fn default_path() -> OsString {
    let mut value = [0u8; 256];
    // SAFETY: `value` has as many bytes as we say; the answer is cut off to fit.
    unsafe { libc::confstr(libc::_CS_PATH, value.as_mut_ptr().cast(), value.len()) };
    let text = CStr::from_bytes_until_nul(&value).unwrap_or(c"/bin:/usr/bin");
    OsString::from_vec(text.to_bytes().to_vec())
}

/// The kernel's release, such as `6.1.0-13-amd64`.
pub(crate) fn kernel_release() -> String {
    let mut names = MaybeUninit::<libc::utsname>::zeroed();
    // SAFETY: `names` is a valid place for the answer.
    unsafe { libc::uname(names.as_mut_ptr()) };
    // SAFETY: the structure is plain data, and all zeros is a value of it.
    let names = unsafe { names.assume_init() };
    // SAFETY: the kernel ends each name with a NUL; without an answer it is empty.
    let release = unsafe { CStr::from_ptr(names.release.as_ptr()) };
    release.to_string_lossy().into_owned()
}

/// The environment as it stands, entry by entry and in its order. `std::env` would drop entries that
/// have no `=`.
pub(crate) fn environment() -> Vec<OsString> {
    unsafe extern "C" {
        static environ: *const *const c_char;
    }
    let mut entries = Vec::new();
    // SAFETY: the variable is written by `setenv` and its kin only, which this command never calls.
    let mut entry = unsafe { environ };
    while !entry.is_null() {
        // SAFETY: `entry` points into an array that ends with a null pointer, not reached yet.
        let text = unsafe { *entry };
        if text.is_null() {
            break;
        }
        // SAFETY: each entry before the end is a C string.
        let text = unsafe { CStr::from_ptr(text) };
        entries.push(OsString::from_vec(text.to_bytes().to_vec()));
        // SAFETY: the end of the array has not been reached, so the next entry exists.
        entry = unsafe { entry.add(1) };
    }
    entries
}

/// Waits until one of `fds` can be read or was closed by its writers, or until `timeout` has passed.
/// Says of each whether it is ready; all `false` means that the time is up.
pub(crate) fn wait_readable<const N: usize>(
    fds: [Option<BorrowedFd<'_>>; N],
    timeout: Duration,
) -> io::Result<[bool; N]> {
    // The kernel skips negative descriptors.
    let mut list = fds.map(|fd| libc::pollfd {
        fd: fd.map_or(-1, |fd| fd.as_raw_fd()),
        events: libc::POLLIN,
        revents: 0,
    });
    // One millisecond more, so that rounding down never makes a busy loop of the last one.
    let timeout = c_int::try_from(timeout.as_millis()).map_or(c_int::MAX, |ms| ms + 1);
    // SAFETY: `list` is an array of as many entries as we say.
    let ready = unsafe { libc::poll(list.as_mut_ptr(), N as libc::nfds_t, timeout) };
    if ready == -1 {
        return Err(io::Error::last_os_error());
    }
    Ok(list.map(|entry| entry.revents != 0))
}

/// Replaces this process by the program in the file `path`. Comes back only with the reason why it
/// could not.
pub(crate) fn exec(path: &Path, arguments: &[OsString], environment: &[OsString]) -> io::Error {
    let path = c_string(path.as_os_str());
    let arguments: Vec<CString> = arguments.iter().map(|text| c_string(text)).collect();
    let environment: Vec<CString> = environment.iter().map(|text| c_string(text)).collect();
    let arguments = null_terminated(&arguments);
    let environment = null_terminated(&environment);

    let ignored = SIGPIPE_IGNORED.load(Ordering::Relaxed);
    let action = if ignored { libc::SIG_IGN } else { libc::SIG_DFL };
    // SAFETY: both actions are constants of libc, no handler is installed.
    unsafe { libc::signal(libc::SIGPIPE, action) };
    let closed = CLOSED_AT_START.load(Ordering::Relaxed);
    for fd in (0..3).filter(|fd| closed & (1 << fd) != 0) {
        // SAFETY: takes no pointer; the descriptor is the runtime's `/dev/null`, which nobody needs
        // after a successful exec.
        unsafe { libc::fcntl(fd, libc::F_SETFD, libc::FD_CLOEXEC) };
    }
    // SAFETY: `path` is a C string, both arrays end with a null pointer, and all of them live
    // until the call comes back.
    unsafe { libc::execve(path.as_ptr(), arguments.as_ptr(), environment.as_ptr()) };
    io::Error::last_os_error()
}

fn null_terminated(strings: &[CString]) -> Vec<*const c_char> {
    strings.iter().map(|text| text.as_ptr()).chain([ptr::null()]).collect()
}

/// What the kernel would read of `text`: everything up to the first NUL, which no argument, variable
/// or path of a process can contain.
fn c_string(text: &OsStr) -> CString {
    let bytes = text.as_bytes().split(|byte| *byte == 0).next().unwrap_or_default();
    CString::new(bytes).unwrap_or_default()
}
