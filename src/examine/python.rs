//! The Python stacks of a hung child, read from outside by py-spy.
//!
//! It reads what an interpreter keeps in memory, in the middle of anything; whatever goes wrong there, the report
//! does without.

use std::collections::HashMap;

use super::modules::Modules;
use crate::report::model::Frame;

/// Python frames by thread, innermost first.
pub(super) type Stacks = HashMap<u32, Vec<Frame>>;

/// Whether the process has an interpreter.
pub(super) fn is_there(modules: &Modules) -> bool {
    let is = |name: &str| {
        let version = name.strip_prefix("libpython").or_else(|| name.strip_prefix("python"));
        version.is_some_and(|version| {
            version.is_empty() || version.starts_with(|c: char| c.is_ascii_digit())
        })
    };
    modules.iter().any(|module| is(&module.object.name))
}

/// Those of process `pid`, which has an interpreter.
#[cfg(target_env = "gnu")]
pub(super) fn stacks(pid: u32) -> Stacks {
    use std::panic::{AssertUnwindSafe, catch_unwind};
    use std::sync::mpsc;
    use std::thread;
    use std::time::Duration;

    /// How long it may take. It takes some tens of milliseconds.
    const PATIENCE: Duration = Duration::from_secs(3);

    let (sender, receiver) = mpsc::channel();
    // Whoever follows pointers in the memory of others may go round in circles.
    let spy = move || {
        let stacks = catch_unwind(AssertUnwindSafe(|| spy(pid)));
        let _ = sender.send(stacks.ok().and_then(Result::ok).unwrap_or_default());
    };
    match thread::Builder::new().name("py-spy".to_owned()).spawn(spy) {
        Ok(_) => receiver.recv_timeout(PATIENCE).unwrap_or_default(),
        Err(_) => Stacks::new(),
    }
}

/// There are no readers of processes for musl.
#[cfg(not(target_env = "gnu"))]
pub(super) fn stacks(_: u32) -> Stacks {
    Stacks::new()
}

#[cfg(target_env = "gnu")]
fn spy(pid: u32) -> Result<Stacks, Box<dyn std::error::Error>> {
    /// How many frames a thread has at most.
    const DEEPEST: usize = 128;

    let id = i32::try_from(pid)?;
    let config = py_spy::Config {
        blocking: py_spy::config::LockingStrategy::NonBlocking,
        ..py_spy::Config::default()
    };
    let traces = py_spy::PythonSpy::new(id, &config)?.get_stack_traces()?;
    let frame = |frame: &py_spy::Frame| Frame {
        function: Some(frame.name.clone()),
        file: Some(frame.filename.clone()),
        line: u32::try_from(frame.line).ok().filter(|line| *line != 0),
        ..Frame::default()
    };
    // Before Python's own handlers have run in a child, threads have the ids that they had in the parent. The
    // one that forked is the one that is still there.
    let alone = traces.len() == 1;
    let stack = |trace: &py_spy::StackTrace| {
        let tid = trace.os_thread_id.and_then(|tid| u32::try_from(tid).ok());
        let tid = if alone { Some(pid) } else { tid };
        Some((tid?, trace.frames.iter().take(DEEPEST).map(frame).collect()))
    };
    Ok(traces.iter().filter_map(stack).collect())
}
