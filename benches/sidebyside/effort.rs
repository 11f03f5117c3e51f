//! How much is measured.

/// Full, for figures to publish, or quick, to notice that a limit is broken.
#[derive(Clone, Copy)]
pub(crate) struct Effort {
    quick: bool,
}

impl Effort {
    pub(crate) fn new(quick: bool) -> Self {
        Self { quick }
    }

    /// One of two amounts.
    pub(crate) fn pick<T>(self, full: T, quick: T) -> T {
        if self.quick { quick } else { full }
    }
}
