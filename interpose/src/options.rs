//! What `FORKFIX_OPTIONS` and `FORKFIX` say.
//!
//! Options are read once, by the constructor, from `key=value:key=value`; before that every option
//! has its default. Reading them is a plain load, allowed anywhere.

use core::fmt::{self, Write};
use core::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use log::LevelFilter;

use crate::atfork;
#[cfg(target_os = "linux")]
use crate::record;
#[cfg(target_os = "macos")]
use crate::warmup;

/// How many times as long a fork waits for a thread that has no processor.
const STARVED: u64 = 10;

static STATS: AtomicBool = AtomicBool::new(false);
static FOLLOW: AtomicBool = AtomicBool::new(true);
#[cfg(target_os = "linux")]
static FENCE: AtomicBool = AtomicBool::new(false);
static BOUNDED_MS: AtomicU32 = AtomicU32::new(1000);
static BLOCKING_MS: AtomicU32 = AtomicU32::new(100);
static STDIO_MS: AtomicU32 = AtomicU32::new(10);
#[cfg(target_os = "linux")]
static LOCKS_MS: AtomicU32 = AtomicU32::new(10);
#[cfg(target_env = "gnu")]
static POOLS: AtomicBool = AtomicBool::new(true);
#[cfg(target_os = "linux")]
static ORPHANS: AtomicU32 = AtomicU32::new(Orphans::Repair as u32);
#[cfg(target_os = "linux")]
static BACKTRACE: AtomicBool = AtomicBool::new(true);
static OFF: AtomicBool = AtomicBool::new(false);

/// The longest budget that makes sense: a fork that takes a minute counts as hung.
const MOST_MS: u32 = 60_000;

/// One option: its name, what it takes, what it does, and how its value is stored.
struct Opt {
    key: &'static str,
    takes: &'static str,
    about: &'static str,
    set: fn(&str) -> bool,
}

const OPTIONS: &[Opt] = &[
    Opt {
        key: "log",
        takes: "off, error, warn, info, debug or trace",
        about: "what is written to stderr (default error)",
        set: |value| value.parse::<LevelFilter>().map(log::set_max_level).is_ok(),
    },
    Opt {
        key: "stats",
        takes: "0 or 1",
        about: "print one line of figures at the end of each process that forked (default 0)",
        set: |value| switch(&STATS, value),
    },
    Opt {
        key: "follow",
        takes: "0 or 1",
        about: "programs started with an environment that lacks this library get it back (default 1)",
        set: |value| switch(&FOLLOW, value),
    },
    #[cfg(target_os = "linux")]
    Opt {
        key: "barrier",
        takes: "auto or fence",
        about: "fence does without membarrier(2) even if the kernel has it (default auto)",
        set: |value| {
            FENCE.store(value == "fence", Ordering::Relaxed);
            matches!(value, "auto" | "fence")
        },
    },
    Opt {
        key: "bounded_ms",
        takes: "a number of milliseconds from 0 to 60000",
        about: "how long a fork waits for calls that wait for nothing but local files (default 1000); a thread without a processor has ten times that",
        set: |value| number(&BOUNDED_MS, value),
    },
    Opt {
        key: "blocking_ms",
        takes: "a number of milliseconds from 0 to 60000",
        about: "how long a fork waits for calls that may wait for another process (default 100)",
        set: |value| number(&BLOCKING_MS, value),
    },
    Opt {
        key: "atfork_skip",
        takes: "file names of libraries, with commas between them",
        about: "fork handlers whose code is in it do not run in the child (default none)",
        set: atfork::skip_libraries,
    },
    Opt {
        key: "stdio_ms",
        takes: "a number of milliseconds from 0 to 60000",
        about: "how long a fork waits for calls that use a stream (default 10)",
        set: |value| number(&STDIO_MS, value),
    },
    #[cfg(target_os = "linux")]
    Opt {
        key: "locks_ms",
        takes: "a number of milliseconds from 0 to 60000",
        about: "how long a fork waits for threads that hold a lock of the program (default 10)",
        set: |value| number(&LOCKS_MS, value),
    },
    #[cfg(target_os = "linux")]
    Opt {
        key: "orphans",
        takes: "repair, report, abort or off",
        about: "locks of the program that a child finds held: repair frees them; report and abort do not, abort ends the child; off does not even wait (default repair)",
        set: |value| {
            let choice = Orphans::ALL.iter().find(|(name, _)| *name == value);
            choice.map(|(_, choice)| ORPHANS.store(*choice as u32, Ordering::Relaxed)).is_some()
        },
    },
    #[cfg(target_os = "linux")]
    Opt {
        key: "record",
        takes: "the path of a directory that only you may use",
        about: "where forkfix run --watch reads what happens (default none)",
        set: record::choose,
    },
    #[cfg(target_os = "linux")]
    Opt {
        key: "backtrace",
        takes: "on or off",
        about: "whether a fork that is recorded notes where each thread is (default on)",
        set: |value| {
            BACKTRACE.store(value == "on", Ordering::Relaxed);
            matches!(value, "on" | "off")
        },
    },
    #[cfg(target_env = "gnu")]
    Opt {
        key: "pools",
        takes: "gomp or off",
        about: "whose pools of threads begin anew in a child (default gomp: OpenMP's, as GCC has them)",
        set: |value| {
            POOLS.store(value == "gomp", Ordering::Relaxed);
            matches!(value, "gomp" | "off")
        },
    },
    #[cfg(target_os = "macos")]
    Opt {
        key: "warmup",
        takes: warmup::TAKES,
        about: "what is initialised at load, so that no child need do it (default default)",
        set: warmup::choose,
    },
];

