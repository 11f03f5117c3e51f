//! Threads that are cancelled inside a hooked call.

#![cfg(target_os = "linux")]

mod common;

use common::{Preload, Program, forks};

/// A cancellation takes effect in the same calls as without the library, and no later fork waits
/// for the thread that is gone.
#[test]
fn cancellation_points_stay_what_they_are() {
    let program = Program::compiled("cancellation.c");
    let list = program.args(["list"]).run(Preload::Bare).succeeded().stdout;
    let calls: Vec<_> = list.lines().filter_map(|line| line.split_once(' ')).collect();
    assert!(calls.len() > 40, "{calls:?}");
    let mut cancelled = Vec::new();
    // The next entry of a list reaches a cancellation point only when libc reads on in the file.
    let by_chance =
        |(family, call): &&(&str, &str)| *family == "enumerations" && call.starts_with("get");
    for (_, call) in calls.iter().filter(|call| !by_chance(call)) {
        let program = program.args([call]);
        let bare = program.run(Preload::Bare).unharmed(20);
        if bare.stdout.starts_with("cancelled\n") {
            cancelled.push(*call);
        }
        // Several times, since the thread may be anywhere in the call.
        for _ in 0..forks(5) {
            let run = program.run(Preload::Protected).unharmed(20).drained();
            assert_eq!(bare.stdout, run.stdout, "{call}");
        }
    }
    let expected = ["syslog", "openlog", "getpwnam", "getgrgid", "gethostbyname", "getaddrinfo"];
    for call in expected {
        assert!(cancelled.contains(&call), "{call} is not in {cancelled:?}");
    }
}
