//! The hooks for condition variables: a wait gives a mutex back inside libc, and takes it again there.

use core::ffi::c_int;

use super::holder::Me;
use super::ledger::Waiting;
use super::mutex::Functions;
use super::{Kind, layout};

/// The mutex that goes with a wait.
pub(crate) struct Partner<T: 'static> {
    mutex: *mut T,
    functions: &'static Functions<T>,
}

impl<T> Partner<T> {
    /// The mutex at `mutex`.
    pub(crate) fn of(mutex: *mut T, functions: &'static Functions<T>) -> Self {
        Self { mutex, functions }
    }

    /// Calls `wait`, which waits for the condition variable at `cond` and gives the mutex back meanwhile. It
    /// may be cancelled.
    pub(crate) unsafe fn wait<C>(&self, cond: *mut C, wait: impl FnOnce() -> c_int) -> c_int {
        let (cond, mutex) = (cond.expose_provenance(), self.mutex.expose_provenance());
        // SAFETY: the caller's condition variable and mutex.
        let foreign =
            unsafe { layout::is_foreign_cond(cond) } || unsafe { layout::is_foreign_mutex(mutex) };
        let Some(me) = (!foreign).then(Me::find).flatten() else {
            return wait();
        };
        if !me.ledger.holds(mutex) {
            return wait();
        }
        let before = me.ledger.wait_for(Waiting { lock: cond, kind: Kind::Cond, mutex });
        super::holder::give_up(mutex);
        let _back = Back { partner: self, me, before };
        wait()
    }
}

/// The hooks that wake who waits, by `wake`. musl has a lock in each variable for that, and takes it even if
/// nobody waits. No fork waits for that lock; a child has the variable anew.
#[cfg(target_env = "musl")]
pub(crate) unsafe fn wake<C>(cond: *mut C, wake: impl FnOnce() -> c_int) -> c_int {
    let lock = cond.expose_provenance();
    // SAFETY: the caller's condition variable.
    let foreign = unsafe { layout::is_foreign_cond(lock) };
    let Some(me) = (!foreign).then(Me::find).flatten() else {
        return wake();
    };
    let before = me.ledger.wait_for(Waiting { lock, kind: Kind::Cond, mutex: 0 });
    let result = wake();
    me.ledger.restore(before);
    result
}

/// The wait is over, and the thread has its mutex again, however the wait ended.
struct Back<'a, T: 'static> {
    partner: &'a Partner<T>,
    me: Me,
    before: Option<Waiting>,
}

impl<T> Drop for Back<'_, T> {
    fn drop(&mut self) {
        let (lock, kind) = (self.partner.mutex.expose_provenance(), Kind::Mutex);
        while !super::holder::claim(lock, kind) && !self.me.try_to_enter(lock, kind) {
            // No code has run under the mutex yet, and another thread may get it meanwhile, as it may
            // whenever a wait ends.
            let functions = self.partner.functions;
            // SAFETY: held by this thread.
            unsafe { functions.unlock.ensure()(self.partner.mutex) };
            self.me.wait_at_gate();
            // SAFETY: a mutex, as the caller of the hook vouches.
            unsafe { functions.lock.ensure()(self.partner.mutex) };
        }
        self.me.ledger.restore(self.before);
    }
}
