//! Buffers of a thread that only some threads need: result storage of redirected look-ups.

use core::ptr::{self, NonNull};
use core::sync::atomic::{AtomicPtr, AtomicUsize, Ordering};

use crate::sys;

/// How many kinds of results are stored separately; see `hooks::lookup`.
pub(crate) const STORES: usize = 32;

/// The part of a thread's record that is mapped on first use.
///
/// All zeroes is its initial state. Only its own thread uses it; the atomics are for signal
/// handlers on that thread.
pub(crate) struct Annex {
    /// One store for each kind of look-up.
    pub(crate) stores: [Store; STORES],
}

/// Memory that grows and is never given back while its thread lives.
pub(crate) struct Store {
    memory: AtomicPtr<u8>,
    size: AtomicUsize,
}

impl Store {
    /// The memory there is, mapping `least` bytes if there is none yet; `None` without memory.
    pub(crate) fn memory(&self, least: usize) -> Option<(NonNull<u8>, usize)> {
        match NonNull::new(self.memory.load(Ordering::Relaxed)) {
            Some(memory) => Some((memory, self.size.load(Ordering::Relaxed))),
            None => self.replace(least),
        }
    }

    /// Twice the memory there was, without its content; `None` without memory.
    pub(crate) fn double(&self) -> Option<(NonNull<u8>, usize)> {
        let size = self.size.load(Ordering::Relaxed);
        let old = self.memory.swap(ptr::null_mut(), Ordering::Relaxed);
        if let Some(old) = NonNull::new(old) {
            // SAFETY: mapped by `replace` with this size; the result of an earlier look-up that it
            // may hold ends with the next look-up, as the manual of each of these functions says.
            unsafe { sys::unmap(old, size) };
        }
        self.replace(size.checked_mul(2)?)
    }

    fn replace(&self, size: usize) -> Option<(NonNull<u8>, usize)> {
        let memory = sys::map(size)?;
        self.size.store(size, Ordering::Relaxed);
        self.memory.store(memory.as_ptr(), Ordering::Relaxed);
        Some((memory, size))
    }
}
