//! The tests of real programs once more, with one build of the library (`interpose/baseline`) and the libc
//! of each Debian release from glibc 2.31 on. Each is unpacked into a directory of its own
//! (`tests/matrix/unpack`), where the programs are rooted; threads, forks and system calls are those of this
//! machine.
//!
//! `make matrix` runs all of it at full length, and writes `docs/libcs.md`.

#![cfg(all(target_os = "linux", target_arch = "x86_64"))]
#![allow(clippy::duplicate_mod, reason = "the files are those of other tests, with their harness")]

mod common;
#[path = "matrix/imports.rs"]
mod imports;
#[path = "matrix/table.rs"]
mod table;

/// The tests with one libc, which the harness knows by the module's name.
macro_rules! with {
    ($($libc:ident)*) => {$(
        #[path = "."]
        mod $libc {
            #[path = "cancellation.rs"]
            mod cancellation;
            #[path = "child_rules.rs"]
            mod child_rules;
            #[path = "environment.rs"]
            mod environment;
            #[path = "fork_sequence.rs"]
            mod fork_sequence;
            #[path = "handlers.rs"]
            mod handlers;
            #[path = "hangs.rs"]
            mod hangs;
            #[path = "matrix/parts.rs"]
            mod parts;
            #[path = "spawn.rs"]
            mod spawn;
            #[path = "user_locks.rs"]
            mod user_locks;
        }
    )*};
}

with! { bullseye bookworm trixie sid }
