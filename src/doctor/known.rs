//! What is known of libraries, languages and runtimes: how each is recognised, and what becomes of it in a forked child.
//! One row each; docs/runtimes.md has the measurements.

use serde::Serialize;

use super::signs::Sign::{self, Comment, Crate, Library, Section, Symbol};
use crate::preset::Preset;

/// What forkfix does for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Outcome {
    /// A fork waits until nothing of it is in the way.
    Covered,
    /// It is mended in the child.
    Repaired,
    /// It needs nothing, as it takes care of forks itself.
    Unaffected,
    /// A child can hang, and `forkfix run --watch` can only say so.
    Diagnosable,
    /// Nothing of it is seen.
    Unprotected,
}

/// What a program runs on, and with which of the library's options.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ground {
    pub(super) is_linux: bool,
    pub(super) is_glibc: bool,
    /// The option `pools` is `gomp`.
    pub(super) begins_pools: bool,
    /// The option `orphans` is not `off`.
    pub(super) waits_for_locks: bool,
    /// The option `orphans` is `repair`.
    pub(super) repairs_locks: bool,
}

/// One of them.
pub(super) struct Row {
    pub(super) name: &'static str,
    pub(super) outcome: Outcome,
    /// Where the row holds.
    pub(super) on: fn(&Ground) -> bool,
    /// Any of these shows it.
    pub(super) signs: &'static [Sign],
    /// Any of these, in any file, shows that it is something else.
    pub(super) unless: &'static [Sign],
    /// What it means for a child.
    pub(super) means: &'static str,
    /// What helps; empty if nothing has to, or can.
    pub(super) helps: &'static str,
    pub(super) preset: Option<Preset>,
}

/// A row that holds everywhere, with the parts that most rows do without.
const ROW: Row = Row {
    name: "",
    outcome: Outcome::Diagnosable,
    on: |_| true,
    signs: &[],
    unless: &[],
    means: "",
    helps: "",
    preset: None,
};

/// What only a CPython has whose locks are its own: 3.14 and later, and any that is free-threaded.
const PYTHON_OF_BYTES: &[Sign] =
    &[Symbol("PyUnicodeWriter_Create"), Symbol("_Py_MergeZeroLocalRefcount")];
const PYTHON: &[Sign] = &[Symbol("PyThread_acquire_lock_timed")];
const LOCKS: &[Sign] = &[
    Symbol("pthread_mutex_lock"),
    Symbol("pthread_rwlock_*lock"),
    Symbol("pthread_spin_lock"),
    Symbol("sem_wait"),
];
const LIBGOMP: &[Sign] = &[Library("libgomp")];