/// What becomes of the program's locks whose holders are gone in a child.
#[cfg(target_os = "linux")]
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u32)]
pub(crate) enum Orphans {
    /// They are free again.
    Repair,
    /// They stay as they are, and are told of.
    Report,
    /// The child ends by SIGABRT.
    Abort,
    /// Nothing is done about locks at all.
    Off,
}

#[cfg(target_os = "linux")]
impl Orphans {
    const ALL: [(&'static str, Self); 4] = [
        ("repair", Self::Repair),
        ("report", Self::Report),
        ("abort", Self::Abort),
        ("off", Self::Off),
    ];
}

fn switch(place: &AtomicBool, value: &str) -> bool {
    place.store(value == "1", Ordering::Relaxed);
    matches!(value, "0" | "1")
}

fn number(place: &AtomicU32, value: &str) -> bool {
    match value.parse() {
        Ok(ms) if ms <= MOST_MS => {
            place.store(ms, Ordering::Relaxed);
            true
        }
        _ => false,
    }
}

/// What is wrong with `FORKFIX_OPTIONS`, as one sentence. Borrowed from the variable.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Problem<'a> {
    /// Not valid UTF-8.
    NotText,
    /// A part without `=`.
    NoValue(&'a str),
    /// No such option.
    UnknownKey(&'a str),
    /// The option does not take this value.
    BadValue(&'static str, &'a str, &'static str),
}

impl fmt::Display for Problem<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotText => {
                write!(f, "FORKFIX_OPTIONS is not valid UTF-8; write it as key=value:key=value")
            }
            Self::NoValue(part) => write!(
                f,
                "FORKFIX_OPTIONS has \"{part}\" without a value; write it as key=value, with : between options"
            ),
            Self::UnknownKey(key) => write!(
                f,
                "FORKFIX_OPTIONS has an unknown option \"{key}\"; FORKFIX_OPTIONS=help=1 lists those there are"
            ),
            Self::BadValue(key, value, takes) => {
                write!(f, "FORKFIX_OPTIONS has {key}=\"{value}\", but {key} takes {takes}")
            }
        }
    }
}

/// What the variable asked for.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Request {
    /// Go on with the options that were set.
    Run,
    /// `help=1`: list the options.
    Help,
}

/// Applies `text`, the value of `FORKFIX_OPTIONS`. Options before the first problem stay applied.
pub(crate) fn parse(text: &[u8]) -> Result<Request, Problem<'_>> {
    let text = core::str::from_utf8(text).map_err(|_| Problem::NotText)?;
    let mut request = Request::Run;
    for part in text.split(':').filter(|part| !part.is_empty()) {
        let (key, value) = part.split_once('=').ok_or(Problem::NoValue(part))?;
        if key == "help" {
            request = Request::Help;
            continue;
        }
        let option =
            OPTIONS.iter().find(|option| option.key == key).ok_or(Problem::UnknownKey(key))?;
        if !(option.set)(value) {
            return Err(Problem::BadValue(option.key, value, option.takes));
        }
    }
    Ok(request)
}

