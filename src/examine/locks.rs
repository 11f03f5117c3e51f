//! What a thread waits for: told by the innermost functions of its stack.
//!
//! From the innermost frame outwards, frames are passed as long as a row below knows them; the outermost of
//! these tells most. So `__lll_lock_wait` below `pthread_mutex_lock` is a mutex, and below `localtime` it is the lock of
//! libc's time zone. The first function that no row knows is the one that waits.

use crate::report::model::Frame;

/// What can be found out about a kind of lock, and said of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Class {
    Mutex,
    /// A read-write lock.
    ReadWrite,
    Condition,
    Semaphore,
    Barrier,
    Once,
    /// The guard of a static variable in C++.
    Guard,
    /// The end of another thread.
    Join,
    /// A lock inside of libc, with its family as forkfix calls it.
    Libc(&'static str),
    /// A lock that is nothing but a futex, and that is waited for itself.
    Futex,
    /// The same, waited for on a word of the thread's own.
    Parked,
    /// The threads of a pool.
    Pool(Pool),
    /// What Python locks by, up to 3.12: a semaphore.
    Python,
    /// None of these.
    Unknown,
}

/// Whose threads those are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Pool {
    /// That of GCC.
    Gomp,
    OpenMp,
    Rayon,
    Tokio,
}

/// Functions that belong to waiting.
struct Row {
    /// How the object's file name begins.
    module: &'static str,
    /// How the functions' names begin: without underscores in front, and what C++ and Rust put around them.
    functions: &'static [&'static str],
    /// What is waited for; `None` if the functions do not tell.
    is: Option<(&'static str, Class)>,
}

const fn row(
    module: &'static str,
    functions: &'static [&'static str],
    name: &'static str,
    class: Class,
) -> Row {
    Row { module, functions, is: Some((name, class)) }
}

/// In any object.
const ANY: &str = "";

/// The file names of libcs and of their parts.
const LIBCS: [&str; 5] = ["libc.so", "libc-", "libpthread", "ld-", "libc.musl"];

/// Our own library, through which the program's calls go.
const OURS: &str = "libforkfix";

