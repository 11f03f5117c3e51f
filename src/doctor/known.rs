//! Libraries and languages that are known to hang in forked children for reasons that preloading
//! does not cure.

use std::path::Path;

use crate::target::{Image, Listing};

/// File names of mapped libraries, by how they start, and what to know about each. Wheels carry renamed
/// copies such as `libopenblas64_p-r0-15028c96.3.21.so`, hence no `.so` in the names.
const LIBRARIES: &[(&str, &str)] = &[
    (
        "libopenblas",
        "OpenBLAS's own fork handler ends its threads, and waits for ever if another thread computes \
         with them; set OPENBLAS_NUM_THREADS=1, or fork while no other thread computes",
    ),
    (
        "libgrpc",
        "gRPC's locks and threads do not survive a fork; set GRPC_ENABLE_FORK_SUPPORT=1, or create \
         channels after the fork",
    ),
    (
        "librdkafka",
        "the threads of librdkafka do not exist in a forked child; create clients after the fork",
    ),
    (
        "libcuda",
        "CUDA cannot be used in a forked child if it was initialised before the fork; that is an \
         error, not a hang",
    ),
    ("libtsan", "ThreadSanitizer lets no forked child of a multithreaded program start threads"),
];

/// What to know about a program's libraries and languages.
pub(super) fn notes(program: &Path, image: &Image, listing: &Listing) -> Vec<(String, String)> {
    let mut notes: Vec<_> = LIBRARIES
        .iter()
        .filter(|(prefix, _)| listing.has(prefix))
        .map(|(prefix, note)| ((*prefix).to_owned(), (*note).to_owned()))
        .collect();
    let mut add = |name: &str, note: &str| notes.push((name.to_owned(), note.to_owned()));
    let name = program.file_name().unwrap_or_default().to_string_lossy();
    if name.starts_with("python3") || listing.has("libpython3") {
        add(
            "python",
            "locks of Python 3.14 and later (threading.Lock, queues, files) are invisible to the library, \
             and one that a thread held at the fork stays held in the child; those of earlier versions \
             are free again",
        );
    }
    if image.is_go {
        add(
            "go",
            "Go's runtime makes its system calls itself, so its own forks are not seen; it executes \
             a program at once after each, which is safe",
        );
    }
    if image.is_rust {
        add(
            "rust",
            "locks of Rust's standard library and of parking_lot are invisible to the library; one \
             that a thread held at the fork stays held in the child",
        );
    }
    notes
}
