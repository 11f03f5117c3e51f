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
    /// How many of these forks were prepared before libc was called.
    #[cfg(target_os = "linux")]
    ahead: AtomicU32,
}

impl ForkBounds {
    /// No fork in progress.
    pub(crate) const fn new() -> Self {
        Self {
            bounds: [const { AtomicU64::new(0) }; NESTED_FORKS],
            depth: AtomicU32::new(0),
            silent: AtomicU32::new(0),
            #[cfg(target_os = "linux")]
            ahead: AtomicU32::new(0),
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

    /// Notes that the fork that just began needs no preparation in libc's handler. A count, because a
    /// signal handler may fork between this and libc's handler.
    #[cfg(target_os = "linux")]
    pub(crate) fn prepared(&self) {
        self.ahead.fetch_add(1, Ordering::Relaxed);
    }

    /// Takes back one such note; false if there is none.
    #[cfg(target_os = "linux")]
    pub(crate) fn take_prepared(&self) -> bool {
        let ahead = self.ahead.load(Ordering::Relaxed);
        self.ahead.store(ahead.saturating_sub(1), Ordering::Relaxed);
        ahead > 0
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
