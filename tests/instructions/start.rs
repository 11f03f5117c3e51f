//! Counts what the library adds to the start of a program, to its loading included.
//!
//! The program does nothing. Counted by callgrind; the numbers are nearly the same in every run: the environment
//! is read.

use std::fs;

use crate::common::{Preload, Program, need};

/// The most instructions that a start may become longer by. With a look-up by `dlsym` for each symbol it was
/// 880,000.
pub(crate) const LIMIT: u64 = 350_000;

/// Instructions of a program that does nothing: bare, and what the library adds.
pub(crate) fn counted() -> (u64, u64) {
    need("valgrind", "valgrind");
    let [bare, protected] = [Preload::Bare, Preload::Protected].map(|preload| {
        let directory = tempfile::tempdir().expect("there is room for files");
        let file = directory.path().join("counts");
        let to = format!("--callgrind-out-file={}", file.display());
        let valgrind =
            Program::at("valgrind").quiet().args(["--tool=callgrind", &*to, "/bin/true"]);
        valgrind.run(preload).succeeded();
        let text = fs::read_to_string(file).expect("it is text");
        let total = text.lines().find_map(|line| line.strip_prefix("totals: ")).expect("a count");
        total.trim().parse::<u64>().expect("a number")
    });
    (bare, protected.saturating_sub(bare))
}
