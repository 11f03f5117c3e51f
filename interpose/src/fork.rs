//! fork: the whole sequence.
//!
//! ```text
//! fork()                      hook: only counts
//!   libc's fork
//!     prepare()               our one registered triple, see `triple`
//!       application prepare handlers, newest first, gate open
//!       close the gate, wait for readers          (signals blocked from here)
//!       look for pools of threads; record who does what
//!       allocator prepare handlers
//!     libc takes its own locks, clones
//!     parent()                          child()
//!                                         free our own locks
//!       allocator parent handlers         allocator child handlers
//!       open the gate                     repair; open the gate; renew pools; record that
//!       application parent handlers       application child handlers
//! ```
//!
//! `daemon` and `forkpty` call libc's fork from inside libc; they come through here too, because the
//! triple is registered with libc. `vfork`, `_Fork` and a raw `clone` do not; but on macOS `vfork` does.
//! There libSystem's own handlers run outside of ours: its prepare handlers after, its child handlers
//! before (Libsystem `init.c`), which is why some of its state is warmed up instead (`warmup`).

#[cfg(target_os = "linux")]
use libc::c_int;
use libc::pid_t;

use crate::atfork::{self, Phase, Tier};
use crate::drain::Scope;
#[cfg(target_env = "gnu")]
use crate::pools;
use crate::{child, forker, object, options, slot, stats, table, threads, triple};

/// Before the fork.
pub(crate) fn prepare() {
    child::adopt_if_foreign();
    let forks = &slot::mine().forks;
    let bound = if forks.are_silent() { 0 } else { atfork::newest() };
    forks.push(bound);
    object::find_provider();
    stats::FORKS.add();
    atfork::run(Phase::Prepare, Tier::Application, bound);
    if !options::off() && threads::may_be_many() {
        #[cfg(target_os = "linux")]
        {
            crate::locks::python::register();
            crate::locks::tell_late();
        }
        if forker::close(Scope::All) {
            #[cfg(target_os = "linux")]
            crate::history::forking();
        }
        #[cfg(target_env = "gnu")]
        pools::look();
    }
    #[cfg(target_os = "linux")]
    crate::record::forking();
    let allocators = || atfork::run(Phase::Prepare, Tier::Allocator, bound);
    #[cfg(target_env = "gnu")]
    if atfork::any(Tier::Allocator, bound) {
        crate::loader::without_locks(allocators);
    }
    #[cfg(not(target_env = "gnu"))]
    allocators();
}

/// After it in the parent, or after it failed.
pub(crate) fn parent() {
    finish(Phase::Parent, || {});
}

/// After it in the child.
pub(crate) fn child() {
    child::free_locks();
    finish(Phase::Child, child::repair);
}

/// Near to what else runs in the child: each page of code that it touches costs it a fault.
#[cfg_attr(target_os = "linux", unsafe(link_section = ".text.hot.fork"))]
fn finish(phase: Phase, repair: fn()) {
    let forks = &slot::mine().forks;
    let bound = forks.top();
    atfork::run(phase, Tier::Allocator, bound);
    repair();
    if forker::is_mine() {
        forker::open();
        #[cfg(target_env = "gnu")]
        if phase == Phase::Child {
            // SAFETY: the gate was closed, and this is the only thread.
            unsafe { pools::renew() };
        }
    }
    #[cfg(target_os = "linux")]
    if phase == Phase::Parent {
        crate::locks::tell();
    } else {
        crate::record::ready();
    }
    atfork::run(phase, Tier::Application, bound);
    forks.pop();
}

/// The hook.
pub(crate) unsafe fn fork() -> pid_t {
    let next = table::next::fork.ensure();
    // SAFETY: libc's fork has no preconditions that the caller of ours does not have.
    let pid = triple::forking(|| unsafe { next() });
    if pid < 0 {
        stats::FAILED.add();
        #[cfg(target_os = "linux")]
        {
            crate::history::failed();
            crate::record::failed();
        }
    }
    pid
}

/// The hook for `daemon`, which begins with a fork that no symbol leads to.
#[cfg(target_os = "linux")]
pub(crate) unsafe fn daemon(stay: c_int, keep_streams: c_int) -> c_int {
    let next = table::next::daemon.ensure();
    // SAFETY: plain numbers, passed on.
    triple::forking(|| unsafe { next(stay, keep_streams) })
}

/// The hook for `forkpty` of musl, which forks by a symbol that is not exported. In the child libc only makes the
/// terminal its own before it returns. glibc's comes through our handlers.
#[cfg(target_env = "musl")]
pub(crate) unsafe fn forkpty(
    terminal: *mut c_int,
    name: *mut core::ffi::c_char,
    settings: *const libc::termios,
    size: *const libc::winsize,
) -> pid_t {
    let next = table::next::forkpty.ensure();
    // SAFETY: the caller's arguments, passed on.
    triple::forking(|| unsafe { next(terminal, name, settings, size) })
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