/// The first row that fits counts.
#[rustfmt::skip]
const ROWS: &[Row] = &[
    // C's, in libc or in our library, which has functions of the same names.
    row(ANY, &["pthread_mutex_", "mtx_lock", "mtx_timedlock"], "pthread mutex", Class::Mutex),
    row(ANY, &["pthread_rwlock_"], "pthread read-write lock", Class::ReadWrite),
    row(ANY, &["pthread_cond_", "cnd_wait"], "condition variable", Class::Condition),
    row(ANY, &["new_sem_", "old_sem_", "sem_wait", "sem_timedwait", "sem_clockwait"], "semaphore", Class::Semaphore),
    row(ANY, &["pthread_barrier_wait"], "pthread barrier", Class::Barrier),
    row(ANY, &["pthread_once", "call_once"], "pthread_once", Class::Once),
    row(ANY, &["pthread_join", "pthread_clockjoin", "pthread_timedjoin", "thrd_join"], "end of a thread", Class::Join),
    row(ANY, &["cxa_guard_acquire", "forkfix::locks::guard::acquire"], "C++ static guard", Class::Guard),
    // C++'s.
    row(ANY, &["std::mutex::lock", "std::recursive_mutex::lock"], "std::mutex", Class::Mutex),
    row(ANY, &["std::shared_mutex::", "std::__shared_mutex_pthread::", "std::shared_timed_mutex::"], "std::shared_mutex", Class::ReadWrite),
    row(ANY, &["std::condition_variable::wait", "std::_V2::condition_variable"], "condition variable", Class::Condition),
    row(ANY, &["std::thread::join"], "end of a thread", Class::Join),
    row(ANY, &["gthread_", "std::lock_guard", "std::unique_lock", "std::scoped_lock", "std::shared_lock", "std::lock"], "std::mutex", Class::Mutex),
    // Rust's.
    row(ANY, &["std::sys::sync::mutex", "std::sync::poison::mutex", "std::sync::mutex", "std::sys::locks::futex_mutex"], "Rust std::sync::Mutex", Class::Futex),
    row(ANY, &["std::sys::sync::rwlock", "std::sync::poison::rwlock", "std::sync::rwlock"], "Rust std::sync::RwLock", Class::Futex),
    row(ANY, &["std::sys::sync::condvar", "std::sync::poison::condvar", "std::sync::condvar"], "Rust std::sync::Condvar", Class::Condition),
    row(ANY, &["std::sys::sync::once", "std::sync::poison::once", "std::sync::once", "std::sync::lazy"], "Rust std::sync::Once", Class::Futex),
    row(ANY, &["std::sync::mpsc", "std::sync::mpmc"], "Rust std::sync::mpsc channel", Class::Condition),
    row(ANY, &["std::sync::barrier"], "Rust std::sync::Barrier", Class::Barrier),
    row(ANY, &["std::thread::park", "std::thread::thread::Thread::park"], "Rust thread park", Class::Condition),
    row(ANY, &["std::sys::thread", "std::sys::pal::unix::thread", "std::thread::JoinInner", "std::thread::JoinHandle"], "end of a thread", Class::Join),
    row(ANY, &["parking_lot::raw_mutex", "parking_lot::mutex"], "parking_lot::Mutex", Class::Parked),
    row(ANY, &["parking_lot::raw_rwlock", "parking_lot::rwlock"], "parking_lot::RwLock", Class::Parked),
    row(ANY, &["parking_lot::condvar"], "parking_lot::Condvar", Class::Condition),
    row(ANY, &["parking_lot::once"], "parking_lot::Once", Class::Parked),
    row(ANY, &["rayon::", "rayon_core::"], "rayon's pool", Class::Pool(Pool::Rayon)),
    row(ANY, &["tokio::"], "tokio's workers", Class::Pool(Pool::Tokio)),
    Row { module: ANY, functions: &["std::sys::", "std::sync::", "std::thread::local", "core::", "parking_lot", "lock_api::"], is: None },
    // Abseil's.
    row(ANY, &["absl::Mutex", "absl::base_internal::SpinLock", "absl::ReaderMutexLock", "absl::WriterMutexLock"], "absl::Mutex", Class::Parked),
    Row { module: ANY, functions: &["absl::synchronization_internal", "absl::base_internal", "AbslInternal", "absl::CondVar"], is: None },
    // Python's.
    row(ANY, &["PyThread_acquire_lock"], "Python lock", Class::Python),
    row(ANY, &["PyMutex_Lock", "PyRecursiveMutex_Lock", "PyRWMutex"], "Python lock", Class::Parked),
    row(ANY, &["PyOnceFlag", "PyRawMutex"], "Python lock", Class::Parked),
    row(ANY, &["take_gil", "PyEval_RestoreThread", "PyEval_AcquireThread"], "Python's global lock", Class::Condition),
    Row { module: ANY, functions: &["PyParkingLot", "PySemaphore"], is: None },
    // OpenMP's.
    row("libgomp", &["GOMP_critical"], "OpenMP critical section", Class::Futex),
    row("libgomp", &["omp_set_lock", "omp_set_nest_lock"], "OpenMP lock", Class::Futex),
    row("libgomp", &[""], "OpenMP barrier", Class::Pool(Pool::Gomp)),
    row("libomp", &[""], "OpenMP barrier", Class::Pool(Pool::OpenMp)),
    row("libiomp", &[""], "OpenMP barrier", Class::Pool(Pool::OpenMp)),
];

/// Functions of libc by the family whose lock they take.
#[rustfmt::skip]
const FAMILIES: &[(&str, &[&str])] = &[
    ("time-zone", &["tz", "localtime", "mktime", "timelocal", "strftime", "wcsftime", "ctime", "offtime"]),
    ("environment", &["setenv", "putenv", "unsetenv", "clearenv", "add_to_environ", "getenv", "secure_getenv"]),
    ("locale", &["setlocale", "newlocale", "duplocale", "freelocale", "strerror", "dcgettext", "dcigettext", "gettext", "bindtextdomain", "textdomain", "nl_"]),
    ("random", &["random", "rand", "srand", "initstate", "setstate", "drand48", "lrand48"]),
    ("syslog", &["syslog", "vsyslog", "openlog", "closelog", "setlogmask"]),
    ("users", &["getpw", "getgr", "initgroups", "setpw", "setgr", "endpw", "endgr", "getsp"]),
    ("hosts", &["getaddrinfo", "getnameinfo", "gethost", "res_"]),
    ("names", &["getserv", "getproto", "getnet", "getrpc", "getalias", "nss_"]),
    ("system", &["system", "do_system"]),
    ("popen", &["popen", "pclose", "proc_file_chain"]),
    ("exit", &["exit", "run_exit_handlers", "cxa_atexit", "on_exit", "cxa_finalize", "quick_exit"]),
    ("conversion", &["iconv", "gconv", "wcsmbs"]),
    ("loader", &["dlopen", "dlsym", "dlclose", "dl_", "tls_get_addr", "dladdr"]),
    ("allocator", &["malloc", "calloc", "realloc", "free", "memalign", "posix_memalign", "aligned_alloc", "int_malloc", "int_free", "arena_get", "malloc_trim", "mallinfo", "mallopt"]),
    ("directory", &["readdir", "closedir", "rewinddir", "seekdir", "telldir"]),
    ("threads", &["pthread_", "allocate_stack", "nptl_", "deallocate_stack"]),
    ("stdio", &["IO_", "fopen", "fclose", "fflush", "fread", "fwrite", "fput", "fget", "fprintf", "fscanf", "fseek", "ftell", "flockfile", "puts", "putc", "getc", "getline", "getdelim", "printf", "vprintf", "vfprintf", "scanf", "setvbuf", "perror", "ungetc"]),
];

