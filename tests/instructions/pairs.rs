//! Counts what the library adds to the use of a lock: taking it, and giving it back.
//!
//! The locks are libc's, and free: a thread that has to wait pays for that in other ways. Counted by
//! callgrind; the numbers are the same in every run.

use crate::common::{Build, Preload, Program, need};
use crate::count::{CALLS, counts};

/// The most instructions that one lock and unlock may become longer by.
pub(crate) const LIMIT: u64 = 50;

/// What is more than one pair, or more than a pair, by the names in `lock_pairs.h`, with its own limit.
const OTHERS: [(&str, u64); 6] = [
    // The second time, the mutex is not free: it is tried first.
    ("again", LIMIT + 80),
    // Two pairs. The ledger is a stack; who takes something from below has to look for it.
    ("crosswise", 2 * LIMIT + 85),
    // Says so before it takes one or gives it back: afterwards it may be gone.
    ("binary", 130),
    // Is seldom, and sleeps.
    ("wait", 250),
    // Shared with other processes: looked at twice, and passed on.
    ("shared", LIMIT + 5),
    // What is done is seen by the hook itself, as soon as by libc.
    ("once", 0),
];

/// One kind of lock.
pub(crate) struct Pair {
    pub(crate) name: String,
    /// Instructions that one use takes bare, with its call.
    pub(crate) bare: u64,
    /// What the library adds.
    pub(crate) added: u64,
}

impl Pair {
    /// The most that the library may add.
    pub(crate) fn limit(&self) -> u64 {
        OTHERS.iter().find(|(name, _)| *name == self.name).map_or(LIMIT, |(_, limit)| *limit)
    }
}

/// All kinds.
pub(crate) fn all() -> Vec<Pair> {
    need("valgrind", "valgrind");
    need("/usr/include/valgrind/callgrind.h", "valgrind");
    let program = Build::of("lock_pairs.c").executable();
    let [bare, protected] = [Preload::Bare, Preload::Protected].map(|preload| {
        let directory = tempfile::tempdir().expect("there is room for files");
        let file = format!("--callgrind-out-file={}", directory.path().join("counts").display());
        let valgrind = Program::at("valgrind").quiet().args(["--tool=callgrind", &*file]);
        valgrind.args([program.as_os_str()]).args([&CALLS.to_string()]).run(preload).succeeded();
        counts(directory.path())
    });
    assert!(bare.keys().eq(protected.keys()) && bare.len() > OTHERS.len(), "{bare:?}");
    let pair = |(name, bare): (String, u64)| {
        let added = protected[&name].saturating_sub(bare).div_ceil(CALLS);
        Pair { name, bare: bare.div_ceil(CALLS), added }
    };
    bare.into_iter().map(pair).collect()
}
