//! What every test of real programs needs: the library, programs compiled from
//! `tests/programs`, and runs of them under a deadline.
//!
//! A run has a process group of its own. When it ends, or its deadline passes, whatever is left
//! of that group is killed, by its id; no test leaves a process behind, and none touches a
//! process that it did not start.

#![allow(dead_code, reason = "each test file uses its own part of the harness")]

mod build;
#[cfg(target_os = "linux")]
mod libcs;
mod machine;
pub(crate) mod table;

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{Read, Seek};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

#[allow(unused_imports, reason = "each test file uses its own part of the harness")]
pub(crate) use build::{Build, need, need_crate, out_dir, programs, target_dir};
#[cfg(target_os = "linux")]
#[allow(unused_imports, reason = "each test file uses its own part of the harness")]
pub(crate) use libcs::{LIBCS, Libc, MUSLS};
#[allow(unused_imports, reason = "each test file uses its own part of the harness")]
pub(crate) use machine::{
    EMULATED, EMULATOR, arm64, forks, is_short, library, musl, own, run, starts, suite,
};

/// How long a program may run unless a test says otherwise.
pub(crate) const DEADLINE: Duration = Duration::from_secs(180);

/// The loader's variable that names libraries to load first.
const PRELOAD: &str =
    if cfg!(target_os = "macos") { "DYLD_INSERT_LIBRARIES" } else { "LD_PRELOAD" };

/// Whether the library is loaded into a program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Preload {
    /// The program alone.
    Bare,
    /// The library is preloaded and prints its statistics.
    Protected,
    /// The library is preloaded and `FORKFIX=off` is set.
    Off,
}

/// A program with its arguments, ready to be run bare and protected.
#[derive(Clone, Debug)]
pub(crate) struct Program {
    path: PathBuf,
    arguments: Vec<OsString>,
    environment: BTreeMap<OsString, OsString>,
    preload_before: Vec<PathBuf>,
    preload_after: Vec<PathBuf>,
    options: String,
    deadline: Duration,
    #[cfg(target_os = "linux")]
    libc: Option<&'static Libc>,
}

impl Program {
    /// The executable at `path`, which is searched in `PATH` if it is a bare name.
    pub(crate) fn at(path: impl Into<PathBuf>) -> Self {
        Self {
            path: path.into(),
            arguments: Vec::new(),
            environment: BTreeMap::new(),
            preload_before: Vec::new(),
            preload_after: Vec::new(),
            options: "stats=1".to_owned(),
            deadline: DEADLINE,
            #[cfg(target_os = "linux")]
            libc: machine::libc(),
        }
    }

    /// `tests/programs/<source>`, compiled without further flags.
    pub(crate) fn compiled(source: &str) -> Self {
        Self::at(Build::of(source).executable())
    }

    pub(crate) fn args<S: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = S>) -> Self {
        let mut changed = self.clone();
        changed.arguments.extend(arguments.into_iter().map(|a| a.as_ref().to_owned()));
        changed
    }

    pub(crate) fn env(&self, name: &str, value: impl AsRef<OsStr>) -> Self {
        let mut changed = self.clone();
        changed.environment.insert(name.into(), value.as_ref().to_owned());
        changed
    }

    /// More options for the library, as in `FORKFIX_OPTIONS`.
    pub(crate) fn options(&self, options: &str) -> Self {
        let mut changed = self.clone();
        let separator = if self.options.is_empty() { "" } else { ":" };
        changed.options = format!("{}{separator}{options}", self.options);
        changed
    }

    /// Without the statistics, for programs whose stderr is looked at by others.
    pub(crate) fn quiet(&self) -> Self {
        let mut changed = self.clone();
        changed.options.clear();
        changed
    }

    /// Another library to preload, before ours; also in a bare run.
    pub(crate) fn preload_before(&self, library: impl Into<PathBuf>) -> Self {
        let mut changed = self.clone();
        changed.preload_before.push(library.into());
        changed
    }

    /// Another library to preload, after ours; also in a bare run.
    pub(crate) fn preload_after(&self, library: impl Into<PathBuf>) -> Self {
        let mut changed = self.clone();
        changed.preload_after.push(library.into());
        changed
    }

    /// With another libc than this machine's.
    #[cfg(target_os = "linux")]
    pub(crate) fn libc(&self, libc: &'static Libc) -> Self {
        let mut changed = self.clone();
        changed.libc = Some(libc);
        changed
    }

    pub(crate) fn deadline(&self, deadline: Duration) -> Self {
        let mut changed = self.clone();
        changed.deadline = deadline;
        changed
    }

    /// Runs the program to its end, or to its deadline.
    pub(crate) fn run(&self, preload: Preload) -> Run {
        let mut output = tempfile::tempfile().expect("a temporary file");
        let mut errors = tempfile::tempfile().expect("a temporary file");
        let mut command = Command::new(&self.path);
        command.args(&self.arguments).process_group(0).stdin(Stdio::null());
        command.stdout(output.try_clone().expect("a second handle"));
        command.stderr(errors.try_clone().expect("a second handle"));
        // Not those of the caller: a test must see the same wherever it runs.
        for (name, _) in std::env::vars_os() {
            let foreign = ["LD_", "DYLD_", "FORKFIX", "MALLOC_", "TZ", "LC_", "LANG", "RES_"];
            if foreign.iter().any(|prefix| name.to_string_lossy().starts_with(prefix)) {
                command.env_remove(&name);
            }
        }
        #[cfg(target_os = "linux")]
        if let Some(libc) = self.libc {
            libc.enter(&mut command);
        }
        if EMULATED {
            command.env(EMULATOR.0, EMULATOR.1);
        }
        command.envs(&self.environment);
        let libraries = self.preloaded(preload);
        if !libraries.is_empty() {
            command.env(PRELOAD, libraries);
        }
        match preload {
            Preload::Bare => {}
            Preload::Protected if self.options.is_empty() => {}
            Preload::Protected => drop(command.env("FORKFIX_OPTIONS", &self.options)),
            Preload::Off => drop(command.env("FORKFIX", "off")),
        }
        let (pid, status) = run_group(&mut command, self.deadline);
        Run {
            what: format!("{self} ({preload:?})"),
            pid,
            status,
            stdout: contents(&mut output),
            stderr: contents(&mut errors),
        }
    }

    fn preloaded(&self, preload: Preload) -> OsString {
        let ours = (preload != Preload::Bare).then(library).map(Path::to_path_buf);
        let all = self.preload_before.iter().cloned().chain(ours);
        let all: Vec<_> = all.chain(self.preload_after.iter().cloned()).collect();
        all.iter().map(|library| library.as_os_str()).collect::<Vec<_>>().join(OsStr::new(":"))
    }
}

