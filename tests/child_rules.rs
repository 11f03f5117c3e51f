//! Nothing of ours allocates in a child before `fork` returns.

mod common;

use common::{Preload, Program};

#[test]
fn a_child_allocates_nothing_before_fork_returns() {
    let program = Program::compiled("child_rules.c").args(["1000"]);
    // Bare it hangs at the first fork or so: the threads are in `localtime`.
    program.run(Preload::Bare).succeeded().hung();
    let run = program.run(Preload::Protected).succeeded();
    assert!(run.stdout.contains("forks=1000 hangs=0 crashes=0"), "{run:#?}");
}
