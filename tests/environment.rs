//! The environment's functions, which the library makes itself, do what libc's do.

#![cfg(target_os = "linux")]

mod common;

use common::{Build, Preload, Program};

#[test]
fn every_step_is_as_in_libc() {
    // The compiler would warn of the corner cases that are meant.
    let program = Program::at(Build::of("environment.c").flags(["-Wno-nonnull"]).executable());
    let bare = program.run(Preload::Bare).succeeded();
    assert!(bare.stdout.lines().count() > 30, "{bare:#?}");
    for preload in [Preload::Protected, Preload::Off] {
        let run = program.run(preload).succeeded();
        for (bare, other) in bare.stdout.lines().zip(run.stdout.lines()) {
            assert_eq!(bare, other, "{preload:?}");
        }
        assert_eq!(bare.stdout, run.stdout, "{preload:?}");
    }
}
