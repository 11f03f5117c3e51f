//! A program that is run keeps everything it would have had without the command.

use std::os::unix::process::ExitStatusExt;

use predicates::prelude::*;
use predicates::str::contains;

use crate::common;
use crate::fixture::{Files, forkfix, output, run, shell, text};

/// Runs `script` in a shell, once as `exec sh` and once as `exec forkfix run -- sh`: `$RUN` is
/// empty or the command. Both must print the same.
fn same_as_bare(script: &str) -> String {
    let bare = output(shell(script).env("RUN", ""));
    let run = format!("{} run --", env!("CARGO_BIN_EXE_forkfix"));
    let protected = output(shell(script).env("RUN", run));
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    assert_eq!(text(&bare.stdout), text(&protected.stdout), "{}", text(&protected.stderr));
    assert_eq!(bare.status.code(), protected.status.code(), "{}", text(&protected.stderr));
    text(&bare.stdout)
}

#[test]
fn the_library_is_mapped() {
    let files = Files::new();
    let show = files.show("show");
    assert!(text(&mut run(&show)).ends_with(" protected\n"));
    assert!(text(&mut crate::fixture::without_ours(show)).ends_with(" bare\n"));
}

#[test]
fn the_program_is_this_process() {
    let script = "echo $$; exec \"$FORKFIX_EXE\" run -- sh -c 'echo $$'";
    let printed = text(&mut shell(script));
    let pids: Vec<&str> = printed.lines().collect();
    assert!(matches!(pids[..], [before, after] if before == after), "{printed}");
}

#[test]
fn the_program_s_name_stays_as_given() {
    let files = Files::new();
    let show = files.show("show");
    let path = format!("{}:/bin", files.path().display());
    assert_eq!(text(run("show").env("PATH", path)), "show protected\n");
    assert_eq!(text(run("./show").current_dir(files.path())), "./show protected\n");
    assert_eq!(text(&mut run(&show)), format!("{} protected\n", show.display()));
}

#[test]
fn arguments_arrive_unchanged() {
    let arguments = ["-v", "--", "--help", "", "a b", "*", "x=y:z"];
    let expected: String = arguments.iter().map(|argument| format!("<{argument}>")).collect();
    let mut command = run("printf");
    assert_eq!(text(command.arg("<%s>").args(arguments)), expected);
    let mut command = forkfix();
    assert_eq!(text(command.args(["run", "printf", "<%s>"]).args(["-v", "a"])), "<-v><a>");
}

#[test]
fn the_exit_status_is_the_program_s() {
    for code in [0, 1, 7, 125, 126, 127, 255] {
        run("sh").args(["-c", &format!("exit {code}")]).assert().code(code).stderr("");
    }
}

#[test]
fn death_by_a_signal_is_the_program_s() {
    for signal in [libc::SIGKILL, libc::SIGTERM, libc::SIGABRT] {
        let status = output(run("sh").args(["-c", &format!("kill -{signal} $$")])).status;
        assert_eq!(status.signal(), Some(signal));
    }
}

#[test]
fn signal_dispositions_and_mask_are_passed_on() {
    let status = "exec $RUN grep -E '^Sig(Ign|Blk|Cgt)' /proc/self/status";
    let plain = same_as_bare(status);
    let ignored = same_as_bare(&format!("trap '' PIPE CHLD HUP; {status}"));
    assert_ne!(plain, ignored);
}

#[test]
fn descriptors_are_passed_on() {
    let list = "exec 0</dev/null 5</dev/null; $CLOSE exec $RUN sh -c 'for fd in 0 1 2 3 4 5 6 7 8 9; do \
                test -e /proc/$$/fd/$fd && printf \"$fd \"; done; true'";
    assert_eq!(same_as_bare(&list.replace("$CLOSE", "")), "0 1 2 5 ");
    assert_eq!(same_as_bare(&list.replace("$CLOSE", "exec 2>&-;")), "0 1 5 ");
    assert_eq!(same_as_bare(&list.replace("$CLOSE", "exec 0<&- 2>&-;")), "1 5 ");
}

#[test]
fn the_environment_stays_but_for_the_preload() {
    let library = common::library().display();
    let bare = text(forkfix_env("env").arg("A=1"));
    let mut protected = forkfix_env(env!("CARGO_BIN_EXE_forkfix"));
    let protected = text(protected.args(["run", "--", "env", "A=1"]));
    let added = format!("LD_PRELOAD={library}");
    let others: Vec<&str> = protected.lines().filter(|line| *line != added).collect();
    assert_ne!(others.len(), protected.lines().count(), "{added} is not in:\n{protected}");
    assert_eq!(bare.lines().collect::<Vec<_>>(), others);
}

fn forkfix_env(program: &str) -> assert_cmd::Command {
    let mut command = crate::fixture::without_ours(program);
    command.env("FORKFIX_LIBRARY", common::library());
    command
}

