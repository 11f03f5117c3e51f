//! The asymmetric barrier between readers of the gate and the forker.
//!
//! A reader stores its state and then loads the gate's flags; the forker stores the flags and then
//! loads the readers' states. One of the two must see the other's store, so each side needs a full
//! barrier between its store and its load. Readers are many and hot, forks are few and cost 100 µs
//! and more: the forker pays for both with `membarrier(2)`, which makes every running thread of
//! the process execute a full barrier, and a reader only keeps the compiler from reordering
//! ([`light`]). Kernels without it get the fenced variant: a real fence on both sides (see
//! [`gate::FENCED`](crate::gate)). macOS has nothing like it, so there both sides always fence.

use crate::sync::{Ordering, fence};

/// The reader's side while the forker uses `membarrier(2)`: orders the compiler, not the CPU.
#[cfg(all(target_os = "linux", not(loom)))]
#[inline(always)]
pub(crate) fn light() {
    core::sync::atomic::compiler_fence(Ordering::SeqCst);
}

/// The reader's side.
#[cfg(all(target_os = "macos", not(loom)))]
#[inline(always)]
pub(crate) fn light() {
    fence(Ordering::SeqCst);
}

/// loom has no membarrier: in the model both sides are fences, and the test takes either away.
#[cfg(loom)]
pub(crate) fn light() {
    if !is_without("light") {
        fence(Ordering::SeqCst);
    }
}

/// Whether the model is to go without that barrier.
#[cfg(loom)]
fn is_without(side: &str) -> bool {
    static WITHOUT: std::sync::OnceLock<String> = std::sync::OnceLock::new();
    WITHOUT.get_or_init(|| std::env::var("FORKFIX_MODEL_WITHOUT").unwrap_or_default()) == side
}

/// The forker's side. `fenced` tells that the readers execute fences themselves.
#[cfg(all(target_os = "linux", not(loom)))]
pub(crate) fn heavy(fenced: bool) {
    fence(Ordering::SeqCst);
    if !fenced && !crate::sys::membarrier(libc::MEMBARRIER_CMD_PRIVATE_EXPEDITED) {
        // Registered, yet refused: only a seccomp filter that was installed later does that. From
        // now on readers fence. One that slipped through before has its store in a store buffer,
        // which empties within a microsecond; a millisecond is far more than it takes.
        crate::gate::GATE.require_fences();
        crate::sys::nap(1_000_000);
    }
}

/// The forker's side.
#[cfg(all(target_os = "macos", not(loom)))]
pub(crate) fn heavy(_fenced: bool) {
    fence(Ordering::SeqCst);
}

/// The forker's side in the model.
#[cfg(loom)]
pub(crate) fn heavy(_fenced: bool) {
    if !is_without("heavy") {
        fence(Ordering::SeqCst);
    }
}

/// Chooses the variant, at load, and returns its name. The kernel may lack the command (before 4.14, or
/// behind a filter); the registration for it outlives `fork`, and ends with `exec` (measured, 6.18).
#[cfg(all(target_os = "linux", not(loom)))]
pub(crate) fn choose() -> &'static str {
    let membarrier = !crate::options::fence() && register();
    crate::gate::GATE.set(crate::gate::FENCED, !membarrier);
    if membarrier { "membarrier" } else { "fence" }
}

/// The name of the only variant there is.
#[cfg(all(target_os = "macos", not(loom)))]
pub(crate) fn choose() -> &'static str {
    "fence"
}

#[cfg(all(target_os = "linux", not(loom)))]
fn register() -> bool {
    crate::sys::membarrier_commands() & libc::MEMBARRIER_CMD_PRIVATE_EXPEDITED != 0
        && crate::sys::membarrier(libc::MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED)
}