/// What is known.
pub(super) const ROWS: &[Row] = &[
    Row {
        name: "calls",
        outcome: Outcome::Covered,
        signs: &[
            Library("libc.so"),
            Library("libc.musl"),
            Library("ld-musl"),
            Library("libSystem"),
        ],
        means: "a fork waits, within bounds, until no other thread is inside of its calls",
        ..ROW
    },
    Row {
        name: "locks",
        outcome: Outcome::Covered,
        on: |ground| ground.is_linux && ground.waits_for_locks,
        signs: LOCKS,
        means: "a fork waits for threads that hold mutexes, read-write locks, spinlocks or semaphores",
        ..ROW
    },
    Row {
        name: "locks",
        on: |ground| !ground.is_linux || !ground.waits_for_locks,
        signs: LOCKS,
        means: "locks of the program are not waited for (on macOS, and with orphans=off); one that a thread \
                held at the fork stays held in the child",
        helps: "have the child execute a program at once, or use posix_spawn",
        ..ROW
    },
    Row {
        name: "statics",
        outcome: Outcome::Covered,
        on: |ground| ground.is_linux && ground.waits_for_locks,
        signs: &[Symbol("__cxa_guard_acquire")],
        means: "a fork waits for threads that initialise a static variable of a C++ function",
        ..ROW
    },
    Row {
        name: "libgomp",
        outcome: Outcome::Repaired,
        on: |ground| ground.is_glibc && ground.begins_pools,
        signs: LIBGOMP,
        means: "a child makes a pool of threads of its own at its first parallel region",
        ..ROW
    },
    Row {
        name: "libgomp",
        on: |ground| !ground.is_glibc || !ground.begins_pools,
        signs: LIBGOMP,
        means: "the threads of its pool do not exist in a child, whose first parallel region waits for them \
                (mended with glibc and pools=gomp alone)",
        preset: Some(Preset::Openmp),
        ..ROW
    },
    Row {
        name: "libgomp-static",
        signs: &[Symbol("gomp_team_start")],
        unless: LIBGOMP,
        means: "libgomp is linked into it, where its pool is not found, whose threads do not exist in a child",
        helps: "link it with libgomp.so",
        preset: Some(Preset::Openmp),
        ..ROW
    },
    Row {
        name: "python",
        outcome: Outcome::Repaired,
        on: |ground| ground.is_linux && ground.repairs_locks,
        signs: PYTHON,
        unless: PYTHON_OF_BYTES,
        means: "locks of Python (threading, queues, files, imports) that vanished threads held are free again \
                in a child; what they guard may be half done",
        ..ROW
    },
    Row {
        name: "python",
        on: |ground| ground.is_linux && !ground.repairs_locks,
        signs: PYTHON,
        unless: PYTHON_OF_BYTES,
        means: "no fork can wait for Python's locks, so they must be mended in the child",
        helps: "leave FORKFIX_OPTIONS=orphans at repair",
        ..ROW
    },
    Row {
        name: "python",
        signs: PYTHON_OF_BYTES,
        means: "locks of Python 3.14 and later, and of free-threaded ones (threading.Lock, queues, files), are \
                invisible to the library; one that a thread held at the fork stays held in the child",
        helps: "use the start methods spawn or forkserver of multiprocessing",
        ..ROW
    },
    Row {
        name: "python",
        on: |ground| !ground.is_linux,
        signs: &[Library("python"), Library("libpython"), Library("Python")],
        means: "Python's locks are not mended here, and Apple's frameworks crash or hang in a child",
        helps: "use the start methods spawn or forkserver of multiprocessing",
        preset: Some(Preset::Python),
        ..ROW
    },
    Row {
        name: "ruby",
        on: |ground| !ground.is_linux,
        signs: &[Library("ruby"), Library("libruby")],
        means: "Apple's frameworks crash or hang in a child",
        preset: Some(Preset::Ruby),
        ..ROW
    },
    Row {
        name: "php",
        on: |ground| !ground.is_linux,
        signs: &[Library("php"), Library("libphp")],
        means: "Apple's frameworks crash or hang in a child",
        preset: Some(Preset::Php),
        ..ROW
    },
    Row {
        name: "postgres",
        on: |ground| !ground.is_linux,
        signs: &[Library("postgres")],
        means: "gettext starts a thread in the postmaster if no locale is set",
        preset: Some(Preset::Postgres),
        ..ROW
    },
    Row {
        name: "libomp",
        outcome: Outcome::Unaffected,
        signs: &[Library("libomp"), Library("libiomp5")],
        means: "LLVM's and Intel's OpenMP have a fork handler of their own; do not preload them in place of \
                GCC's, with which LightGBM hangs",
        ..ROW
    },
    Row {
        name: "mkl",
        outcome: Outcome::Unaffected,
        signs: &[Library("libmkl_")],
        means: "its threads are those of OpenMP, Intel's or GCC's, which begin anew in a child",
        ..ROW
    },
    Row {
        name: "libopenblas",
        signs: &[Library("libopenblas"), Library("libscipy_openblas")],
        means: "OpenBLAS's own fork handler ends its threads, and waits for ever if another thread computes \
                with them",
        helps: "set OPENBLAS_NUM_THREADS=1 (with its OpenMP: --preset openmp), or fork while no other thread \
                computes",
        ..ROW
    },
    Row {
        name: "libtbb",
        signs: &[
            Library("libtbb.so"),
            Library("libtbb-"),
            Library("libtbb12"),
            Library("libtbb.12"),
        ],
        means: "a child seldom hangs if threads of oneTBB's pool were about to rest at the fork",
        helps: "call tbb::finalize before the fork",
        ..ROW
    },
    Row {
        name: "rayon",
        signs: &[Symbol("*10rayon_core*"), Crate("rayon-core")],
        means: "the threads of rayon's pool do not exist in a child, which waits for them at its first \
                parallel call",
        helps: "use it first in the child; multiprocessing.get_context(\"spawn\") in Python (Polars), \
                TOKENIZERS_PARALLELISM=false for tokenizers",
        ..ROW
    },
    Row {
        name: "tokio",
        signs: &[Symbol("*5tokio7runtime*"), Crate("tokio")],
        means: "the workers of a Runtime do not exist in a child, which waits for them",
        helps: "make the Runtime in the child",
        ..ROW
    },
    Row {
        name: "rust",
        signs: &[Comment("rustc version"), Symbol("rust_eh_personality")],
        means: "locks of Rust's standard library and of parking_lot are invisible to the library; one that a \
                thread held at the fork stays held in the child",
        helps: "have the child execute a program at once (std::process::Command does)",
        ..ROW
    },
    Row {
        name: "libgrpc",
        signs: &[Library("libgrpc"), Library("cygrpc"), Symbol("grpc_init")],
        means: "gRPC's locks and threads do not survive a fork without its own handlers",
        helps: "leave GRPC_ENABLE_FORK_SUPPORT at 1, or create channels after the fork",
        ..ROW
    },
    Row {
        name: "abseil",
        signs: &[Symbol("_Z*4absl*5Mutex*")],
        means: "absl::Mutex is an atomic number that no hook sees; one that a thread held at the fork stays \
                held in the child",
        helps: "use posix_spawn, or execute a program in the child at once",
        ..ROW
    },
    Row {
        name: "libglib",
        signs: &[Library("libglib-2.0")],
        means: "GMutex is an atomic number that no hook sees; one that a thread held at the fork stays held in \
                the child",
        helps: "use g_spawn_async, or execute a program in the child at once",
        ..ROW
    },
    Row {
        name: "librdkafka",
        signs: &[Library("librdkafka")],
        means: "the threads of librdkafka do not exist in a forked child",
        helps: "create clients after the fork",
        ..ROW
    },
    Row {
        name: "jax",
        signs: &[Library("libjax_common"), Library("xla_extension")],
        means: "the threads of JAX do not exist in a child, which waits for them",
        helps: "use multiprocessing.get_context(\"spawn\")",
        ..ROW
    },
    Row {
        name: "libcuda",
        signs: &[Library("libcuda"), Symbol("cudaLaunchKernel"), Symbol("cuInit")],
        means: "CUDA cannot be used in a forked child if it was initialised before the fork; that is an \
                error, not a hang",
        helps: "use CUDA first in the child, or multiprocessing.get_context(\"spawn\")",
        ..ROW
    },
    Row {
        name: "libtsan",
        signs: &[Library("libtsan")],
        means: "ThreadSanitizer lets no forked child of a multithreaded program start threads",
        helps: "build without it where children start threads",
        ..ROW
    },
    Row {
        name: "go",
        outcome: Outcome::Unprotected,
        signs: &[
            Section(".note.go.buildid"),
            Section(".go.buildinfo"),
            Section("__go_buildinfo"),
            Symbol("runtime.main"),
        ],
        means: "Go's runtime makes its system calls itself, so its own forks are not seen; it executes \
                a program at once after each, which is safe",
        ..ROW
    },
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_row_says_how_it_is_found_and_what_helps() {
        for row in ROWS {
            assert!(!row.signs.is_empty() && !row.means.is_empty(), "{}", row.name);
            let has_help = !row.helps.is_empty() || row.preset.is_some();
            assert_eq!(has_help, row.outcome == Outcome::Diagnosable, "{}", row.name);
        }
    }

    #[test]
    fn the_documentation_has_every_row() {
        let document = include_str!("../../docs/doctor.md");
        for row in ROWS {
            assert!(document.contains(&format!("| `{}` |", row.name)), "{}", row.name);
        }
    }
}
