//! Bodies of hooks that do more than pass the gate.

#[cfg(target_os = "linux")]
pub(crate) mod environment;
#[cfg(target_env = "gnu")]
pub(crate) mod exit;
#[cfg(target_env = "gnu")]
pub(crate) mod helpers;
#[cfg(target_env = "gnu")]
pub(crate) mod lookup;
#[cfg(target_os = "macos")]
pub(crate) mod macos;
#[cfg(target_env = "gnu")]
pub(crate) mod messages;
#[cfg(target_env = "gnu")]
pub(crate) mod names;
#[cfg(target_env = "gnu")]
pub(crate) mod plain;
#[cfg(target_os = "linux")]
pub(crate) mod processes;
#[cfg(target_env = "gnu")]
pub(crate) mod streams;