#[test]
fn an_existing_preload_is_kept_behind_ours() {
    let files = Files::new();
    let other = files.compile("other.so", "int other;", &["-shared", "-fPIC"]);
    let (library, other) = (common::library().display(), other.display());
    let existing = format!("{other} /nonexistent/missing.so:");
    let mut command = run("sh");
    command.args(["-c", "echo \"$LD_PRELOAD\"; cat /proc/$$/maps"]).env("LD_PRELOAD", &existing);
    let result = output(&mut command);
    let printed = String::from_utf8_lossy(&result.stdout);
    assert!(result.status.success());
    assert!(printed.starts_with(&format!("{library}:{existing}\n")), "{printed}");
    assert!(printed.contains(&other.to_string()), "{printed}");
    // The loader itself tells of the missing one, in each process.
    let errors = String::from_utf8_lossy(&result.stderr);
    assert!(errors.contains("'/nonexistent/missing.so' from LD_PRELOAD"), "{errors}");
    let mut verbose = forkfix();
    verbose.args(["-v", "run", "--", "true"]).env("LD_PRELOAD", existing);
    verbose.assert().success().stderr(contains("will leave out '/nonexistent/missing.so'"));
}

#[test]
fn the_library_is_not_added_twice() {
    let exe = env!("CARGO_BIN_EXE_forkfix");
    let nested = text(run(exe).args(["run", "--", "sh", "-c", "echo $LD_PRELOAD"]));
    assert_eq!(nested, format!("{}\n", common::library().display()));
}

#[test]
fn options_are_merged_over_the_variable() {
    let print = ["--", "sh", "-c", "echo $FORKFIX_OPTIONS"];
    let mut command = forkfix();
    command.args(["run", "--option", "bounded_ms=20", "--option", "bounded_ms=30"]);
    command.args(["--stats", "--log", "warn", "--no-follow"]).args(print);
    command.env("FORKFIX_OPTIONS", "log=off:blocking_ms=7:stats=0");
    let printed = text(&mut command);
    let mut options: Vec<&str> = printed.trim().split(':').collect();
    options.dedup_by_key(|option| option.split('=').next().unwrap_or_default().to_owned());
    options.sort_unstable();
    assert_eq!(options, ["blocking_ms=7", "bounded_ms=30", "follow=0", "log=warn", "stats=1"]);

    let untouched = "log=off::stats=0:";
    let mut command = run("sh");
    let printed =
        text(command.args(["-c", "echo $FORKFIX_OPTIONS"]).env("FORKFIX_OPTIONS", untouched));
    assert_eq!(printed, format!("{untouched}\n"));
}

#[test]
fn a_handshake_variable_left_behind_does_not_reach_the_program() {
    run("echo").arg("ran").env("FORKFIX_HANDSHAKE", "1").assert().success().stdout("ran\n");
}

#[test]
fn it_runs_without_home_and_with_an_empty_environment() {
    run("true").env_remove("HOME").assert().success().stderr("");
    let mut command = forkfix();
    command.env_clear().args(["run", "--library"]).arg(common::library()).args(["--", "env"]);
    let expected = format!("LD_PRELOAD={}\n", common::library().display());
    assert_eq!(text(&mut command), expected);
}

#[test]
fn closed_descriptors_change_no_exit_code() {
    for closed in ["2>&-", "0<&- 1>&- 2>&-"] {
        for (arguments, code) in [
            ("run -- sh -c 'exit 7'", 7),
            ("run -- /usr", 126),
            ("run -- no-such-program", 127),
            ("run --library /nonexistent.so -- true", 125),
            ("run --option colour=1 -- true", 125),
            ("run --allow-unprotected --library /nonexistent.so -- sh -c 'exit 7'", 7),
            ("-vv run -- sh -c 'exit 7'", 7),
            ("run", 2),
            ("fly", 2),
            ("doctor /usr", 125),
            ("doctor true", 0),
            ("--help", 0),
        ] {
            shell(&format!("\"$FORKFIX_EXE\" {arguments} {closed}")).assert().code(code);
        }
    }
}

#[test]
fn too_few_descriptors_are_an_error_and_no_crash() {
    // Four are enough for the loader to start the command, but not for a pipe and a process.
    let limited = "exec 3>&- 4>&- 5>&- 6>&- 7>&- 8>&- 9>&-; ulimit -n 4; exec \"$FORKFIX_EXE\" run";
    let message =
        contains("raise the limits on processes and open files").and(contains("os error 24"));
    shell(&format!("{limited} -- echo ran")).assert().code(125).stderr(message).stdout("");
    let mut command = shell(&format!("{limited} --allow-unprotected -- echo ran"));
    command.assert().success().stderr(contains("warning: running unprotected")).stdout("ran\n");
}

#[test]
fn verbose_says_what_is_done() {
    let mut command = forkfix();
    command.args(["-v", "run", "--", "true"]);
    let library = common::library().display().to_string();
    command.assert().success().stderr(contains(library).and(contains("the command is '")));
    run("true").assert().success().stderr("");
}
