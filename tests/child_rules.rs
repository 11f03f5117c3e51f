//! Nothing of ours allocates in a child before `fork` returns.

#![cfg(target_os = "linux")]

mod common;

use common::{Preload, Program, forks};

#[test]
fn a_child_allocates_nothing_before_fork_returns() {
    let program = Program::compiled("child_rules.c");
    // Bare it hangs at the first fork or so: the threads are in `localtime`.
    program.args(["5000"]).run(Preload::Bare).succeeded().hung();
    let forks = forks(1000);
    program.args([forks.to_string()]).run(Preload::Protected).unharmed(forks);
}
