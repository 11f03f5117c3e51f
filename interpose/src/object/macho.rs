//! macOS: allocators are zones, which libSystem itself locks around a fork, after every handler
//! (Libsystem `init.c`): none of them registers handlers that need a tier of their own.

use crate::atfork::Handler;

/// Never.
pub(crate) fn is_allocators(_handlers: &[Option<Handler>], _early: bool) -> bool {
    false
}

/// Nothing to find.
pub(crate) fn find_provider() {}
