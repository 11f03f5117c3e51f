//! The rows that only macOS has.

use super::Family::{Locale, Stdio};
use super::{Hazard, calls};

pub(super) static ROWS: &[Hazard] = &[
    Hazard::same(Locale, "localeconv", calls::localeconv),
    Hazard::same(Stdio, "fputs", calls::fputs).after(calls::open_stream),
];
