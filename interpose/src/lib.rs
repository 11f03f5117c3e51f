//! forkfix, the preloaded library: makes forked children of multithreaded programs stop hanging.
//!
//! A thread that is inside libc when another one forks leaves its locks behind in the child, held
//! for ever. This library interposes the calls that take such locks, and makes a forking thread wait,
//! within bounds, until every other thread is out of them.
//!
//! Where to find things, in the order in which a fork meets them:
//!
//! | room | what lives there |
//! |---|---|
//! | `table` | every interposed symbol, one line each; `rows` turns the lines into functions |
//! | `next` | the definitions that the symbols would have had without us |
//! | `family` | what a family of calls needs: how long to wait for it |
//! | `gate`, `barrier` | the protocol between threads inside libc and a forking thread |
//! | `reader`, `slot`, `tls`, `annex`, `bounds` | a thread's side of it: entering, leaving, its record |
//! | `forker`, `drain` | the forking thread's side: closing, opening; waiting, giving up |
//! | `fork`, `triple` | the whole sequence on one screen, and who calls it; `page` keeps what it writes together |
//! | `atfork`, `object` | the registry of fork handlers, and which of them are the allocator's |
//! | `child` | the only code that runs in the child before `fork` returns |
//! | `history` | Linux: whether this process's children only start other programs |
//! | `locks` | Linux: locks of the program, waited for like calls of libc, and free again in the child |
//! | `pools` | glibc: pools of threads that a child lacks, which begin anew in it |
//! | `loader` | glibc: the loader's own locks, which are taken instead of gated |
//! | `libc_data` | Linux: libc's own variables, and the locks among them |
//! | `musl` | what musl's fork leaves locked in the child, and where it is repaired |
//! | `spawn`, `preload` | the environment that new programs get |
//! | `hooks` | bodies of hooks that do more than pass the gate |
//! | `warmup` | macOS: what is initialised at load, so that no child need do it |
//! | `record` | Linux: what happens, told to a supervisor that watches |
//! | `options`, `logger`, `stats`, `text` | what the user asked for, and what the user is told |
//! | `sys` | system calls, and all that differs by operating system |
//!
//! The crate exports C symbols, not a Rust interface. `gate_model` checks the protocol with loom.

// The protocol alone is built for loom's model.
mod barrier;
mod gate;
#[cfg(all(loom, test))]
mod gate_model;
mod sync;

#[cfg(all(target_env = "gnu", not(loom)))]
mod annex;
#[cfg(not(loom))]
mod atfork;
#[cfg(not(loom))]
mod bounds;
#[cfg(not(loom))]
mod child;
#[cfg(not(loom))]
mod drain;
#[cfg(not(loom))]
mod environ;
#[cfg(not(loom))]
mod errno;
#[cfg(not(loom))]
mod family;
#[cfg(not(loom))]
mod fork;
#[cfg(not(loom))]
mod forker;
#[cfg(all(target_os = "linux", not(loom)))]
mod history;
#[cfg(not(loom))]
mod hooks;
#[cfg(all(target_os = "linux", not(loom)))]
mod libc_data;
#[cfg(not(loom))]
mod load;
#[cfg(all(target_env = "gnu", not(loom)))]
mod loader;
#[cfg(not(loom))]
mod lock;
#[cfg(target_os = "linux")]
mod locks;
#[cfg(not(loom))]
mod logger;
#[cfg(all(target_env = "musl", not(loom)))]
mod musl;
#[cfg(not(loom))]
mod next;
#[cfg(not(loom))]
mod object;
#[cfg(not(loom))]
mod options;
#[cfg(all(target_os = "linux", not(loom)))]
mod page;
#[cfg(all(target_env = "gnu", not(loom)))]
mod pools;
#[cfg(not(loom))]
mod preload;
#[cfg(not(loom))]
mod reader;
#[cfg(all(target_os = "linux", not(loom)))]
mod record;
#[cfg(not(loom))]
mod rows;
#[cfg(not(loom))]
mod slot;
#[cfg(not(loom))]
mod spawn;
#[cfg(not(loom))]
mod stats;
#[cfg(not(loom))]
mod sys;
#[cfg(not(loom))]
mod table;
#[cfg(not(loom))]
mod text;
#[cfg(not(loom))]
mod threads;
#[cfg(not(loom))]
mod tls;
#[cfg(not(loom))]
mod triple;
#[cfg(all(target_os = "macos", not(loom)))]
mod warmup;
