//! Parts of libc that a program loads when the library has looked up everything.

#[path = "../common/mod.rs"]
mod common;

use common::{Build, Preload, Program, assert_same_lines};

#[test]
fn parts_of_libc_that_are_loaded_later_work() {
    let plugin = Build::of("parts_plugin.c").library("parts_plugin.so");
    let program = Program::compiled("parts.c").args([plugin]);
    let bare = program.run(Preload::Bare).succeeded();
    assert!(bare.stdout.contains("timer_create: 0\n"), "{bare:#?}");
    assert!(bare.stdout.contains("res_mkquery: 27 bytes\n"), "{bare:#?}");
    for preload in [Preload::Protected, Preload::Off] {
        let run = program.run(preload).succeeded();
        assert_same_lines(&bare.stdout, &run.stdout, &preload);
        assert!(run.messages().is_empty(), "{run:#?}");
    }
}
