//! In which order initialisers and fork handlers run, and when the gate is closed.

use crate::machine::{Arch, Case};

on_both! {
    handlers_and_gate
    vfork_runs_no_handlers
    handlers_register_handlers
    the_gate_is_open_in_handlers
    handlers_of_a_named_library_are_dropped
}

/// Lines of stderr, without process ids.
fn lines(case: &Case) -> Vec<String> {
    let run = case.go().succeeded();
    let line = |line: &str| match line.strip_prefix("trace: ") {
        Some(event) => event.split_once(' ').expect("a process id and an event").1.to_owned(),
        None => line.to_owned(),
    };
    run.stderr.lines().map(line).collect()
}

fn marks(lines: &[String], wanted: &[&str]) -> Vec<String> {
    lines.iter().filter(|line| wanted.contains(&line.as_str())).cloned().collect()
}

/// The steps of a fork and the handlers of the program, as they come; `what` tells which fork.
fn steps(arch: Arch, what: &str) -> Vec<String> {
    let case = arch.run("order").option(["--trace", "@fork"]).protected("");
    let all = lines(&case);
    // vfork comes first, and ends with its mark.
    let vfork = all.iter().position(|line| line == "vfork").expect("vfork returned");
    let part = if what == "vfork" { &all[..vfork] } else { &all[vfork + 1..] };
    part.to_vec()
}

/// Prepare handlers newest first and then the clone; in the child libSystem's own hooks, then the
/// handlers, oldest first, as in the parent. Bare and protected alike.
fn handlers_and_gate(arch: Arch) {
    let steps = steps(arch, "fork");
    let prepare = ["fork dlopen-lock", "fork prepare-handlers", "prepare 2", "prepare 1"];
    let clone = ["fork libraries", "fork clone"];
    let until_clone: Vec<_> = prepare.iter().chain(&clone).copied().collect();
    assert_eq!(steps[..until_clone.len()], until_clone, "{steps:#?}");
    let child =
        ["fork notify-child", "fork xpc-child", "fork child-handlers", "child 1", "child 2"];
    assert_eq!(marks(&steps, &child), child, "{steps:#?}");
    let parent = ["fork parent-handlers", "parent 1", "parent 2", "fork"];
    assert_eq!(marks(&steps, &parent), parent, "{steps:#?}");

    let bare = lines(&arch.run("order"));
    let marked: Vec<_> = steps.iter().filter(|line| !line.starts_with("fork ")).collect();
    for mark in marked {
        assert!(bare.contains(mark), "{mark} is not in {bare:#?}");
    }

    // The gate closes when the program's prepare handlers have run: signals are blocked from there.
    let case = arch.run("order").option(["--trace", "@fork,pthread_sigmask"]).protected("");
    let all = lines(&case);
    let last_handler = all.iter().position(|line| line == "prepare 1").expect("it ran");
    let clone =
        last_handler + all[last_handler..].iter().position(|l| l == "fork clone").expect("");
    let blocked = all[last_handler..clone].iter().filter(|line| line.contains("sigmask")).count();
    // Locking and unlocking the registry takes two each time; blocking takes one.
    assert_eq!(blocked % 2, 1, "signals are not blocked: {all:#?}");
}

fn vfork_runs_no_handlers(arch: Arch) {
    let steps = steps(arch, "vfork");
    let handlers = ["prepare 1", "prepare 2", "parent 1", "parent 2", "child 1", "child 2"];
    assert_eq!(marks(&steps, &handlers), Vec::<String>::new());
    assert!(steps.iter().any(|line| line == "fork clone"), "{steps:#?}");
}

/// libSystem aborts a handler that registers one; the library's registry does not.
fn handlers_register_handlers(arch: Arch) {
    let case = arch.run("order").args(["inside"]);
    let bare = case.go();
    assert!(bare.stderr.contains("pthread_atfork in a fork handler"), "{bare:#?}");
    assert!(!bare.stderr.contains("first fork"), "{bare:#?}");
    let wanted = ["first fork", "prepare 1", "parent 1", "child 1", "a child was lost"];
    let all = lines(&case.protected(""));
    assert_eq!(marks(&all, &wanted)[..2], ["first fork", "prepare 1"], "{all:#?}");
    assert!(!all.iter().any(|line| line == "a child was lost"), "{all:#?}");
}

/// A prepare handler that waits for a thread in a gated call is not kept waiting by the gate.
fn the_gate_is_open_in_handlers(arch: Arch) {
    let run = arch.run("order").args(["open"]).protected("stats=1").go().unharmed(100);
    assert_eq!(run.stats().get("parked"), 0, "{run:#?}");
    assert_eq!(run.stats().get("gave_up"), 0, "{run:#?}");
}

/// `atfork_skip=NAME`: only the child's handler of that library is dropped.
fn handlers_of_a_named_library_are_dropped(arch: Arch) {
    let plugin = arch.app("network.dylib").display().to_string();
    let case = arch.run("order").args(["plugin", &plugin]);
    let all = ["plugin: prepare", "plugin: parent", "plugin: child"];
    let count = |case: Case| {
        let lines = lines(&case);
        all.map(|mark| lines.iter().filter(|line| *line == mark).count())
    };
    assert_eq!(count(case.clone()), [1, 1, 1]);
    assert_eq!(count(case.clone().protected("")), [1, 1, 1]);
    assert_eq!(count(case.clone().protected("atfork_skip=other.dylib")), [1, 1, 1]);
    assert_eq!(count(case.protected("atfork_skip=network.dylib")), [1, 1, 0]);
}
