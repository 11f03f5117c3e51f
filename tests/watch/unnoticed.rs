//! A program that is watched has all that it would have had.

use std::fs;
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use crate::common::{DEADLINE, library};
use crate::session::Session;
use crate::{Forkfix, status, watched};

fn watch() -> Forkfix {
    Forkfix::new(&["--watch"])
}

#[test]
fn the_exit_status_is_the_program_s() {
    for code in [0, 1, 7, 124, 125, 126, 127, 255] {
        let run = watch().run(&["sh", "-c", &format!("exit {code}")]);
        assert_eq!((status(&run), run.stderr.as_str()), (code, ""));
    }
    for signal in [libc::SIGKILL, libc::SIGTERM, libc::SIGABRT, libc::SIGRTMAX()] {
        let run = watch().run(&["sh", "-c", &format!("kill -{signal} $$")]);
        assert_eq!((status(&run), run.stderr.as_str()), (128 + signal, ""));
    }
}

#[test]
fn what_cannot_be_run_has_the_status_that_it_has_without() {
    assert_eq!(status(&watch().run(&["/usr"])), 126);
    assert_eq!(status(&watch().run(&["no-such-program"])), 127);
    let run = Forkfix::new(&["--watch", "--report", "/nonexistent/a.jsonl"]).run(&["true"]);
    assert_eq!(status(&run), 125);
    assert!(run.stderr.contains("the report '/nonexistent/a.jsonl' cannot be written"), "{run:#?}");
    // The kernel has the last word, in the child.
    let run = watch().program.args(["--allow-unprotected", "--", "true"]);
    let run = run.env("FORKFIX_LIBRARY", "/nonexistent.so").run(crate::Preload::Bare);
    assert!(run.succeeded().stderr.contains("running unprotected"));
}

#[test]
fn options_for_watching_want_watching() {
    for option in ["--timeout=1", "--hang-after=1", "--on-hang=kill", "--error-exitcode=1"] {
        let run = Forkfix::new(&[option]).run(&["true"]);
        assert_eq!(status(&run), 2);
        assert!(run.stderr.contains("--watch"), "{run:#?}");
    }
    for option in ["--timeout=0", "--hang-after=x", "--on-hang=shout", "--report=a.pdf"] {
        assert_eq!(status(&Forkfix::new(&["--watch", option]).run(&["true"])), 2);
    }
}

#[test]
fn a_signal_is_passed_on_once() {
    let forkfix = watch();
    let mut session = Session::start(&forkfix, &[&watched(), "signals"]);
    session.expect("ready");
    session.signal(libc::SIGUSR1);
    session.signal(libc::SIGTERM);
    assert_eq!(session.expect("seen "), "1");
    assert_eq!(session.end().code(), Some(128 + libc::SIGTERM));
    assert!(forkfix.left().is_empty());
}

#[test]
fn what_the_terminal_sends_comes_once() {
    let forkfix = watch();
    let mut command = Command::new(env!("CARGO_BIN_EXE_forkfix"));
    command.args(["run", "--watch", "--", &watched(), "signals"]);
    let mut session = Session::at_terminal(&forkfix, command);
    session.expect("ready");
    session.write("\x03");
    session.write("\n");
    session.expect("^C");
    session.signal(libc::SIGTERM);
    assert_eq!(session.expect("seen "), "1");
    assert_eq!(session.end().code(), Some(128 + libc::SIGTERM));
}

#[test]
fn it_stops_and_goes_on_as_a_job() {
    let forkfix = watch();
    let (command, program) = (env!("CARGO_BIN_EXE_forkfix"), watched());
    let script = format!(
        "set -m; {command} run --watch -- {program} waits; echo stopped $?; fg; echo ended $?"
    );
    let mut bash = Command::new("bash");
    bash.args(["--norc", "-c", &script]);
    let mut session = Session::at_terminal(&forkfix, bash);
    session.expect("ready");
    session.write("\x1a");
    assert_eq!(session.expect("stopped "), (128 + libc::SIGTSTP).to_string());
    session.write("A\n");
    assert_eq!(session.expect("ended "), "65");
    session.end();
}

