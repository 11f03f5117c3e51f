//! What happens, told to a supervisor: `forkfix run --watch`.
//!
//! The supervisor makes a private directory with a file in it, the *ring*, and names it by the option
//! `record=`, which programs that are started inherit. Each process maps the ring at load and writes an event
//! for each thing that happens. Just before a fork it also writes down who does what, in memory of its own that
//! the child has a copy of: the *scene*.
//!
//! | room | what lives there |
//! |---|---|
//! | `format` | both as bytes; the command reads the same file |
//! | `open` | opening the ring, which may be anything by then |
//! | `ring` | writing to it |
//! | `events` | what is told, and when |
//! | `scene` | who does what at a fork; `left`: who is inside of a call then |
//! | `test` | the name of the test that runs |
//!
//! Nothing here allocates, locks or waits, and nothing trusts what stands in the ring: the program may have
//! written over it. Whoever shortens the file ends the processes that write to it (SIGBUS); only the user themself
//! can.
//!
//! No process is told to let the supervisor look at it (`PR_SET_PTRACER`). Where Yama asks for that, an ancestor
//! is let in anyway, and each other process that the supervisor started would be let in too.

use core::ptr;
use core::sync::atomic::{AtomicPtr, Ordering};

mod events;
#[expect(dead_code, reason = "some of it is for the reader alone")]
mod format;
mod left;
mod open;
mod ring;
mod scene;
mod test;

pub(crate) use events::{closing, exec, exec_failed, failed, forking, ready, waited};
pub(crate) use open::{choose, open};
pub(crate) use scene::set_python;

/// The ring; null if nothing is recorded.
#[unsafe(link_section = ".data.forkfix")]
static RING: AtomicPtr<format::Ring> = AtomicPtr::new(ptr::null_mut());

/// Whether anything is recorded.
#[inline(always)]
pub(crate) fn on() -> bool {
    !RING.load(Ordering::Relaxed).is_null()
}

/// Copies as much of `bytes` as fits, and fills up with zeroes.
fn put(to: &mut [u8], bytes: &[u8]) {
    let len = bytes.len().min(to.len());
    let (text, rest) = to.split_at_mut(len);
    text.copy_from_slice(bytes.get(..len).unwrap_or_default());
    rest.fill(0);
}
