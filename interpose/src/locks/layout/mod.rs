//! What locks look like in memory: the one room for what libc does not promise.
//!
//! Nothing here is written but in a forked child, and nothing at all if [`check`] finds another layout than
//! it expects. Sizes are checked when this library is built.

mod alike;
#[cfg(target_env = "gnu")]
mod glibc;
#[cfg(target_env = "musl")]
mod musl;

use core::sync::atomic::{AtomicU32, Ordering};

pub(super) use alike::*;
#[cfg(target_env = "gnu")]
pub(super) use glibc::*;
#[cfg(target_env = "musl")]
pub(super) use musl::*;

/// Who holds a lock.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Owner {
    /// Nobody; or there is no lock any more.
    Nobody,
    /// Somebody: it does not tell who, or was just taken or is just given back.
    Unknown,
    /// This thread.
    Thread(u32),
}

impl Owner {
    /// Whether thread `tid` may be the one.
    pub(super) fn may_be(self, tid: u32) -> bool {
        match self {
            Self::Nobody => false,
            Self::Unknown => true,
            Self::Thread(owner) => owner == tid,
        }
    }
}

/// The 32-bit word number `index` of the object at `address`.
///
/// # Safety
///
/// The object must have that many words, be mapped for as long as the reference lives, and be aligned to 4.
#[inline(always)]
unsafe fn word<'a>(address: usize, index: usize) -> &'a AtomicU32 {
    let first = core::ptr::with_exposed_provenance_mut::<u32>(address);
    // SAFETY: the caller vouches for the size.
    let place = unsafe { first.add(index) };
    // SAFETY: mapped and aligned, as the caller vouches; a lock's words are only accessed atomically.
    unsafe { AtomicU32::from_ptr(place) }
}

/// A copy of the first `N` words at `address`, an address that may be of memory which is gone.
pub(super) fn read<const N: usize>(address: usize) -> Option<[u32; N]> {
    let mut words = [0; N];
    // SAFETY: the array is as long as it says.
    let readable = unsafe { crate::sys::peek(address, words.as_mut_ptr().cast(), 4 * N) };
    readable.then_some(words)
}

/// Sets words of the object at `address` to zero.
///
/// # Safety
///
/// As for [`word`], for each of the indices; nobody else uses the object.
unsafe fn zero(address: usize, indices: impl IntoIterator<Item = usize>) {
    for index in indices {
        // SAFETY: as the caller vouches.
        unsafe { word(address, index) }.store(0, Ordering::Relaxed);
    }
}

/// A place for a lock to try the layout on, all zeroes, which is how locks begin.
#[repr(align(16))]
struct Room([AtomicU32; 14]);

impl Room {
    const fn new() -> Self {
        Self([const { AtomicU32::new(0) }; 14])
    }

    fn address(&self) -> usize {
        self.0.as_ptr().expose_provenance()
    }

    /// Whether each of `words`, an index and a value, is so, and all others are zero.
    fn is(&self, words: &[(usize, u32)]) -> bool {
        let expected =
            |index| words.iter().find(|(at, _)| *at == index).map_or(0, |(_, value)| *value);
        self.0
            .iter()
            .enumerate()
            .all(|(index, word)| word.load(Ordering::Relaxed) == expected(index))
    }
}
