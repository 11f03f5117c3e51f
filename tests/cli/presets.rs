//! Presets set variables, and leave alone what the user has set.

use predicates::prelude::*;
use predicates::str::contains;

use crate::common;
use crate::fixture::{Files, forkfix, text};

/// A pool of two threads in the parent; the child enters a parallel region, and the parent waits for
/// it, for ten seconds at most.
const OPENMP: &str = r#"
#include <signal.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>
static int region(void) {
    int sum = 0;
    #pragma omp parallel reduction(+ : sum)
    sum++;
    return sum;
}
static void overdue(int signal) { (void)signal; }
int main(void) {
    region();
    pid_t child = fork();
    if (child == 0) {
        alarm(30);
        _exit(region() > 0 ? 0 : 1);
    }
    struct sigaction action = {.sa_handler = overdue};
    sigaction(SIGALRM, &action, NULL);
    alarm(10);
    int status;
    if (waitpid(child, &status, 0) == -1) {
        kill(child, SIGKILL);
        waitpid(child, &status, 0);
        puts("hung");
        return 0;
    }
    puts(WIFEXITED(status) && WEXITSTATUS(status) == 0 ? "returned" : "died");
    return 0;
}
"#;

fn run_with(presets: &[&str]) -> assert_cmd::Command {
    let mut command = forkfix();
    command.arg("run");
    for preset in presets {
        command.args(["--preset", preset]);
    }
    command.arg("--");
    for name in ["OMP_NUM_THREADS", "LC_ALL", "LANG", "no_proxy", "PGGSSENCMODE"] {
        command.env_remove(name);
    }
    command
}

#[test]
fn the_pool_that_a_child_lacks_is_done_without() {
    let files = Files::new();
    let program = files.compile("openmp", OPENMP, &["-fopenmp"]);
    // What the library does about it must not hide what the variable does.
    let without = |presets: &[&str]| {
        let mut command = run_with(presets);
        command.arg(&program).env("FORKFIX_OPTIONS", "pools=off");
        command
    };
    assert_eq!(text(without(&[]).env("OMP_NUM_THREADS", "2")), "hung\n");
    assert_eq!(text(&mut without(&["openmp"])), "returned\n");
}

#[test]
fn what_is_set_already_stays() {
    let mut command = run_with(&["openmp"]);
    command.args(["sh", "-c", "echo $OMP_NUM_THREADS"]);
    assert_eq!(text(&mut command), "1\n");
    assert_eq!(text(command.env("OMP_NUM_THREADS", "4")), "4\n");
    assert_eq!(text(command.env("OMP_NUM_THREADS", "")), "\n");
}

#[test]
fn variables_of_macos_are_not_set_here() {
    let all = ["ruby", "python", "php", "postgres", "openmp"];
    let environment = text(run_with(&all).arg("env"));
    assert!(environment.lines().any(|line| line == "OMP_NUM_THREADS=1"), "{environment}");
    for name in ["OBJC_", "OS_ACTIVITY_MODE=", "PGGSSENCMODE=", "no_proxy=", "LC_ALL="] {
        assert!(!environment.lines().any(|line| line.starts_with(name)), "{name}\n{environment}");
    }
    let mut verbose = forkfix();
    verbose.args(["-v", "run", "--preset", "python", "--", "true"]);
    verbose.assert().success().stderr(contains("no_proxy=* of the preset matters on macOS only"));
}

#[test]
fn the_list_gives_each_variable_with_its_reason() {
    let listed = contains("ruby: Servers and workers that fork")
        .and(contains("  OBJC_DISABLE_INITIALIZE_FORK_SAFETY=YES, on macOS\n"))
        .and(contains("ansible/ansible#31869"))
        .and(contains("not tested by us"))
        .and(contains("  OMP_NUM_THREADS=1\n"));
    forkfix().args(["run", "--preset", "help"]).assert().success().stdout(listed).stderr("");
}

#[test]
fn an_unknown_preset_is_answered_with_the_known_ones() {
    let known = contains("'tea'").and(contains("ruby, python, php, postgres, openmp, help"));
    run_with(&["tea"]).arg("true").assert().code(2).stderr(known);
}

#[test]
fn the_library_is_there_as_well() {
    let library = common::library().display().to_string();
    let printed = text(run_with(&["openmp"]).args(["sh", "-c", "echo $LD_PRELOAD"]));
    assert_eq!(printed, format!("{library}\n"));
}
