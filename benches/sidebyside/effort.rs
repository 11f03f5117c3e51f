//! How much is measured.

use std::time::{Duration, Instant};

/// Full, for figures to publish, or quick, to notice that a limit is broken.
#[derive(Clone, Copy)]
pub(crate) struct Effort {
    quick: bool,
    start: Instant,
}

impl Effort {
    /// Starts the clock.
    pub(crate) fn new(quick: bool) -> Self {
        Self { quick, start: Instant::now() }
    }

    /// One of two amounts.
    pub(crate) fn pick<T>(self, full: T, quick: T) -> T {
        if self.quick { quick } else { full }
    }

    /// Whether there is time to measure something again.
    pub(crate) fn allows_another_try(self) -> bool {
        self.elapsed() < Duration::from_secs(self.pick(150, 35))
    }

    /// The time since the start.
    pub(crate) fn elapsed(self) -> Duration {
        self.start.elapsed()
    }
}
