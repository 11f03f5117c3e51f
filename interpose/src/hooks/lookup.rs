//! Look-ups that return a pointer to static storage, made through their `_r` twins.
//!
//! glibc holds a lock of each such function over the whole look-up, DNS or LDAP time-out included
//! (nss/getXXbyYY.c); the `_r` twin has no such lock. So the result goes into storage of ours, one
//! for each function and thread, and nobody ever holds that lock: not in the parent, not in the
//! child. As in libc, a result is valid until the thread's next call of the same function; it
//! outlives its thread.

use core::ffi::{c_char, c_int};
use core::ptr;

use crate::{errno, slot};

/// Room for the first try: the answer and its strings. libc starts with 1,024 bytes too.
const FIRST_SIZE: usize = 4096;

/// What a `_r` function is given: where to put the result, a buffer for its strings with its size in
/// bytes, and where to say whether there is a result.
pub(crate) type Place<T> = (*mut T, *mut c_char, usize, *mut *mut T);

/// Calls `find` with the storage number `store`, larger each time it returns `ERANGE`. Null if there
/// is no result, with `errno` as `find` left it.
pub(crate) fn fill<T>(store: usize, mut find: impl FnMut(Place<T>) -> c_int) -> *mut T {
    let Some(store) = slot::mine().annex().and_then(|annex| annex.stores.get(store)) else {
        return errno::with(libc::ENOMEM, ptr::null_mut());
    };
    let mut memory = store.memory(FIRST_SIZE);
    while let Some((start, size)) = memory {
        let result = start.as_ptr().cast::<T>();
        let strings = result.wrapping_add(1).cast::<c_char>();
        let mut found = ptr::null_mut();
        match find((result, strings, size - size_of::<T>(), &raw mut found)) {
            libc::ERANGE => memory = store.double(),
            _ => return found,
        }
    }
    errno::with(libc::ENOMEM, ptr::null_mut())
}

/// Like [`fill`], for functions that report their error in `h_errno`, which they are given a place
/// for.
pub(crate) fn fill_resolved<T>(
    store: usize,
    mut find: impl FnMut(Place<T>, *mut c_int) -> c_int,
) -> *mut T {
    let mut error = 0;
    let found = fill(store, |place| find(place, &raw mut error));
    if error != 0 {
        errno::set_resolver(error);
    }
    found
}

/// `struct rpcent` (rpc/netdb.h).
#[repr(C)]
pub(crate) struct RpcEntry {
    name: *mut c_char,
    aliases: *mut *mut c_char,
    number: c_int,
}

/// `struct aliasent` (aliases.h).
#[repr(C)]
pub(crate) struct AliasEntry {
    name: *mut c_char,
    members_len: usize,
    members: *mut *mut c_char,
    local: c_int,
}

/// `struct sgrp` (gshadow.h).
#[repr(C)]
pub(crate) struct ShadowGroup {
    name: *mut c_char,
    password: *mut c_char,
    administrators: *mut *mut c_char,
    members: *mut *mut c_char,
}