impl std::fmt::Display for Program {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.path.file_name().unwrap_or_default().to_string_lossy())?;
        self.arguments.iter().try_for_each(|argument| write!(f, " {}", argument.to_string_lossy()))
    }
}

/// Starts `command`, a process group of its own, and waits for its end. `None` instead of a
/// status says that the deadline passed.
fn run_group(command: &mut Command, deadline: Duration) -> (u32, Option<ExitStatus>) {
    let mut child = command.spawn().unwrap_or_else(|e| panic!("cannot start {command:?}: {e}"));
    let pid = child.id();
    let end = Instant::now() + deadline;
    // The leader is not reaped before its group is killed: until then its id, which is the
    // group's, cannot be given to anybody else.
    let ended = loop {
        if ended_unreaped(pid) {
            break true;
        }
        if Instant::now() >= end {
            break false;
        }
        thread::sleep(Duration::from_millis(2));
    };
    // SAFETY: no pointers; the group is the one that the child leads, see above.
    unsafe { libc::kill(-libc::pid_t::try_from(pid).expect("a pid"), libc::SIGKILL) };
    let status = child.wait().expect("the child is ours");
    (pid, ended.then_some(status))
}

/// True if our child `pid` has ended; it stays a zombie.
fn ended_unreaped(pid: u32) -> bool {
    // SAFETY: siginfo_t is plain data, for which zeroes are valid.
    let mut information: libc::siginfo_t = unsafe { std::mem::zeroed() };
    let flags = libc::WEXITED | libc::WNOHANG | libc::WNOWAIT;
    // SAFETY: `information` is valid for writes for the time of the call.
    let result = unsafe { libc::waitid(libc::P_PID, pid, &raw mut information, flags) };
    assert_eq!(result, 0, "waitid: {}", std::io::Error::last_os_error());
    information.si_signo != 0
}

fn contents(file: &mut File) -> String {
    let mut bytes = Vec::new();
    file.rewind().expect("a file can be rewound");
    file.read_to_end(&mut bytes).expect("a file can be read");
    String::from_utf8_lossy(&bytes).into_owned()
}

