//! What happens at load, before any other code of the program.

use crate::common::Run;
use crate::machine::Arch;

on_both! {
    libnotify_is_warm
    xpc_is_warm
    comes_first
    missing_functions_are_survived
    the_kill_switch_leaves_all_cold
    atfork_child_declares_the_parent_a_child
    foundation_initialises_classes
    dns_looks_up_a_name
}

/// As many as go.dev/issue/56784 needed to be sure.
const TRIALS: u64 = 2000;

/// Stops after the fifth child that is lost.
fn race(arch: Arch, what: &str, trials: u64, options: Option<&str>) -> Run {
    let case = arch.run("race").args([what, &trials.to_string(), "5"]);
    options.map_or(case.clone(), |options| case.protected(options)).go().succeeded()
}

#[track_caller]
fn loses_children_unless_warm(arch: Arch, what: &str) {
    for cold in [None, Some("warmup=none")] {
        let tally = race(arch, what, 5000, cold).tally();
        println!("{what} on {}, {cold:?}: {tally:?}", arch.name());
        assert!(tally.hangs + tally.crashes > 0, "no child is lost: {tally:?}");
    }
    race(arch, what, TRIALS, Some("")).unharmed(TRIALS);
}

fn libnotify_is_warm(arch: Arch) {
    loses_children_unless_warm(arch, "notify");
}

fn xpc_is_warm(arch: Arch) {
    loses_children_unless_warm(arch, "xpc");
}

const TRACED: &str = "notify_is_valid_token,xpc_date_create_from_current,xpc_atfork_child,\
                      getaddrinfo,getenv";

/// The traced calls with who made them, and the program's marks; without process ids.
fn trace(arch: Arch, options: &str) -> Vec<String> {
    let run = arch.run("order").option(["--trace", TRACED]).protected(options).go().succeeded();
    let line = |line: &str| match line.strip_prefix("trace: ") {
        Some(call) => call.split_once(' ').expect("a process id and a call").1.to_owned(),
        None => line.to_owned(),
    };
    run.stderr.lines().map(line).collect()
}

/// The position of a line; it must be there.
#[track_caller]
fn at(lines: &[String], wanted: &str) -> usize {
    let found = lines.iter().position(|line| line == wanted);
    found.unwrap_or_else(|| panic!("no {wanted:?} in {lines:#?}"))
}

fn comes_first(arch: Arch) {
    let lines = trace(arch, "");
    let notify = at(&lines, "dlsym notify_is_valid_token");
    let xpc = at(&lines, "dlsym xpc_date_create_from_current");
    let first = lines.iter().position(|line| line.starts_with("app ")).expect("the program runs");
    assert!(notify < xpc && xpc < first, "{lines:#?}");
    assert!(!lines.iter().any(|line| line.ends_with("xpc_atfork_child")), "{lines:#?}");
}

fn missing_functions_are_survived(arch: Arch) {
    for missing in ["xpc_date_create_from_current", "notify_is_valid_token"] {
        let case = arch.run("order").option(["--missing", missing, "--trace", TRACED]);
        let run = case.protected("").go().succeeded();
        let other = ["xpc_date_create_from_current", "notify_is_valid_token"];
        let other = other.into_iter().find(|name| *name != missing).expect("there are two");
        assert!(run.stderr.contains(&format!("dlsym {other}\n")), "{run:#?}");
        assert!(run.stderr.ends_with("fork\n"), "{run:#?}");
    }
}

fn the_kill_switch_leaves_all_cold(arch: Arch) {
    let case = arch.run("order").option(["--trace", TRACED]).protected("").env("FORKFIX", "off");
    let run = case.go().succeeded();
    assert!(!run.stderr.contains("dlsym "), "{run:#?}");
}

/// The first recipe of Go, which broke programs (go.dev/issue/57263), is there only for who asks.
fn atfork_child_declares_the_parent_a_child(arch: Arch) {
    let connection = |options: &str| {
        let run = arch.run("frameworks").args(["connection"]).protected(options).go();
        run.succeeded().stdout
    };
    assert_eq!(connection(""), "alive\n");
    assert_eq!(connection("warmup=xpc-atfork-child"), "dead\n");
    assert!(trace(arch, "warmup=xpc-atfork-child").iter().any(|l| l == "dlsym xpc_atfork_child"));
}

fn foundation_initialises_classes(arch: Arch) {
    let case = arch.run("frameworks").args(["class"]);
    let cold = case.clone().go().succeeded();
    assert_eq!(cold.tally().crashes, 1, "{cold:#?}");
    assert!(cold.stderr.contains("+[NSNumber initialize] may have been in progress"), "{cold:#?}");
    case.protected("warmup=default,foundation").go().unharmed(1);
}

fn dns_looks_up_a_name(arch: Arch) {
    let lines = trace(arch, "warmup=dns");
    let look_up = at(&lines, "dylib getaddrinfo");
    assert!(look_up < at(&lines, "app getenv"), "{lines:#?}");
    assert!(!trace(arch, "").iter().any(|line| line.ends_with("getaddrinfo")));
}
