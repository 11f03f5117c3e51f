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
//! glibc before 2.36 (BZ 24595) and musl (`src/thread/pthread_atfork.c`) keep the lock of their handlers while
//! these run. A thread in `__cxa_finalize` wants it and cannot come out of the gate; a handler that forks
//! waits for itself. There the hooks do what the triple does elsewhere, around libc's fork.

use core::sync::atomic::{AtomicBool, Ordering};

use libc::{c_int, pid_t};

use crate::atfork::{self, Phase, Tier};
use crate::forker::{self, Scope};
use crate::{child, object, options, slot, stats, table, threads};
#[cfg(target_os = "linux")]
use crate::{errno, sys};

static INSTALLED: AtomicBool = AtomicBool::new(false);

/// The glibc 2.N that calls fork handlers without a lock (nptl/register-atfork.c).
#[cfg(target_env = "gnu")]
const FIRST_WITHOUT_LOCK: u32 = 36;
/// Handlers run around libc's fork, not inside.
#[cfg(target_os = "linux")]
static AROUND: AtomicBool = AtomicBool::new(false);

/// Registers our handlers with libc: at load, or before the program's first own registration.
pub(crate) fn install() {
    // Looked at first: a write would cost every fork a page of its own.
    if INSTALLED.load(Ordering::Relaxed) || INSTALLED.swap(true, Ordering::Relaxed) {
        return;
    }
    if register_with_libc() != 0 {
        log::error!("libc has no memory for a fork handler; forks are not protected");
        return;
    }
    #[cfg(target_os = "linux")]
    AROUND.store(keeps_its_lock(), Ordering::Relaxed);
}

/// Whether libc keeps the lock of its handlers while they run.
#[cfg(target_os = "linux")]
fn keeps_its_lock() -> bool {
    #[cfg(target_env = "gnu")]
    return sys::glibc_minor() < FIRST_WITHOUT_LOCK;
    #[cfg(target_env = "musl")]
    true
}

#[cfg(target_env = "gnu")]
fn register_with_libc() -> c_int {
    let register = table::next::__register_atfork.ensure();
    // Without an object handle no `dlclose` and no `exit` removes it (nptl/register-atfork.c).
    // SAFETY: the handlers live as long as the process: a preloaded library is never unloaded.
    unsafe { register(Some(prepare), Some(parent), Some(child), core::ptr::null_mut()) }
}

/// A handler of ours would have musl take its lock at each fork.
#[cfg(target_env = "musl")]
fn register_with_libc() -> c_int {
    0
}

#[cfg(target_os = "macos")]
fn register_with_libc() -> c_int {
    let register = table::next::pthread_atfork.ensure();
    // SAFETY: the handlers live as long as the process: an inserted library is never unloaded.
    unsafe { register(Some(prepare), Some(parent), Some(child)) }
}

/// Whether the hook that called libc runs the handlers.
fn is_around() -> bool {
    #[cfg(target_os = "linux")]
    return AROUND.load(Ordering::Relaxed) && slot::mine().forks.are_outside();
    #[cfg(not(target_os = "linux"))]
    false
}

unsafe extern "C-unwind" fn prepare() {
    if !is_around() {
        get_ready();
    }
}

unsafe extern "C-unwind" fn parent() {
    if !is_around() {
        finish(Phase::Parent, || {});
    }
}

unsafe extern "C-unwind" fn child() {
    if !is_around() {
        finish_in_child();
    }
}

fn get_ready() {
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

fn finish_in_child() {
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

/// Makes `call`, which forks.
fn forking<R>(call: impl FnOnce() -> R) -> R {
    install();
    #[cfg(target_os = "linux")]
    if AROUND.load(Ordering::Relaxed) {
        return around(call);
    }
    call()
}

/// The parent of `daemon` ends in libc, without parent handlers.
#[cfg(target_os = "linux")]
fn around<R>(call: impl FnOnce() -> R) -> R {
    get_ready();
    let forks = &slot::mine().forks;
    let parent = sys::getpid();
    forks.outside(true);
    let result = call();
    forks.outside(false);
    let before = errno::get();
    if sys::getpid() == parent {
        finish(Phase::Parent, || {});
    } else {
        finish_in_child();
    }
    errno::set(before);
    result
}

/// The hook.
pub(crate) unsafe fn fork() -> pid_t {
    let next = table::next::fork.ensure();
    // SAFETY: libc's fork has no preconditions that the caller of ours does not have.
    let pid = forking(|| unsafe { next() });
    if pid < 0 {
        stats::FAILED.add();
    }
    pid
}

/// The hook for `daemon`, which begins with a fork that no symbol leads to.
#[cfg(target_os = "linux")]
pub(crate) unsafe fn daemon(stay: c_int, keep_streams: c_int) -> c_int {
    let next = table::next::daemon.ensure();
    // SAFETY: plain numbers, passed on.
    forking(|| unsafe { next(stay, keep_streams) })
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
    forking(|| unsafe { next(terminal, name, settings, size) })
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
