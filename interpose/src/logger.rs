//! A `log::Log` that neither allocates nor locks: one line, one `write(2)`.
//!
//! Allowed everywhere, also in signal handlers and in a forked child. `env_logger` is not: it
//! allocates and takes the lock of std's stderr, and a child that logs while another thread of the
//! parent held that lock hangs.

use core::fmt::Write;

use log::{LevelFilter, Log, Metadata, Record};

use crate::sys;
use crate::text::Text;

struct Stderr;

impl Log for Stderr {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.level() <= log::max_level()
    }

    fn log(&self, record: &Record<'_>) {
        let mut line = Text::<512>::new();
        let _ = write!(
            line,
            "forkfix[{}.{}] {} µs {}: {}",
            sys::getpid(),
            sys::gettid(),
            sys::monotonic_ns() / 1000,
            record.level(),
            record.args(),
        );
        line.end_line();
        sys::write(libc::STDERR_FILENO, line.as_bytes());
    }

    fn flush(&self) {}
}

/// Makes this the logger, with errors only until the options say otherwise.
pub(crate) fn install() {
    if log::set_logger(&Stderr).is_ok() {
        log::set_max_level(LevelFilter::Error);
    }
}
