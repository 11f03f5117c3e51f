//! The tests of real programs once more, for Linux on arm64: cross-built, and run by an emulator
//! (`tests/arm64/emulator`). qemu translates the code of each thread and hands its system calls to the
//! kernel of this machine, so threads, forks, futexes and `membarrier(2)` are real. What it cannot show
//! is reordering that arm64 allows and this machine does not: see `docs/memory-ordering.md`.

#![cfg(all(target_os = "linux", target_arch = "x86_64"))]
#![allow(clippy::duplicate_mod, reason = "the files are those of other tests, with their harness")]

mod common;

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
#[path = "arm64/ordering.rs"]
mod ordering;
#[path = "pools.rs"]
mod pools;
#[path = "arm64/prove.rs"]
mod prove;
#[path = "spawn.rs"]
mod spawn;
#[path = "symbols.rs"]
mod symbols;
#[path = "user_locks.rs"]
mod user_locks;
