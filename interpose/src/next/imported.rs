//! macOS: imported directly.
//!
//! dyld does not interpose the imports of the library that interposes, and has bound them before any
//! code runs. `dlsym` would find the hook: its results are interposed for everybody (dyld,
//! `doc/PatchTable.md`).

/// The next definition as a function of type `F`.
pub(crate) struct Next<F>(F);

impl<F: Copy> Next<F> {
    /// The imported function.
    pub(crate) const fn new(imported: F) -> Self {
        Self(imported)
    }

    /// The function.
    #[inline(always)]
    pub(crate) fn get(&self) -> F {
        self.0
    }

    /// The function; on Linux this one works before the constructor too.
    pub(crate) fn ensure(&self) -> F {
        self.0
    }
}

/// On macOS there is nothing to look up.
pub(crate) fn resolve_all() {}
