//! The hooks for semaphores.
//!
//! A semaphore belongs to nobody: a fork does not wait for one, since who took it may be waiting for the
//! forker (CPython's locks are semaphores, and the forker has the interpreter). But one that began with 1 is
//! most likely used as a lock. If its last taker is gone in a child, it gets its 1 back there.
//!
//! A thread says what it is about to take or post, so that no moment is without a trace; after a post the
//! semaphore may be gone, so nothing is noted in it then.

use core::ffi::{c_int, c_uint};

use libc::sem_t;

use super::holder::Me;
use super::ledger::Waiting;
use super::{Kind, layout};
use crate::table::locks::next;

/// The hook for `sem_init`.
pub(crate) unsafe fn init(semaphore: *mut sem_t, shared: c_int, value: c_uint) -> c_int {
    // SAFETY: the caller's arguments.
    let result = unsafe { next::sem_init.ensure()(semaphore, shared, value) };
    if result == 0 && super::are_tracked() {
        let binary = shared == 0 && value == 1;
        // SAFETY: a semaphore now.
        unsafe { layout::mark_semaphore(semaphore.expose_provenance(), binary) };
    }
    result
}

/// The hook for `sem_destroy`.
pub(crate) unsafe fn destroy(semaphore: *mut sem_t) -> c_int {
    if super::are_tracked() {
        // SAFETY: the caller's argument, a semaphore.
        unsafe { layout::mark_semaphore(semaphore.expose_provenance(), false) };
    }
    // SAFETY: the caller's argument.
    unsafe { next::sem_destroy.ensure()(semaphore) }
}

/// The hooks that take one, by `take`; they may be cancelled.
#[inline(always)]
pub(crate) unsafe fn take(semaphore: *mut sem_t, take: impl FnOnce() -> c_int) -> c_int {
    // SAFETY: the caller's semaphore.
    if unsafe { layout::is_binary(semaphore.expose_provenance()) } {
        take_binary(semaphore, take)
    } else {
        take()
    }
}

#[inline(never)]
fn take_binary(semaphore: *mut sem_t, take: impl FnOnce() -> c_int) -> c_int {
    let address = semaphore.expose_provenance();
    let Some(me) = Me::find() else {
        return take();
    };
    let _said = Said::of(me, address);
    let result = take();
    if result == 0 {
        me.ledger.remember(address);
        // SAFETY: this thread has it, so it is there.
        unsafe { layout::set_taker(address, me.tid()) };
    }
    result
}

/// The hook for `sem_post`.
#[inline(always)]
pub(crate) unsafe fn post(semaphore: *mut sem_t) -> c_int {
    // SAFETY: the caller's semaphore.
    if unsafe { layout::is_binary(semaphore.expose_provenance()) } {
        // SAFETY: as above.
        return unsafe { post_binary(semaphore) };
    }
    // SAFETY: as above.
    unsafe { next::sem_post.ensure()(semaphore) }
}

#[inline(never)]
unsafe fn post_binary(semaphore: *mut sem_t) -> c_int {
    let address = semaphore.expose_provenance();
    let Some(me) = Me::find() else {
        // SAFETY: the caller's semaphore.
        return unsafe { next::sem_post.ensure()(semaphore) };
    };
    let _said = Said::of(me, address);
    me.ledger.forget(address);
    // SAFETY: as above.
    unsafe { layout::set_taker(address, 0) };
    // SAFETY: as above; who has a record has seen that all symbols are known.
    unsafe { next::sem_post.get()(semaphore) }
}

/// The thread says that it deals with a semaphore; ends when dropped.
struct Said {
    me: Me,
    before: Option<Waiting>,
}

impl Said {
    fn of(me: Me, semaphore: usize) -> Self {
        let what = Waiting { lock: semaphore, kind: Kind::Semaphore, mutex: 0 };
        Self { me, before: me.ledger.wait_for(what) }
    }
}

impl Drop for Said {
    fn drop(&mut self) {
        self.me.ledger.restore(self.before);
    }
}
