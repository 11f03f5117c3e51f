//! Whom `forkfix run --watch` names: programs that hang on one thing each, with nothing repaired.
//!
//! `FORKFIX_EXAMINE_RUNS=100` runs each so often.

#![cfg(all(target_os = "linux", target_env = "gnu"))]

mod common;

use std::path::{Path, PathBuf};
use std::process::Command;

use common::{Build, Preload, Program, library, need, out_dir, programs, run, target_dir};
use serde_json::Value;

/// What a report must say.
struct Culprit {
    kind: &'static str,
    /// The object and the symbol of the lock; none if it lies elsewhere.
    lock: Option<(&'static str, &'static str)>,
    /// Functions of the stack of the thread that held it, and how that is known; none for pools.
    holder: Option<(&'static [&'static str], &'static str)>,
    /// The function of the program that waits.
    waiting: &'static str,
    /// The source with the fork, whose line says `FORK`.
    fork: &'static str,
    reason: &'static str,
}

/// Nothing is waited for, nothing is repaired.
const BARE: &str =
    "orphans=report:bounded_ms=0:blocking_ms=0:stdio_ms=0:locks_ms=0:pools=off:log=off";

impl Culprit {
    /// Runs the program `path`, which hangs; each report must be right.
    #[track_caller]
    fn of(&self, path: impl AsRef<Path>, arguments: &[&Path]) {
        let runs = std::env::var("FORKFIX_EXAMINE_RUNS").ok().and_then(|runs| runs.parse().ok());
        for _ in 0..runs.unwrap_or(3) {
            let scratch =
                tempfile::tempdir_in(out_dir()).expect("the target directory is writable");
            let report = scratch.path().join("report.jsonl");
            let watch = ["run", "--watch", "--hang-after", "1", "--on-hang", "kill", "--report"];
            let program = Program::at(env!("CARGO_BIN_EXE_forkfix")).args(watch).args([&report]);
            let program = program.args(["--"]).args([path.as_ref()]).args(arguments);
            let program = program.env("FORKFIX_LIBRARY", library()).env("FORKFIX_OPTIONS", BARE);
            let run = program.run(Preload::Bare).succeeded();
            let lines = std::fs::read_to_string(&report).expect("there is a report");
            let lines =
                lines.lines().map(|line| serde_json::from_str(line).expect("a line of JSON"));
            let hangs: Vec<Value> = lines.filter(|line: &Value| line["type"] == "hang").collect();
            let [hang] = &hangs[..] else { panic!("not one hang, but {}: {run:#?}", hangs.len()) };
            let wrong = self.wrong(hang);
            assert!(wrong.is_empty(), "wrong: {wrong:?} in {hang:#}");
        }
    }

    /// What `hang` does not say as it must.
    fn wrong(&self, hang: &Value) -> Vec<&'static str> {
        let (lock, holder) = (&hang["lock"], &hang["holder"]);
        let is_there = match self.lock {
            Some((module, symbol)) => lock["module"] == module && lock["symbol"] == symbol,
            None => lock["symbol"].is_null(),
        };
        let is_held = match self.holder {
            Some((functions, known_by)) => {
                let on_stack =
                    |function: &&str| functions_of(holder).contains(&(*function).to_owned());
                holder["name"] == "keeper"
                    && holder["known_by"] == known_by
                    && functions.iter().all(on_stack)
            }
            None => holder.is_null(),
        };
        let fork = &hang["fork"];
        let fork = fork["python"].get(0).unwrap_or(&fork["frames"][0]);
        let source = programs().join(self.fork);
        let text = std::fs::read_to_string(&source).expect("the source of a test program");
        let line = text.lines().position(|line| line.contains("FORK")).expect("a marked line") + 1;
        let file = fork["file"].as_str().unwrap_or_default();
        [
            ("kind", lock["kind"] == self.kind),
            ("lock", is_there),
            ("holder", is_held),
            ("waiting", functions_of(&hang["waiting"][0]).contains(&self.waiting.to_owned())),
            ("fork's file", file.ends_with(self.fork)),
            ("fork's line", fork["line"] == line),
            ("reason", hang["reason"]["code"] == self.reason),
            ("action", hang["action"] == "killed"),
        ]
        .into_iter()
        .filter_map(|(what, right)| (!right).then_some(what))
        .collect()
    }
}

