//! Atomics and fences under one name, for the real build and for the loom models.

#[cfg(not(loom))]
pub(crate) use core::sync::atomic::{AtomicU32, Ordering, fence};

#[cfg(all(target_os = "linux", not(loom)))]
pub(crate) use core::sync::atomic::AtomicUsize;

#[cfg(loom)]
pub(crate) use loom::sync::atomic::{AtomicU32, AtomicUsize, Ordering, fence};