/// What a program did.
#[derive(Debug)]
pub(crate) struct Run {
    what: String,
    /// Its process id.
    pub(crate) pid: u32,
    /// `None`: the deadline passed, and it was killed.
    pub(crate) status: Option<ExitStatus>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Run {
    /// The program ended with exit status 0.
    #[track_caller]
    pub(crate) fn succeeded(self) -> Self {
        assert!(self.status.is_some_and(|status| status.success()), "failed: {self:#?}");
        self
    }

    /// The program needs `_Fork`, and this libc is older than that.
    pub(crate) fn lacks_fork_without_handlers(&self) -> bool {
        self.stderr.contains("this libc has no _Fork")
    }

    /// The signal that ended the program.
    pub(crate) fn signal(&self) -> Option<i32> {
        self.status.and_then(|status| status.signal())
    }

    /// The counts of the last line, `forks=N hangs=N crashes=N`.
    #[track_caller]
    pub(crate) fn tally(&self) -> Tally {
        let line = self.stdout.lines().last().unwrap_or_default();
        let counts = pairs(line);
        let count = |name: &str| {
            *counts.get(name).unwrap_or_else(|| panic!("no {name}= in the last line: {self:#?}"))
        };
        Tally { forks: count("forks"), hangs: count("hangs"), crashes: count("crashes") }
    }

    /// The program succeeded, saw at least `forks` children, and none hung or crashed.
    #[track_caller]
    pub(crate) fn unharmed(self, forks: u64) -> Self {
        let run = self.succeeded();
        let tally = run.tally();
        assert!(tally.forks >= forks && tally.hangs == 0 && tally.crashes == 0, "{run:#?}");
        run
    }

    /// The program saw a child hang: the hazard that the test is about is there.
    #[track_caller]
    pub(crate) fn hung(self) -> Self {
        assert!(self.tally().hangs > 0, "nothing hangs, so this test shows nothing: {self:#?}");
        self
    }

    /// The statistics of the program itself, not of its children.
    #[track_caller]
    pub(crate) fn stats(&self) -> Stats {
        let start = format!("forkfix[{}]: stats ", self.pid);
        let line = self.stderr.lines().find_map(|line| line.strip_prefix(&start));
        let line = line.unwrap_or_else(|| panic!("no statistics of the program: {self:#?}"));
        Stats(pairs(line))
    }

    /// Every thread came out in time, at every fork of the program.
    #[track_caller]
    pub(crate) fn drained(self) -> Self {
        assert_eq!(self.stats().get("gave_up"), 0, "{self:#?}");
        self
    }

    /// The lines of stderr that are not statistics.
    pub(crate) fn messages(&self) -> Vec<&str> {
        let statistics = |line: &str| line.starts_with("forkfix[") && line.contains("]: stats ");
        self.stderr.lines().filter(|line| !statistics(line)).collect()
    }
}

/// What became of the children of a program.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Tally {
    pub(crate) forks: u64,
    pub(crate) hangs: u64,
    pub(crate) crashes: u64,
}

/// The line that `stats=1` prints: `forks`, `failed`, `waits`, `gave_up`, `waived`, and so on.
#[derive(Debug)]
pub(crate) struct Stats(BTreeMap<String, u64>);

impl Stats {
    #[track_caller]
    pub(crate) fn get(&self, name: &str) -> u64 {
        *self.0.get(name).unwrap_or_else(|| panic!("no {name}= in {self:?}"))
    }
}

/// `name=number name=number …`; words of another shape are passed over.
fn pairs(line: &str) -> BTreeMap<String, u64> {
    let pair = |word: &str| {
        let (name, value) = word.split_once('=')?;
        Some((name.to_owned(), value.parse().ok()?))
    };
    line.split_whitespace().filter_map(pair).collect()
}

/// Two outputs are the same; if not, says where they differ.
#[track_caller]
pub(crate) fn assert_same_lines(bare: &str, other: &str, what: &dyn std::fmt::Debug) {
    let differ = |(bare, other): &(&str, &str)| bare != other;
    let differences: Vec<_> = bare.lines().zip(other.lines()).filter(differ).collect();
    assert!(differences.is_empty(), "{what:?}: bare and other: {differences:#?}");
    assert_eq!(bare.lines().count(), other.lines().count(), "{what:?}");
}

/// Runs a program bare, where it must hang, and protected, where none of at least `forks` children
/// may. The number of forks and of hangs to stop after are added to its arguments.
#[track_caller]
pub(crate) fn hangs_only_bare(program: &Program, forks: u64) -> Run {
    let forks = machine::forks(forks);
    // Some hazards show once in some hundred forks.
    let bare = program.args(["5000", "1"]);
    bare.run(Preload::Bare).succeeded().hung();
    let protected = program.args([&forks.to_string(), "1"]);
    protected.run(Preload::Protected).unharmed(forks)
}

/// The same, where moreover no thread may be given up: children make their calls and are not
/// answered with errors. The budgets are such that a busy machine does not use them up.
#[track_caller]
pub(crate) fn hangs_bare_passes_protected(program: &Program, forks: u64) -> Run {
    let patient = program.options("bounded_ms=10000:blocking_ms=10000:stdio_ms=10000");
    hangs_only_bare(&patient, forks).drained()
}

/// Runs a program bare and protected; neither may lose a child. The number of forks and of hangs to stop
/// after are added to its arguments.
#[track_caller]
pub(crate) fn works_as_before(program: &Program, forks: u64) {
    let forks = machine::forks(forks);
    let program = program.args([&forks.to_string(), "1"]);
    program.run(Preload::Bare).unharmed(forks);
    program.run(Preload::Protected).unharmed(forks);
}
