//! The entry points that docs/runners.md has for containers, as process 1.

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};

use crate::{Suite, outcome};

/// The two lines of the document, as the words of their lists, without the server.
fn entry_points() -> Vec<Vec<String>> {
    let document = include_str!("../../docs/runners.md");
    let lists = document.lines().filter_map(|line| line.strip_prefix("ENTRYPOINT "));
    let lists =
        lists.map(|list| -> Vec<String> { serde_json::from_str(list).expect("it is JSON") });
    lists
        .map(|mut words| {
            assert_eq!(words.pop().as_deref(), Some("/usr/bin/server"));
            words
        })
        .collect()
}

/// `script` behind an entry point, which is the first process of a namespace of its own.
fn container(suite: &Suite, entry_point: &[String], script: &str) -> Command {
    // SAFETY: takes nothing and cannot fail.
    let is_root = unsafe { libc::geteuid() } == 0;
    let mut command = suite.command("unshare");
    if !is_root {
        command.args(["--user", "--map-root-user"]);
    }
    command.args(["--pid", "--fork", "--mount-proc", "--kill-child"]);
    command.args(entry_point).args(["/bin/sh", "-c", script]);
    command
}

#[test]
fn the_status_is_that_of_the_server() {
    let points = entry_points();
    assert_eq!(points.len(), 2);
    for point in points {
        for (script, expected) in [("exit 7", 7), ("exit 0", 0)] {
            let suite = Suite::new();
            let (text, status) = outcome(&mut container(&suite, &point, script));
            assert_eq!((text.as_str(), status), ("", Some(expected)), "{point:?} {script}");
        }
    }
}

#[test]
fn a_server_that_dies_of_a_signal_is_told_from_one_that_exits() {
    let suite = Suite::new();
    let watched = &entry_points()[0];
    let (text, status) = outcome(&mut container(&suite, watched, "kill -KILL $$"));
    assert_eq!((text.as_str(), status), ("", Some(128 + libc::SIGKILL)));
}

#[test]
fn the_first_process_reaps_orphans() {
    let suite = Suite::new();
    // The shell in the middle is gone before its child, which the first process gets then.
    let script = "sh -c 'sleep 0.1 & echo $!' >pid; read pid <pid; \
                  while [ -e /proc/$pid ]; do sleep 0.05; done; echo reaped; exit 5";
    let (text, status) = outcome(&mut container(&suite, &entry_points()[0], script));
    assert_eq!((text.as_str(), status), ("reaped\n", Some(5)));
}

/// `docker stop` sends SIGTERM to the first process, from outside.
#[test]
fn signals_reach_the_server() {
    for point in entry_points() {
        let suite = Suite::new();
        // It waits in a child: a shell handles signals between commands.
        let script = "trap 'echo ended; exit 42' TERM; echo ready; while :; do sleep 0.05; done";
        let mut command = container(&suite, &point, script);
        let mut child = command.stdout(Stdio::piped()).spawn().expect("it starts");
        let mut lines = BufReader::new(child.stdout.take().expect("it is a pipe")).lines();
        assert_eq!(lines.next().and_then(Result::ok).as_deref(), Some("ready"));
        let first = first_process(child.id());
        // SAFETY: a process that this test started, and that nobody has reaped.
        assert_eq!(unsafe { libc::kill(first, libc::SIGTERM) }, 0);
        assert_eq!(lines.next().and_then(Result::ok).as_deref(), Some("ended"), "{point:?}");
        assert_eq!(child.wait().expect("it is ours").code(), Some(42), "{point:?}");
    }
}

/// The first process of the namespace, by its number here: `timeout` runs `unshare`, whose child it is.
fn first_process(timeout: u32) -> i32 {
    let child = |pid: u32| {
        let children = std::fs::read_to_string(format!("/proc/{pid}/task/{pid}/children"));
        let children = children.expect("it runs");
        let first = children.split(' ').next().and_then(|child| child.parse::<u32>().ok());
        first.expect("it has a child")
    };
    child(child(timeout)).cast_signed()
}
