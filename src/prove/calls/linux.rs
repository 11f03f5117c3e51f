//! The calls that only glibc has, or that only glibc guards by a lock.

use std::ffi::{CStr, c_char, c_int, c_long};
use std::mem;
use std::ptr;

/// A locale that is not plain "C", as that one is a constant object and takes no lock.
pub(super) const UTF8_LOCALE: &CStr = c"C.UTF-8";

// What the `libc` crate does not declare. `safe` marks calls that take no pointer.
unsafe extern "C" {
    #[link_name = "random"]
    safe fn libc_random() -> c_long;
    #[link_name = "textdomain"]
    fn libc_textdomain(domain: *const c_char) -> *mut c_char;
    #[link_name = "dcgettext"]
    fn libc_dcgettext(domain: *const c_char, text: *const c_char, category: c_int) -> *mut c_char;
    #[link_name = "getrpcbyname"]
    fn libc_getrpcbyname(name: *const c_char) -> *const libc::c_void;
    #[link_name = "getnetbyname"]
    fn libc_getnetbyname(name: *const c_char) -> *const libc::c_void;
    #[link_name = "setnetgrent"]
    fn libc_setnetgrent(netgroup: *const c_char) -> c_int;
    safe fn endnetgrent();
    #[link_name = "__res_init"]
    safe fn libc_res_init() -> c_int;
    fn __nss_configure_lookup(database: *const c_char, services: *const c_char) -> c_int;
}

pub(in crate::prove) fn strerror() -> bool {
    // SAFETY: any number is allowed; the result is not followed.
    !unsafe { libc::strerror(libc::ENOENT) }.is_null()
}

pub(in crate::prove) fn dcgettext() -> bool {
    let text = c"forkfix";
    // SAFETY: both strings end with a NUL; the result is not followed.
    !unsafe { libc_dcgettext(text.as_ptr(), text.as_ptr(), libc::LC_MESSAGES) }.is_null()
}

pub(in crate::prove) fn textdomain() -> bool {
    // SAFETY: the name ends with a NUL; the result is not followed.
    !unsafe { libc_textdomain(c"forkfix".as_ptr()) }.is_null()
}

pub(in crate::prove) fn random() -> bool {
    libc_random() >= 0
}

pub(in crate::prove) fn rand() -> bool {
    // SAFETY: no precondition.
    unsafe { libc::rand() >= 0 }
}

/// Lets all look-ups of this process go to local files only, so that hammering them asks no server,
/// whatever nsswitch.conf says.
pub(in crate::prove) fn files_only() {
    for database in [
        c"passwd",
        c"group",
        c"shadow",
        c"services",
        c"protocols",
        c"netgroup",
        c"hosts",
        c"networks",
        c"rpc",
    ] {
        // SAFETY: both strings end with a NUL; libc copies what it keeps. No other thread exists.
        unsafe { __nss_configure_lookup(database.as_ptr(), c"files".as_ptr()) };
    }
}

/// The start and the end of an enumeration of a netgroup that need not exist.
pub(in crate::prove) fn setnetgrent() -> bool {
    // SAFETY: the name ends with a NUL.
    unsafe { libc_setnetgrent(c"forkfix".as_ptr()) };
    endnetgrent();
    true
}

pub(in crate::prove) fn getgrent() -> bool {
    // SAFETY: no preconditions.
    unsafe { libc::setgrent() };
    // SAFETY: the result, which all threads share, is not followed.
    unsafe { libc::getgrent() };
    // SAFETY: no preconditions.
    unsafe { libc::endgrent() };
    true
}

pub(in crate::prove) fn getspnam() -> bool {
    // SAFETY: the name ends with a NUL; the result, which all threads share, is not followed.
    !unsafe { libc::getspnam(c"root".as_ptr()) }.is_null()
}

pub(in crate::prove) fn getnetbyname() -> bool {
    // SAFETY: the name ends with a NUL; the result, which all threads share, is not followed.
    !unsafe { libc_getnetbyname(c"loopback".as_ptr()) }.is_null()
}

pub(in crate::prove) fn getrpcbyname() -> bool {
    // SAFETY: the name ends with a NUL; the result, which all threads share, is not followed.
    !unsafe { libc_getrpcbyname(c"portmapper".as_ptr()) }.is_null()
}

/// Reads resolv.conf again: a `getnameinfo` that finds its name in a file only passes by that lock.
pub(in crate::prove) fn res_init() -> bool {
    libc_res_init() == 0
}

pub(in crate::prove) fn getnameinfo() -> bool {
    // SAFETY: `sockaddr_in` is plain data; all zeroes are valid.
    let mut address: libc::sockaddr_in = unsafe { mem::zeroed() };
    address.sin_family = libc::AF_INET as libc::sa_family_t;
    address.sin_addr.s_addr = u32::from_ne_bytes([127, 0, 0, 1]);
    let mut host = [0; 256];
    // SAFETY: address and buffer have the given lengths; no service is asked for.
    let error = unsafe {
        libc::getnameinfo(
            (&raw const address).cast(),
            size_of::<libc::sockaddr_in>() as libc::socklen_t,
            host.as_mut_ptr(),
            host.len() as libc::socklen_t,
            ptr::null_mut(),
            0,
            libc::NI_NAMEREQD,
        )
    };
    error == 0
}
