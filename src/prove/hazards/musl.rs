//! The rows that only musl has.

use super::Family::{Rest, Stdio};
use super::{Call, Hazard, calls};

// The calls that meet in a stream which a thread holds.
const HOLD: Call = Call { name: "flockfile", call: calls::hold_stream };
const FLUSH: Call = Call { name: "fflush(NULL)", call: calls::flush_all };

pub(super) static ROWS: &[Hazard] = &[
    Hazard::same(Stdio, "fputs", calls::fputs).after(calls::open_stream),
    Hazard::pair(Stdio, "flockfile", HOLD, FLUSH).after(calls::open_stream),
    Hazard::same(Rest, "rewinddir", calls::rewinddir).after(calls::open_directory),
    Hazard::same(Rest, "pthread_getschedparam", calls::priority_of_main)
        .after(calls::remember_main),
];
