//! What the figures were measured on.

use std::ffi::CStr;
use std::hint::black_box;
use std::time::Instant;
use std::{fs, thread};

use crate::figures::Figures;

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

/// What to say of what disturbs the times: the load of the last minute, and who else uses the processor.
pub(crate) fn disturbances() -> impl Iterator<Item = String> {
    [load(), contention()].into_iter().flatten()
}

fn load() -> Option<String> {
    let text = fs::read_to_string("/proc/loadavg").ok()?;
    let (load, _) = text.split_once(' ')?;
    let busy = load.parse::<f64>().is_ok_and(|load| load > 0.5);
    busy.then(|| {
        format!("load average {load}: programs that still run beside this one disturb the times")
    })
}

/// A virtual machine does not see the others on its host, but the same work takes longer because of them.
fn contention() -> Option<String> {
    let work = || {
        let begin = Instant::now();
        (0..1_000_000_u32).for_each(|number| _ = black_box(number));
        begin.elapsed().as_secs_f64()
    };
    let times = Figures::of((0..500).map(|_| work()).collect());
    let [best, worse] = [0, 75].map(|percent| times.percentile(percent));
    (worse > 1.1 * best).then(|| {
        let factor = worse / best;
        format!("a quarter of equal work takes over {factor:.1} times as long as the best: others use the processor")
    })
}