#[test]
fn input_and_output_are_the_program_s() {
    let forkfix = watch();
    let mut session = Session::start(&forkfix, &[&watched(), "waits"]);
    session.expect("ready");
    session.write("A");
    assert_eq!(session.expect("got "), "65");
    assert_eq!(session.end().code(), Some(65));
}

#[test]
fn orphans_are_reaped() {
    let forkfix = watch();
    let mut session = Session::start(&forkfix, &[&watched(), "orphans", "20"]);
    assert_eq!(session.expect("supervisor "), session.pid().to_string());
    let end = Instant::now() + DEADLINE;
    while children(session.pid()) > 1 {
        assert!(Instant::now() < end, "{} children are left", children(session.pid()));
        thread::sleep(Duration::from_millis(5));
    }
    session.write("A");
    assert!(session.end().success());
}

/// How many children a process has, with those that have ended.
fn children(pid: libc::pid_t) -> usize {
    let stats = fs::read_dir("/proc").expect("it is mounted").flatten();
    let stats = stats.filter_map(|entry| fs::read_to_string(entry.path().join("stat")).ok());
    let parent = |stat: &String| stat.rsplit(')').next()?.split_whitespace().nth(1)?.parse().ok();
    stats.filter(|stat| parent(stat) == Some(pid)).count()
}

#[test]
fn a_supervisor_that_is_killed_takes_nothing_with_it() {
    let forkfix = watch();
    let mut session = Session::start(&forkfix, &[&watched(), "waits"]);
    session.expect("ready");
    session.signal(libc::SIGKILL);
    session.child.wait().expect("it is ours");
    assert_eq!(forkfix.left().len(), 1);
    session.write("A");
    assert_eq!(session.expect("got "), "65", "it forks a hundred times before it says that");
    // The next run takes away what the killed one has left.
    forkfix.run(&["true"]);
}

/// Runs `script` in a shell, in which `$RUN` is empty or the command; both must print the same.
fn same_as_bare(script: &str) {
    let run = |command: &str| {
        let mut shell = Command::new("sh");
        shell.args(["-c", script]).env("RUN", command).env_remove("LD_PRELOAD");
        let output = shell.env("FORKFIX_LIBRARY", library()).output().expect("it starts");
        (output.status.code(), String::from_utf8_lossy(&output.stdout).into_owned())
    };
    let command = format!("{} run --watch --", env!("CARGO_BIN_EXE_forkfix"));
    let bare = run("");
    assert!(!bare.1.is_empty(), "{script}");
    assert_eq!(bare, run(&command), "{script}");
}

#[test]
fn dispositions_mask_and_descriptors_are_passed_on() {
    let state = "$RUN grep -E '^Sig(Ign|Blk|Cgt)' /proc/self/status";
    for signals in ["", "--ignore-signal=CHLD,HUP,PIPE", "--block-signal=USR2,TERM,CHLD"] {
        same_as_bare(&format!("exec env {signals} {state}"));
    }
    let list = "exec $RUN sh -c 'for fd in 0 1 2 3 4 5 6 7 8 9; do test -e /proc/$$/fd/$fd && \
                printf \"$fd \"; done; true'";
    for before in ["", "exec 5</dev/null;", "exec 0<&-;", "exec 0<&- 2>&-;"] {
        same_as_bare(&format!("{before} {list}"));
    }
}

#[test]
fn the_options_have_the_directory_and_nothing_more() {
    let forkfix = Forkfix::new(&["--watch", "--stats"]);
    let run = forkfix.run(&["sh", "-c", "echo $FORKFIX_OPTIONS"]);
    let directory = run.stdout.trim().strip_prefix("record=").expect("the option");
    assert!(directory.starts_with(&format!("{}/forkfix-", forkfix.temporary.path().display())));
    assert!(run.stderr.contains("forkfix: 0 forks in 1 process, "), "{run:#?}");
}
