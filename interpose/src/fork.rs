//! fork: the whole sequence.
//!
//! ```text
//! fork()                      hook: only counts
//!   libc's fork
//!     prepare()               our one registered triple
//!       application prepare handlers, newest first, gate open
//!       close the gate, wait for readers          (signals blocked from here)
//!       allocator prepare handlers
//!     libc takes its own locks, clones
//!     parent()                          child()
//!                                         free our own locks
//!       allocator parent handlers         allocator child handlers
//!       open the gate                     repair; open the gate
//!       application parent handlers       application child handlers
//! ```
//!
//! `daemon` and `forkpty` call libc's fork from inside libc; they come through here too, because the
//! triple is registered with libc. `vfork`, `_Fork` and a raw `clone` do not; but on macOS `vfork` does.
//! There libSystem's own handlers run outside of ours: its prepare handlers after, its child handlers
//! before (Libsystem `init.c`), which is why some of its state is warmed up instead (`warmup`).
//!
//! musl keeps a lock of its own while handlers run (`src/thread/pthread_atfork.c`), so that a handler that
//! forks would wait for itself, and so would a signal handler that forks meanwhile. There the triple is not
//! registered, and the hooks call it (`musl::fork`).

#[cfg(not(target_env = "musl"))]
use core::sync::atomic::{AtomicBool, Ordering};

#[cfg(not(target_env = "musl"))]
use libc::{c_int, pid_t};

use crate::atfork::{self, Phase, Tier};
use crate::forker::{self, Scope};
#[cfg(not(target_env = "musl"))]
use crate::table;
use crate::{child, object, options, slot, stats, threads};

#[cfg(not(target_env = "musl"))]
static INSTALLED: AtomicBool = AtomicBool::new(false);

/// Registers our handlers with libc: at load, or before the program's first own registration.
#[cfg(not(target_env = "musl"))]
pub(crate) fn install() {
    // Looked at first: a write would cost every fork a page of its own.
    if INSTALLED.load(Ordering::Relaxed) || INSTALLED.swap(true, Ordering::Relaxed) {
        return;
    }
    if register_with_libc() != 0 {
        log::error!("libc has no memory for a fork handler; forks are not protected");
    }
}

#[cfg(target_env = "gnu")]
fn register_with_libc() -> c_int {
    let register = table::next::__register_atfork.ensure();
    // Without an object handle no `dlclose` and no `exit` removes it (nptl/register-atfork.c).
    // SAFETY: the handlers live as long as the process: a preloaded library is never unloaded.
    unsafe { register(Some(prepare), Some(parent), Some(child), core::ptr::null_mut()) }
}

#[cfg(target_os = "macos")]
fn register_with_libc() -> c_int {
    let register = table::next::pthread_atfork.ensure();
    // SAFETY: the handlers live as long as the process: an inserted library is never unloaded.
    unsafe { register(Some(prepare), Some(parent), Some(child)) }
}

/// Before the fork; what libc calls, or the hooks on musl.
pub(crate) unsafe extern "C-unwind" fn prepare() {
    child::adopt_if_foreign();
    let forks = &slot::mine().forks;
    let bound = if forks.are_silent() { 0 } else { atfork::newest() };
    forks.push(bound);
    object::find_provider();
    stats::FORKS.add();
    atfork::run(Phase::Prepare, Tier::Application, bound);
    if !options::off() && threads::may_be_many() {
        forker::close(Scope::All);
    }
    atfork::run(Phase::Prepare, Tier::Allocator, bound);
}

/// After it in the parent, or after it failed.
pub(crate) unsafe extern "C-unwind" fn parent() {
    finish(Phase::Parent, || {});
}

/// After it in the child.
pub(crate) unsafe extern "C-unwind" fn child() {
    child::free_locks();
    finish(Phase::Child, child::repair);
}

fn finish(phase: Phase, repair: fn()) {
    let forks = &slot::mine().forks;
    let bound = forks.top();
    atfork::run(phase, Tier::Allocator, bound);
    repair();
    if forker::is_mine() {
        forker::open();
    }
    atfork::run(phase, Tier::Application, bound);
    forks.pop();
}

/// The hook.
#[cfg(not(target_env = "musl"))]
pub(crate) unsafe fn fork() -> pid_t {
    install();
    let next = table::next::fork.ensure();
    // SAFETY: libc's fork has no preconditions that the caller of ours does not have.
    let pid = unsafe { next() };
    if pid < 0 {
        stats::FAILED.add();
    }
    pid
}

/// The hook for `vfork` on macOS, where it is `fork` without the handlers of applications since macOS 12
/// (Libc `sys/fork.c`), and so has the same need for the gate. Before, it shared the memory of the parent,
/// which no hook could return from; `fork` may stand in for it everywhere.
#[cfg(target_os = "macos")]
pub(crate) unsafe fn vfork() -> pid_t {
    let forks = &slot::mine().forks;
    forks.silence(true);
    // SAFETY: as in `fork`.
    let pid = unsafe { fork() };
    forks.silence(false);
    pid
}
