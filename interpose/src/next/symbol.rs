//! What is looked up, and where the answers are kept.
//!
//! Names and answers are apart: names are never written and need no relocation, and the answers of the whole
//! table take two pages. So a program that starts touches few pages for them.

use core::ffi::CStr;

use super::Definition;
#[cfg(target_env = "gnu")]
use crate::object::symbols::Inline;
use crate::object::symbols::Name;

/// What one definition is looked up by.
pub(crate) struct Symbol {
    pub(super) name: Name,
    /// The version to ask for; without one (empty) it is the default version. musl has none.
    #[cfg(target_env = "gnu")]
    pub(super) version: Inline<12>,
}

impl Symbol {
    /// The symbol `name`, in this version or the default one.
    #[cfg_attr(target_env = "musl", expect(unused_variables, reason = "it has no versions"))]
    pub(crate) const fn new(name: &str, version: Option<&CStr>) -> Self {
        Self {
            name: Name::new(name),
            #[cfg(target_env = "gnu")]
            version: match version {
                Some(version) => Inline::new(version.to_bytes()),
                None => Inline::new(b""),
            },
        }
    }
}

/// The symbols of a group of rows, each with its definition at the same place.
#[derive(Clone, Copy)]
pub(crate) struct Group {
    definitions: &'static [Definition],
    symbols: &'static [Symbol],
}

impl Group {
    /// The definitions in `places` are those of `symbols`.
    ///
    /// # Safety
    ///
    /// `P` must be made of [`Next`](super::Next) alone, one for each symbol, in the same order.
    pub(crate) const unsafe fn new<P>(places: &'static P, symbols: &'static [Symbol]) -> Self {
        assert!(size_of::<P>() == symbols.len() * size_of::<Definition>());
        let first = (&raw const *places).cast::<Definition>();
        // SAFETY: a `Next` is a `Definition` with a type, and the caller says that there are as many.
        let definitions = unsafe { core::slice::from_raw_parts(first, symbols.len()) };
        Self { definitions, symbols }
    }

    /// How many there are.
    #[cfg(target_env = "gnu")]
    pub(super) const fn len(&self) -> usize {
        self.symbols.len()
    }

    /// Each definition with its symbol.
    pub(super) fn pairs(&self) -> impl Iterator<Item = (&'static Definition, &'static Symbol)> {
        self.definitions.iter().zip(self.symbols)
    }
}
