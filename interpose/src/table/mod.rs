//! The hook table: every interposed symbol, one line each, by family.
//!
//! - `gated!` rows pass the gate and call the next definition. Behind `=` stands the answer that a
//!   forked child gets if a thread of the family was lost inside; rows of a family whose calls are
//!   made all the same have none.
//! - `redirected!` rows go through the `_r` twin that they name (see
//!   `hooks::lookup`). glibc only.
//! - `routed!` rows have a body of their own.
//! - `delayed!` rows wait while the gate is closed and then jump to the next definition. glibc only.
//! - `variadic!` rows jump to the C shim that they name (`variadic_*.c`).
//!
//! A row marked `libc` is checked at compile time against the signature in the `libc` crate; one
//! marked `bare` stands for a function that crate lacks. A version behind the body is the one to
//! call, where libc has more than one; a symbol behind `as` is the one to interpose, where its name is no
//! identifier.

#[cfg(target_env = "gnu")]
mod linux;
#[cfg(target_os = "linux")]
pub(crate) mod locks;
#[cfg(target_os = "macos")]
mod macos;
#[cfg(target_env = "musl")]
mod musl;

#[cfg(target_env = "gnu")]
pub(crate) use linux::{GROUPS, dl_iterate_phdr, dlopen, exits, helpers, next, streams};
#[cfg(target_os = "macos")]
pub(crate) use macos::next;
#[cfg(target_env = "musl")]
pub(crate) use musl::{GROUPS, next};