/// Writes the list of options, one a line.
pub(crate) fn help(to: &mut impl Write) -> fmt::Result {
    for option in OPTIONS {
        writeln!(to, "{:<12} {}; takes {}", option.key, option.about, option.takes)?;
    }
    Ok(())
}

/// Whether the value of `FORKFIX` is the kill switch.
pub(crate) fn is_kill_switch(value: &[u8]) -> bool {
    matches!(value, b"off" | b"0")
}

/// Makes the library inert.
pub(crate) fn turn_off() {
    OFF.store(true, Ordering::Relaxed);
}

/// Whether `FORKFIX=off` was set.
pub(crate) fn off() -> bool {
    OFF.load(Ordering::Relaxed)
}

/// Whether figures are printed at the end.
pub(crate) fn stats() -> bool {
    STATS.load(Ordering::Relaxed)
}

/// Whether programs that are started get the library too.
pub(crate) fn follow() -> bool {
    FOLLOW.load(Ordering::Relaxed)
}

/// Whether `membarrier(2)` must not be used.
#[cfg(target_os = "linux")]
pub(crate) fn fence() -> bool {
    FENCE.load(Ordering::Relaxed)
}

/// Budget of families that wait for nothing but local files, in nanoseconds.
pub(crate) fn bounded_ns() -> u64 {
    u64::from(BOUNDED_MS.load(Ordering::Relaxed)) * 1_000_000
}

/// How long a fork waits at the most for a thread that wants to go on and has no processor, in nanoseconds.
pub(crate) fn starved_ns() -> u64 {
    bounded_ns() * STARVED
}

/// Budget of families that may wait for another process or machine, in nanoseconds.
pub(crate) fn blocking_ns() -> u64 {
    u64::from(BLOCKING_MS.load(Ordering::Relaxed)) * 1_000_000
}

/// Budget of calls that use a stream, in nanoseconds.
pub(crate) fn stdio_ns() -> u64 {
    u64::from(STDIO_MS.load(Ordering::Relaxed)) * 1_000_000
}

/// How long a fork waits for threads that hold a lock of the program, in nanoseconds.
pub(crate) fn locks_ns() -> u64 {
    #[cfg(target_os = "linux")]
    let ms = LOCKS_MS.load(Ordering::Relaxed);
    #[cfg(target_os = "macos")]
    let ms = 0u32;
    u64::from(ms) * 1_000_000
}

/// Whether a fork that is recorded notes where each thread is.
#[cfg(target_os = "linux")]
pub(crate) fn backtrace() -> bool {
    BACKTRACE.load(Ordering::Relaxed)
}

/// Whether OpenMP's pools begin anew in a child.
#[cfg(target_env = "gnu")]
pub(crate) fn pools() -> bool {
    POOLS.load(Ordering::Relaxed)
}

/// What becomes of the program's locks whose holders are gone in a child.
#[cfg(target_os = "linux")]
pub(crate) fn orphans() -> Orphans {
    let choice = ORPHANS.load(Ordering::Relaxed) as usize;
    Orphans::ALL.get(choice).map_or(Orphans::Repair, |(_, choice)| *choice)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::text::Text;

    #[test]
    fn good_options_are_taken() {
        assert_eq!(parse(b""), Ok(Request::Run));
        assert_eq!(parse(b"blocking_ms=250:log=warn::barrier=auto"), Ok(Request::Run));
        assert_eq!(blocking_ns(), 250_000_000);
        assert_eq!(parse(b"help=1"), Ok(Request::Help));
    }

    #[test]
    fn each_problem_has_its_sentence() {
        let cases: [(&[u8], &str); 6] = [
            (b"colour=1", "unknown option \"colour\""),
            (b"stats", "\"stats\" without a value"),
            (b"stats=yes", "stats takes 0 or 1"),
            (b"bounded_ms=-1", "from 0 to 60000"),
            (b"bounded_ms=99999999999", "from 0 to 60000"),
            (b"log=\xff", "not valid UTF-8"),
        ];
        for (text, expected) in cases {
            let mut sentence = Text::<256>::new();
            if let Err(problem) = parse(text) {
                let _ = write!(sentence, "{problem}");
            }
            assert!(
                sentence.as_str().contains(expected),
                "{:?} lacks {expected:?}",
                sentence.as_str()
            );
        }
    }
}
