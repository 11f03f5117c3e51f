//! What the figures were measured on.

use std::ffi::CStr;
use std::{fs, thread};

unsafe extern "C" {
    /// Of glibc; the libc crate does not have it.
    safe fn gnu_get_libc_version() -> *const libc::c_char;
}

/// Processor, kernel and libc, in one line.
pub(crate) fn describe() -> String {
    let cpus = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = cpus.lines().find_map(|line| line.strip_prefix("model name\t: "));
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    // SAFETY: libc returns a constant string.
    let glibc = unsafe { CStr::from_ptr(gnu_get_libc_version()) };
    format!(
        "{} ({} processors), Linux {}, glibc {}",
        model.unwrap_or("an unknown processor"),
        thread::available_parallelism().map_or(1, usize::from),
        kernel.trim_end(),
        glibc.to_string_lossy()
    )
}

/// What to say of the load of the last minute, if there was some.
pub(crate) fn disturbance() -> Option<String> {
    let text = fs::read_to_string("/proc/loadavg").ok()?;
    let (load, _) = text.split_once(' ')?;
    let busy = load.parse::<f64>().is_ok_and(|load| load > 0.5);
    busy.then(|| {
        format!("load average {load}: programs that still run beside this one disturb the times")
    })
}
