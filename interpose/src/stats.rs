//! Counters, and the line that `stats=1` prints when the process ends.
//!
//! They count what this process did since it was forked; a child starts from zero.

use core::fmt::Write;
use core::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use crate::text::Text;
use crate::{options, slot, sys};

/// Forks that went through the handlers.
#[cfg_attr(target_os = "linux", unsafe(link_section = ".data.forkfix"))]
pub(crate) static FORKS: Counter = Counter::new();
/// Calls of `fork` that failed.
#[cfg_attr(target_os = "linux", unsafe(link_section = ".data.forkfix"))]
pub(crate) static FAILED: Counter = Counter::new();
/// How long forkers waited for other threads, in µs; one sample for each fork that had to.
static WAITS: Histogram = Histogram::new();
/// How many samples that has: a child need not look at all of it, which costs it a page.
#[cfg_attr(target_os = "linux", unsafe(link_section = ".data.forkfix"))]
static WAITED: Counter = Counter::new();
/// Threads that used up their budget.
#[cfg_attr(target_os = "linux", unsafe(link_section = ".data.forkfix"))]
pub(crate) static GAVE_UP: Counter = Counter::new();
/// Threads that did not count because they waited for a DNS server without a lock.
#[cfg_attr(target_os = "linux", unsafe(link_section = ".data.forkfix"))]
pub(crate) static WAIVED: Counter = Counter::new();
/// Calls that waited for the gate to open.
#[cfg_attr(target_os = "linux", unsafe(link_section = ".data.forkfix"))]
pub(crate) static PARKED: Counter = Counter::new();
/// Calls that were answered because their family was orphaned.
#[cfg_attr(target_os = "linux", unsafe(link_section = ".data.forkfix"))]
pub(crate) static ANSWERS: Counter = Counter::new();

/// Locks of the program that others held when a thread forked.
#[cfg(target_os = "linux")]
#[unsafe(link_section = ".data.forkfix")]
pub(crate) static ORPHANED: Counter = Counter::new();
/// Locks of the program that were made free, in this process, which is a child.
#[cfg(target_os = "linux")]
#[unsafe(link_section = ".data.forkfix")]
pub(crate) static REPAIRED: Counter = Counter::new();

/// A number that only goes up.
pub(crate) struct Counter(AtomicU64);

impl Counter {
    const fn new() -> Self {
        Self(AtomicU64::new(0))
    }

    /// Counts one more.
    pub(crate) fn add(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    /// How many it counted.
    pub(crate) fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }

    /// Writes only if it has to: the page may be shared with the parent.
    fn reset(&self) {
        if self.get() != 0 {
            self.0.store(0, Ordering::Relaxed);
        }
    }
}

/// Buckets for each doubling: a value is known to within an eighth.
const PER_OCTAVE: u32 = 8;
const BUCKETS: usize = 32 * PER_OCTAVE as usize;

/// Samples in logarithmic buckets. Only the forker adds to it.
pub(crate) struct Histogram {
    buckets: [AtomicU32; BUCKETS],
    largest: AtomicU64,
}

impl Histogram {
    const fn new() -> Self {
        Self { buckets: [const { AtomicU32::new(0) }; BUCKETS], largest: AtomicU64::new(0) }
    }