/// The functions on a thread's stack, Python's too.
fn functions_of(thread: &Value) -> Vec<String> {
    let of = |stack: &Value| {
        let frames = stack.as_array().cloned().unwrap_or_default();
        let name = |frame: &Value| Some(frame["function"].as_str()?.to_owned());
        frames.iter().filter_map(name).collect::<Vec<_>>()
    };
    [of(&thread["frames"]), of(&thread["python"])].concat()
}

const C: &str = "hangs/keeper.h";

/// `hangs/mutex.c` with the library that `plugin` is.
fn with_plugin(name: &str, plugin: Build, library: &str, flags: &[&str]) -> PathBuf {
    let library = plugin.library(library);
    let library = library.to_str().expect("a path of letters");
    let build = Build::of("hangs/mutex.c").flags([library, "-Wl,-rpath,$ORIGIN"]);
    build.flags(flags).output(name)
}

const PLUGIN: Culprit = Culprit {
    kind: "pthread mutex",
    lock: Some(("libhangplugin.so", "plugin_lock")),
    holder: Some((&["kept", "plugin_hold", "keep", "keeper"], "recorded")),
    waiting: "plugin_use",
    fork: C,
    reason: "FF-OPTION",
};

#[test]
fn a_mutex_of_a_library() {
    let program = with_plugin("hang_mutex", Build::of("hangs/plugin.c"), "libhangplugin.so", &[]);
    PLUGIN.of(program, &[]);
}

#[test]
fn the_same_with_frame_pointers() {
    let plugin = Build::of("hangs/plugin.c");
    let program = with_plugin("hang_mutex_O0", plugin, "libhangplugin.so", &["-O0"]);
    PLUGIN.of(program, &[]);
}

#[test]
fn the_same_without_symbols_but_those_that_are_exported() {
    let plugin = Build::of("hangs/plugin.c").flags(["-s"]);
    let program = with_plugin("hang_mutex_s", plugin, "libhangstripped.so", &[]);
    // The lock is static, so that nothing is left of its name.
    let culprit = Culprit { lock: None, ..PLUGIN };
    culprit.of(program, &[]);
}

#[test]
fn a_mutex_that_a_child_handler_of_a_library_takes() {
    let handler = Build::of("hangs/plugin.c").flags(["-DHANDLER"]);
    let culprit = Culprit {
        lock: Some(("libhanghandler.so", "table+0x20")),
        waiting: "plugin_in_child",
        ..PLUGIN
    };
    culprit.of(with_plugin("hang_handler", handler, "libhanghandler.so", &[]), &[]);
}

#[test]
fn a_lock_of_libc() {
    let scratch = tempfile::tempdir_in(out_dir()).expect("the target directory is writable");
    let pipe = scratch.path().join("zone");
    run(Command::new("mkfifo").arg(&pipe));
    need("/usr/lib/debug/.build-id", "libc6-dbg");
    let culprit = Culprit {
        kind: "lock of libc (time-zone)",
        lock: Some(("libc.so.6", "tzset_lock")),
        holder: Some((&["read_clock", "keep", "keeper"], "call")),
        waiting: "read_clock",
        fork: C,
        reason: "FF-NOTYET",
    };
    culprit.of(Build::of("hangs/libc_lock.c").output("hang_libc"), &[&pipe]);
}

#[test]
fn a_mutex_in_a_global_of_cpp() {
    let culprit = Culprit {
        kind: "std::mutex",
        lock: Some(("hang_stdmutex", "registry+0x28")),
        holder: Some((&["kept", "Registry::hold()", "keep"], "recorded")),
        waiting: "Registry::look()",
        fork: C,
        reason: "FF-OPTION",
    };
    culprit.of(Build::of("hangs/stdmutex.cc").output("hang_stdmutex"), &[]);
}