/// Whether the object of this name is libc or our library.
pub(super) fn is_system(module: &str) -> bool {
    is_ours(module) || LIBCS.iter().any(|libc| module.starts_with(libc))
}

/// Whether it is our library.
pub(super) fn is_ours(module: &str) -> bool {
    module.starts_with(OURS)
}

/// A thread's waiting.
pub(super) struct Waiting {
    /// In words.
    pub(super) kind: String,
    pub(super) class: Class,
    /// How many of the innermost frames belong to waiting, inlined ones counted.
    pub(super) depth: usize,
}

/// What the thread with these frames waits for.
pub(super) fn waiting(frames: &[Frame]) -> Waiting {
    let mut found = Waiting { kind: "futex".to_owned(), class: Class::Unknown, depth: 0 };
    for (depth, frame) in frames.iter().enumerate() {
        match known(frame, found.class) {
            Some(Some((kind, class))) => found = Waiting { kind, class, depth: depth + 1 },
            Some(None) => found.depth = depth + 1,
            None => break,
        }
    }
    found
}

impl Waiting {
    /// The same, when it is known that the program called `function` to wait: what this jumps to has the same
    /// caller, and OpenMP's functions have no names of their own.
    pub(super) fn by_call(self, function: &Frame) -> Self {
        match (self.class, known(function, Class::Unknown)) {
            (Class::Pool(Pool::Gomp), Some(Some((kind, class)))) => Self { kind, class, ..self },
            _ => self,
        }
    }
}

/// What `frame` tells: nothing (`None`), that it belongs to waiting, or for what. `class`: what is known so far.
fn known(frame: &Frame, class: Class) -> Option<Option<(String, Class)>> {
    let module = frame.module.as_deref().unwrap_or_default();
    let function = plain(frame.function.as_deref().unwrap_or_default());
    let in_libc = LIBCS.iter().any(|libc| module.starts_with(libc));
    let plumbing = in_libc || module.starts_with(OURS);
    let fits = |row: &&Row| {
        module.starts_with(row.module)
            && row.functions.iter().any(|start| function.starts_with(start))
            // What takes a lock inside of libc is more than that lock.
            && (!in_libc || class == Class::Unknown || row.is.is_some_and(|(_, is)| is == class))
    };
    if let Some(row) = ROWS.iter().find(fits) {
        return Some(row.is.map(|(name, class)| (name.to_owned(), class)));
    }
    let family =
        FAMILIES.iter().find(|(_, names)| names.iter().any(|name| function.starts_with(name)));
    match family.filter(|_| in_libc && !function.is_empty()) {
        Some((family, _)) => Some(Some((format!("lock of libc ({family})"), Class::Libc(family)))),
        None => plumbing.then_some(None),
    }
}

