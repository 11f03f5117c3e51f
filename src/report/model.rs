//! What is told of a run: the lines of a recording, one JSON object each.
//!
//! The supervisor writes them as they happen, `forkfix report` reads them back; every other form (text, JUnit,
//! SARIF, HTML) is made of them. Schema: `docs/report.schema.json`.
//!
//! Times are microseconds since the run began, addresses hexadecimal text, because readers of JSON lose bits of
//! 64-bit numbers.

use serde::{Deserialize, Serialize};

/// The schema that each line names.
pub(crate) const SCHEMA: &str = "forkfix.report/1";

/// A line of a recording of `forkfix run --watch`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct Line {
    /// The schema's name and version.
    #[cfg_attr(test, schemars(extend("const" = SCHEMA)))]
    pub(crate) schema: String,
    #[serde(flatten)]
    pub(crate) entry: Entry,
}

/// What a line tells.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(tag = "type", rename_all = "snake_case")]
pub(crate) enum Entry {
    /// The first line.
    Run(Run),
    /// A program began in a process.
    Process(Process),
    /// A fork, told when its child is ready or has failed to come.
    Fork(Fork),
    /// A process is gone, or became another program.
    End(End),
    /// A child hangs.
    Hang(Box<Hang>),
    /// The last line, unless the supervisor was killed.
    Summary(Summary),
}

/// The run.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(default)]
pub(crate) struct Run {
    /// The version of forkfix.
    pub(crate) version: String,
    /// The command and its arguments.
    pub(crate) command: Vec<String>,
    /// When it began: RFC 3339, UTC.
    pub(crate) started: String,
    /// For how long a child must not move before it counts as hung, in ms.
    pub(crate) hang_after_ms: u64,
}

/// A program began.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(default)]
pub(crate) struct Process {
    pub(crate) at_us: u64,
    pub(crate) pid: u32,
    pub(crate) ppid: u32,
    pub(crate) argv0: String,
}

/// A fork.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(default)]
pub(crate) struct Fork {
    pub(crate) at_us: u64,
    /// The forking process and thread.
    pub(crate) pid: u32,
    pub(crate) tid: u32,
    /// The child; absent if the fork failed or the child never got ready.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) child: Option<u32>,
    /// How long it waited for other threads, in µs.
    pub(crate) drain_us: u64,
    /// Threads that were still inside.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) gave_up: Vec<GaveUp>,
    /// Locks that were made free in the child.
    pub(crate) repaired: u32,
    /// The `errno` of a fork that failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) error: Option<u32>,
    /// The test that ran.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) test: Option<String>,
}

/// A thread that a fork did not wait for any longer.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(default)]
pub(crate) struct GaveUp {
    pub(crate) tid: u32,
    pub(crate) name: String,
    /// The family of calls that it was in, or the kind of the lock that it held.
    pub(crate) inside: String,
    /// For how long the forker saw it there, in µs.
    pub(crate) inside_us: u64,
}

/// A process is gone.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(default)]
pub(crate) struct End {
    pub(crate) at_us: u64,
    pub(crate) pid: u32,
    /// The program that it became; absent if it ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) exec: Option<String>,
}

/// A child that hangs, and all that is known of why.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(default)]
pub(crate) struct Hang {
    pub(crate) at_us: u64,
    pub(crate) pid: u32,
    /// The process that forked it.
    pub(crate) ppid: u32,
    pub(crate) argv0: String,
    /// For how long none of its threads has moved, in ms.
    pub(crate) waited_ms: u64,
    /// The test that ran at the fork.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) test: Option<String>,
    /// What the child waits for.
    pub(crate) lock: Lock,
    /// The child's threads; the first is the one that the report is about.
    pub(crate) waiting: Vec<Thread>,
    /// Who held the lock at the fork.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) holder: Option<Holder>,
    /// Where the child was forked: the forking thread, by its id and name in the parent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) fork: Option<Thread>,
    /// Why forkfix did not prevent it.
    pub(crate) reason: Reason,
    /// What to do: sentences.
    pub(crate) advice: Vec<String>,
    /// What was done to the child: `left`, `killed` or `aborted`.
    pub(crate) action: String,
}

/// A lock, or what else is waited for.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(default)]
pub(crate) struct Lock {
    /// In words: `pthread mutex`, `OpenMP barrier`, `Python lock`.
    pub(crate) kind: String,
    pub(crate) address: String,
    /// The file name of the object that it lies in; absent for memory of no object.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) module: Option<String>,
    /// Its place in the object, as the object's own addresses go.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) offset: Option<String>,
    /// Its name, demangled, with `+0x…` if it is a part of what the name stands for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) symbol: Option<String>,
}

/// A thread and its stack.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(default)]
pub(crate) struct Thread {
    pub(crate) tid: u32,
    pub(crate) name: String,
    /// Innermost first.
    pub(crate) frames: Vec<Frame>,
    /// Its Python frames, innermost first; empty if it runs none.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) python: Vec<Frame>,
}

/// The thread that held the lock at the fork.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(default)]
pub(crate) struct Holder {
    #[serde(flatten)]
    pub(crate) thread: Thread,
    /// How that is known: `recorded` (forkfix kept track of the lock), `owner` (the lock names it), `call` (it was
    /// inside of such a call), `stack` (of all stacks only its refers to the lock).
    pub(crate) known_by: String,
    /// For how long the forker saw it hold the lock, in µs; absent if it did not wait for it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) held_us: Option<u64>,
}

/// One frame of a stack.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(default)]
pub(crate) struct Frame {
    /// The return address (the program counter in the innermost frame); absent in Python.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) address: Option<String>,
    /// Demangled; absent if there is no symbol.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) function: Option<String>,
    /// The source file as the debug information names it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) file: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) line: Option<u32>,
    /// The object's file name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) module: Option<String>,
    /// The place in the object.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) offset: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) build_id: Option<String>,
    /// It was inlined into the next frame, with which it shares its address.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub(crate) inlined: bool,
}

/// Why forkfix did not prevent a hang.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(default)]
pub(crate) struct Reason {
    /// For programs, such as `FF-RAWFUTEX`; docs/reports.md lists them.
    pub(crate) code: String,
    /// One sentence.
    pub(crate) text: String,
}

/// The whole run in figures.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(default)]
pub(crate) struct Summary {
    pub(crate) at_us: u64,
    pub(crate) processes: u64,
    pub(crate) forks: u64,
    pub(crate) failed_forks: u64,
    /// Forks that waited for other threads, and for how long, in µs.
    pub(crate) drains: u64,
    pub(crate) drain_median_us: u64,
    pub(crate) drain_p99_us: u64,
    pub(crate) drain_max_us: u64,
    pub(crate) gave_up: u64,
    pub(crate) repaired: u64,
    pub(crate) execs: u64,
    pub(crate) hangs: u64,
    /// Events that were lost because the ring was full, or damaged by the program.
    pub(crate) lost_events: u64,
    pub(crate) damaged_events: u64,
    /// How the program ended, as a shell counts: its status, or 128 and the signal.
    pub(crate) status: i32,
}