    /// Adds one sample.
    pub(crate) fn record(&self, value: u64) {
        self.largest.fetch_max(value, Ordering::Relaxed);
        if let Some(bucket) = self.buckets.get(bucket_of(value)) {
            bucket.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn count(&self) -> u64 {
        self.buckets.iter().map(|bucket| u64::from(bucket.load(Ordering::Relaxed))).sum()
    }

    /// An upper bound of the smallest value that `percent` of the samples do not exceed; 0 without
    /// samples.
    fn percentile(&self, percent: u64) -> u64 {
        let wanted = (self.count() * percent).div_ceil(100);
        let mut seen = 0;
        for (index, bucket) in self.buckets.iter().enumerate() {
            seen += u64::from(bucket.load(Ordering::Relaxed));
            if seen >= wanted && seen > 0 {
                return upper_end(index).min(self.largest.load(Ordering::Relaxed));
            }
        }
        0
    }

    fn reset(&self) {
        self.buckets.iter().for_each(|bucket| bucket.store(0, Ordering::Relaxed));
        self.largest.store(0, Ordering::Relaxed);
    }
}

/// Values below `PER_OCTAVE` have a bucket each, then every doubling has `PER_OCTAVE` of them.
fn bucket_of(value: u64) -> usize {
    let value = value.min(u64::from(u32::MAX)) as u32;
    if value < PER_OCTAVE {
        return value as usize;
    }
    let octave = value.ilog2() - PER_OCTAVE.ilog2();
    ((octave * PER_OCTAVE) + (value >> octave)) as usize
}

fn upper_end(bucket: usize) -> u64 {
    let (bucket, per_octave) = (bucket as u64, u64::from(PER_OCTAVE));
    if bucket < 2 * per_octave {
        return bucket;
    }
    let octave = bucket / per_octave - 1;
    ((bucket % per_octave + per_octave + 1) << octave) - 1
}

/// A forker had to wait for so many µs.
pub(crate) fn waited(us: u64) {
    WAITED.add();
    WAITS.record(us);
}

/// In a forked child: nothing has happened yet.
pub(crate) fn reset() {
    for counter in [&FORKS, &FAILED, &GAVE_UP, &WAIVED, &PARKED, &ANSWERS] {
        counter.reset();
    }
    #[cfg(target_os = "linux")]
    ORPHANED.reset();
    if WAITED.get() > 0 {
        WAITED.reset();
        WAITS.reset();
    }
}

/// Has the line printed when the process ends by `exit`; for the constructor. On Linux the loader does
/// it without being asked.
pub(crate) fn print_at_exit() {
    #[cfg(target_os = "macos")]
    // SAFETY: a function of this library, which stays loaded as long as the process.
    unsafe {
        libc::atexit(print);
    }
}

#[cfg(all(target_os = "linux", not(test)))]
#[used]
#[unsafe(link_section = ".fini_array")]
static AT_EXIT: extern "C" fn() = print;

/// Prints the line if it was asked for and this process forked.
#[cfg_attr(
    all(target_os = "linux", test),
    expect(dead_code, reason = "registered in the real library only")
)]
extern "C" fn print() {
    #[cfg(target_os = "linux")]
    crate::locks::tell_late();
    if !options::stats() || FORKS.get() + ANSWERS.get() + repaired() == 0 {
        return;
    }
    let mut line = Text::<384>::new();
    let _ = write!(
        line,
        "forkfix[{}]: stats forks={} failed={} waits={} wait_median_us={} wait_p99_us={} \
         wait_max_us={} gave_up={} waived={} parked={} answers={} slots={}",
        sys::getpid(),
        FORKS.get(),
        FAILED.get(),
        WAITS.count(),
        WAITS.percentile(50),
        WAITS.percentile(99),
        WAITS.largest.load(Ordering::Relaxed),
        GAVE_UP.get(),
        WAIVED.get(),
        PARKED.get(),
        ANSWERS.get(),
        slot::in_use(),
    );
    #[cfg(target_os = "linux")]
    let _ = write!(line, " orphaned={} repaired={}", ORPHANED.get(), REPAIRED.get());
    line.end_line();
    sys::write(libc::STDERR_FILENO, line.as_bytes());
}

fn repaired() -> u64 {
    #[cfg(target_os = "linux")]
    return REPAIRED.get();
    #[cfg(target_os = "macos")]
    0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buckets_are_in_order_and_hold_their_values() {
        let mut last = 0;
        for value in (0..100_000).chain([u64::from(u32::MAX) - 1, u64::from(u32::MAX)]) {
            let bucket = bucket_of(value);
            assert!(bucket >= last && bucket < BUCKETS, "{value}");
            assert!(upper_end(bucket) >= value, "{value}");
            assert!(upper_end(bucket) <= value + value / 8 + 1, "{value}");
            last = bucket;
        }
    }

    #[test]
    fn percentiles_of_a_ramp() {
        let waits = Histogram::new();
        assert_eq!(waits.percentile(50), 0);
        (1..=1000).for_each(|value| waits.record(value));
        assert!((500..=563).contains(&waits.percentile(50)));
        assert!((990..=1000).contains(&waits.percentile(99)));
        assert_eq!(waits.percentile(100), 1000);
    }
}
