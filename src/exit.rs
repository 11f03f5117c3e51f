//! The exit codes of the command, as `timeout` and `env` use them.
//!
//! A program that was started replaces the command, so its own status is passed on untouched.

/// The command line could not be understood.
pub(crate) const USAGE: u8 = 2;
/// forkfix itself failed, or refused to run the program unprotected.
pub(crate) const REFUSED: u8 = 125;
/// The program was found, but cannot be run.
pub(crate) const CANNOT_RUN: u8 = 126;
/// The program was not found.
pub(crate) const NOT_FOUND: u8 = 127;