#[test]
fn a_mutex_of_abseil() {
    need("/usr/include/absl/synchronization/mutex.h", "libabsl-dev");
    let culprit = Culprit {
        kind: "absl::Mutex",
        lock: Some(("hang_abseil", "ledger")),
        holder: Some((&["kept", "keep", "keeper"], "stack")),
        waiting: "need",
        fork: C,
        reason: "FF-RAWFUTEX",
    };
    let build = Build::of("hangs/abseil.cc").flags(["-labsl_synchronization"]);
    culprit.of(build.output("hang_abseil"), &[]);
}

#[test]
fn a_static_variable_of_cpp_that_is_being_made() {
    let culprit = Culprit {
        kind: "C++ static guard",
        lock: Some(("hang_guard", "guard variable for slow()::instance")),
        holder: Some((&["Slow::Slow()", "slow", "keep"], "recorded")),
        waiting: "slow",
        fork: C,
        reason: "FF-OPTION",
    };
    culprit.of(Build::of("hangs/guard.cc").output("hang_guard"), &[]);
}

#[test]
fn a_barrier_of_openmp() {
    let culprit = Culprit {
        kind: "OpenMP barrier",
        lock: None,
        holder: None,
        waiting: "parallel",
        fork: C,
        reason: "FF-OPTION",
    };
    let program = Build::of("hangs/barrier.c").flags(["-fopenmp"]).output("hang_barrier");
    culprit.of(program, &[]);
}

#[test]
fn a_critical_section_of_openmp() {
    let culprit = Culprit {
        kind: "OpenMP critical section",
        lock: Some(("hang_critical", ".gomp_critical_user_section")),
        holder: Some((&["kept", "keep", "keeper"], "stack")),
        waiting: "need",
        fork: C,
        reason: "FF-RAWFUTEX",
    };
    let program = Build::of("hangs/critical.c").flags(["-fopenmp"]).output("hang_critical");
    culprit.of(program, &[]);
}

/// The program of `hangs/rust.rs`.
fn rust() -> PathBuf {
    let mut cargo = Command::new(env!("CARGO"));
    cargo.args(["build", "--quiet", "--example", "hangs", "--target-dir"]).arg(target_dir());
    run(&mut cargo);
    target_dir().join("debug/examples/hangs")
}

const RUST: Culprit = Culprit {
    kind: "Rust std::sync::Mutex",
    lock: Some(("hangs", "hangs::STD")),
    holder: Some((&["hangs::keep", "hangs::keep_std"], "stack")),
    waiting: "hangs::need",
    fork: "hangs/rust.rs",
    reason: "FF-RAWFUTEX",
};

#[test]
fn a_mutex_of_rust() {
    RUST.of(rust(), &[Path::new("std")]);
}

#[test]
fn a_mutex_of_parking_lot() {
    let culprit = Culprit {
        kind: "parking_lot::Mutex",
        lock: Some(("hangs", "hangs::PARKING_LOT")),
        holder: Some((&["hangs::keep", "hangs::keep_parking_lot"], "stack")),
        ..RUST
    };
    culprit.of(rust(), &[Path::new("parking_lot")]);
}

const POOL: Culprit = Culprit { lock: None, holder: None, reason: "FF-POOL", ..RUST };

#[test]
fn the_pool_of_rayon() {
    let culprit = Culprit { kind: "rayon's pool", waiting: "hangs::sum", ..POOL };
    culprit.of(rust(), &[Path::new("rayon")]);
}

#[test]
fn the_pool_of_tokio() {
    let culprit = Culprit { kind: "tokio's workers", waiting: "hangs::start", ..POOL };
    culprit.of(rust(), &[Path::new("tokio")]);
}

#[test]
fn a_lock_of_python() {
    need("/usr/bin/python3", "python3");
    let culprit = Culprit {
        kind: "Python lock",
        lock: None,
        holder: Some((&["keep", "wait_for_ever"], "recorded")),
        waiting: "need",
        fork: "hangs/hang.py",
        reason: "FF-OPTION",
    };
    culprit.of("/usr/bin/python3", &[&programs().join("hangs/hang.py")]);
}
