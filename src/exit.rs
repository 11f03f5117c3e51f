//! The exit codes of the command, as `timeout` and `env` use them.
//!
//! A program that was started replaces the command, so its own status is passed on untouched. One that is
//! watched does not; its status is passed on, or 128 and the number of the signal that ended it.

/// The command line could not be understood.
pub(crate) const USAGE: u8 = 2;
/// The program that was watched has taken too long.
#[cfg(target_os = "linux")]
pub(crate) const TIMED_OUT: u8 = 124;
/// forkfix itself failed, or refused to run the program unprotected.
pub(crate) const REFUSED: u8 = 125;
/// The program was found, but cannot be run.
pub(crate) const CANNOT_RUN: u8 = 126;
/// The program was not found.
pub(crate) const NOT_FOUND: u8 = 127;
