//! What a fork in progress must remember between its prepare handlers and the others.

use core::sync::atomic::{AtomicU32, AtomicU64, Ordering};

/// How deep forks may nest (a handler that forks) before [`ForkBounds`] stops remembering.
const NESTED_FORKS: usize = 3;

/// A stack of numbers: for each fork in progress on a thread, which handlers take part.
pub(crate) struct ForkBounds {
    bounds: [AtomicU64; NESTED_FORKS],
    depth: AtomicU32,
    /// 1 while forks run no handlers of the application.
    silent: AtomicU32,
    /// How many forks run their handlers outside of libc.
    #[cfg(target_os = "linux")]
    outside: AtomicU32,
}

impl ForkBounds {
    /// No fork in progress.
    pub(crate) const fn new() -> Self {
        Self {
            bounds: [const { AtomicU64::new(0) }; NESTED_FORKS],
            depth: AtomicU32::new(0),
            silent: AtomicU32::new(0),
            #[cfg(target_os = "linux")]
            outside: AtomicU32::new(0),
        }
    }

    /// Whether the thread's forks run no handlers of the application.
    pub(crate) fn are_silent(&self) -> bool {
        self.silent.load(Ordering::Relaxed) != 0
    }

    /// Says so.
    #[cfg(target_os = "macos")]
    pub(crate) fn silence(&self, on: bool) {
        self.silent.store(on.into(), Ordering::Relaxed);
    }

    /// Whether libc is to leave the handlers of the thread's forks alone: its caller runs them.
    #[cfg(target_env = "gnu")]
    pub(crate) fn are_outside(&self) -> bool {
        self.outside.load(Ordering::Relaxed) != 0
    }

    /// Begins or ends such a fork. They are counted, because a signal handler may fork meanwhile.
    #[cfg(target_os = "linux")]
    pub(crate) fn outside(&self, begin: bool) {
        let count = self.outside.load(Ordering::Relaxed);
        let count = if begin { count + 1 } else { count.saturating_sub(1) };
        self.outside.store(count, Ordering::Relaxed);
    }

    /// Begins a fork.
    pub(crate) fn push(&self, bound: u64) {
        let depth = self.depth.fetch_add(1, Ordering::Relaxed) as usize;
        if let Some(place) = self.bounds.get(depth) {
            place.store(bound, Ordering::Relaxed);
        }
    }

    /// The innermost fork in progress. One that was nested too deep to be remembered takes in every
    /// handler.
    pub(crate) fn top(&self) -> u64 {
        let depth = self.depth.load(Ordering::Relaxed) as usize;
        self.bounds
            .get(depth.wrapping_sub(1))
            .map_or(u64::MAX, |bound| bound.load(Ordering::Relaxed))
    }

    /// Ends a fork.
    pub(crate) fn pop(&self) {
        self.depth.fetch_sub(1, Ordering::Relaxed);
    }
}
