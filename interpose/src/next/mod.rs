//! The next definitions: what an interposed symbol would have been without us.

#[cfg(target_os = "macos")]
mod imported;
#[cfg(target_os = "linux")]
mod looked_up;
#[cfg(target_os = "linux")]
mod symbol;
#[cfg(all(test, target_env = "gnu"))]
mod tests;
#[cfg(target_env = "gnu")]
mod walk;

#[cfg(target_os = "macos")]
pub(crate) use imported::*;
#[cfg(target_os = "linux")]
pub(crate) use looked_up::*;
#[cfg(target_os = "linux")]
pub(crate) use symbol::{Group, Symbol};