/// A function's name without what compilers and libcs put around it.
fn plain(name: &str) -> String {
    let name = name.trim_start_matches(['_', '<', '&']);
    let name = name.strip_prefix("GI_").unwrap_or(name).trim_start_matches('_');
    // `absl::lts_20220623::Mutex`: the version is part of the name.
    let parts = name.strip_prefix("absl::").and_then(|rest| rest.split_once("::"));
    match parts.filter(|(version, _)| version.contains(|c: char| c.is_ascii_digit())) {
        Some((_, rest)) => format!("absl::{rest}"),
        None => name.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(stack: &[(&str, &str)]) -> (String, usize) {
        let frame = |(function, module): &(&str, &str)| Frame {
            function: Some((*function).to_owned()).filter(|name| !name.is_empty()),
            module: Some((*module).to_owned()),
            ..Frame::default()
        };
        let waiting = waiting(&stack.iter().map(frame).collect::<Vec<_>>());
        (waiting.kind, waiting.depth)
    }

    #[test]
    fn the_outermost_of_the_frames_that_wait_tells_most() {
        const LIBC: &str = "libc.so.6";
        for (stack, kind, depth) in [
            (
                &[("__lll_lock_wait", LIBC), ("___pthread_mutex_lock", LIBC), ("take", "a")][..],
                "pthread mutex",
                2,
            ),
            (
                &[
                    ("__lll_lock_wait", LIBC),
                    ("pthread_mutex_lock", LIBC),
                    ("pthread_mutex_lock", "libforkfix.so"),
                    ("std::mutex::lock()", "a"),
                    ("f", "a"),
                ],
                "std::mutex",
                4,
            ),
            (
                &[("__lll_lock_wait_private", LIBC), ("__tz_convert", LIBC), ("child", "a")],
                "lock of libc (time-zone)",
                2,
            ),
            (
                &[
                    ("__lll_lock_wait_private", LIBC),
                    ("", LIBC),
                    ("localtime_r", LIBC),
                    ("localtime_r", "libforkfix.so"),
                    ("child", "a"),
                ],
                "lock of libc (time-zone)",
                4,
            ),
            (
                &[
                    ("__lll_lock_wait", LIBC),
                    ("pthread_mutex_lock", LIBC),
                    ("dl_iterate_phdr", LIBC),
                    ("f", "a"),
                ],
                "lock of libc (loader)",
                3,
            ),
            (
                &[("syscall", LIBC), ("__cxa_guard_acquire", "libstdc++.so.6"), ("f", "a")],
                "C++ static guard",
                2,
            ),
            (
                &[("", "libgomp.so.1"), ("GOMP_parallel", "libgomp.so.1"), ("main", "a")],
                "OpenMP barrier",
                2,
            ),
            (
                &[
                    ("", "libgomp-a34b.so.1"),
                    ("GOMP_critical_start", "libgomp-a34b.so.1"),
                    ("f", "a"),
                ],
                "OpenMP critical section",
                2,
            ),
            (
                &[
                    ("syscall", LIBC),
                    ("std::sys::pal::unix::futex::futex_wait", "a"),
                    ("std::sys::sync::mutex::futex::Mutex::lock_contended", "a"),
                    ("std::sync::poison::mutex::Mutex<T>::lock", "a"),
                    ("a::f", "a"),
                ],
                "Rust std::sync::Mutex",
                4,
            ),
            (
                &[
                    ("syscall", LIBC),
                    ("parking_lot_core::parking_lot::park", "a"),
                    ("<parking_lot::raw_mutex::RawMutex as lock_api::mutex::RawMutex>::lock", "a"),
                    ("f", "a"),
                ],
                "parking_lot::Mutex",
                3,
            ),
            (
                &[
                    ("syscall", LIBC),
                    ("std::sys::sync::condvar::futex::Condvar::wait", "a"),
                    ("rayon_core::latch::LockLatch::wait_and_reset", "a"),
                    ("f", "a"),
                ],
                "rayon's pool",
                3,
            ),
            (
                &[
                    ("__new_sem_wait_slow64.constprop.0", LIBC),
                    ("sem_wait", "libforkfix.so"),
                    ("PyThread_acquire_lock_timed", "python3.11"),
                    ("", "python3.11"),
                ],
                "Python lock",
                3,
            ),
            (
                &[
                    ("AbslInternalPerThreadSemWait_lts_20220623", "a"),
                    ("absl::lts_20220623::Mutex::LockSlow(int)", "a"),
                    ("f", "a"),
                ],
                "absl::Mutex",
                2,
            ),
            (&[("f", "a"), ("pthread_mutex_lock", LIBC)], "futex", 0),
            (&[("", "a")], "futex", 0),
            (&[], "futex", 0),
        ] {
            assert_eq!(told(stack), (kind.to_owned(), depth), "{stack:?}");
        }
    }

    #[test]
    fn names_are_compared_without_decoration() {
        for (name, plainly) in [
            ("___pthread_mutex_lock", "pthread_mutex_lock"),
            ("__GI___libc_fork", "libc_fork"),
            (
                "<parking_lot::raw_mutex::RawMutex as x>::lock",
                "parking_lot::raw_mutex::RawMutex as x>::lock",
            ),
            ("absl::debian3::Mutex::Lock()", "absl::Mutex::Lock()"),
            ("absl::Mutex::Lock()", "absl::Mutex::Lock()"),
            ("", ""),
        ] {
            assert_eq!(plain(name), plainly);
        }
    }
}
