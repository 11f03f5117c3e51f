//! The dynamic loader's calls find what they find without the library, whoever makes them; and children
//! can make them whatever other threads were loading.

#![cfg(target_os = "linux")]

mod common;

use std::fs;
use std::path::{Path, PathBuf};

use common::{Build, Preload, Program, assert_same_lines, hangs_bare_passes_protected, out_dir};

const FORKS: u64 = 1000;

/// `loading_part.c` as `name`.
fn part(name: &str, flags: &[&str]) -> PathBuf {
    Build::of("loading_part.c").flags(flags).library(name)
}

/// The libraries of `loading.c`, each where only some can find it.
fn tree() -> PathBuf {
    let tree = out_dir().join("parts");
    let place = |library: &Path, at: &str| {
        let to = tree.join(at);
        fs::create_dir_all(to.parent().expect("it has one")).expect("the directory is writable");
        // Another test may be using the one that is there.
        let scratch = to.with_extension(format!("{:?}", std::thread::current().id()));
        fs::copy(library, &scratch).expect("there is room");
        fs::rename(&scratch, &to).expect("the directory is writable");
    };
    let answer = |number: &str| {
        let define = format!("-DANSWER={number}");
        part(&format!("libanswer{number}.so"), &["-DPART_ANSWER", &define])
    };
    let path = ["-Wl,--enable-new-dtags,-rpath,$ORIGIN/private", "-Wl,-z,lazy"];
    let plugin = part("libplugin.so", &[&["-DPART_PLUGIN"], &path[..]].concat());
    let nested = part("libnested.so", &[&["-DPART_NESTED", "-DANSWER=5"], &path[..]].concat());
    place(&answer("1"), "program/libanswer.so");
    place(&plugin, "plugin/libplugin.so");
    place(&answer("2"), "plugin/private/libanswer.so");
    place(&answer("3"), "plugin/private/libhidden.so");
    place(&nested, "nested/libnested.so");
    place(&answer("4"), "nested/private/libanswer.so");
    tree
}

fn wrapper() -> PathBuf {
    part("libwrapper.so", &["-DPART_WRAPPER"])
}

/// `loading.c`, bound lazily or at once.
fn loading(binding: &str, mode: &str) -> Program {
    let wrapper = wrapper();
    let flags = [
        "-rdynamic",
        "-Wl,--enable-new-dtags,-rpath,$ORIGIN/parts/program",
        &format!("-Wl,-z,{binding}"),
        "-Wl,--no-as-needed",
        &wrapper.to_string_lossy(),
    ];
    let program = Build::of("loading.c").flags(flags).output(&format!("loading_{binding}"));
    Program::at(program).args([mode]).args([tree()])
}

/// The same in every order of libraries, and with a wrapper of another's before or behind.
#[test]
fn every_caller_finds_its_own() {
    for binding in ["lazy", "now"] {
        let program = loading(binding, "tell");
        let before = program.preload_before(wrapper());
        let behind = program.preload_after(wrapper());
        for program in [program, before, behind] {
            let bare = program.run(Preload::Bare).succeeded();
            for expected in [
                "program by its path: loaded answer=1",
                "plugin by its path: loaded answer=2",
                "plugin by $ORIGIN: loaded answer=2",
                "program, what only the plugin finds: not loaded",
                "plugin, what the program does not find: loaded answer=3",
                "constructor found 4",
                "from its own space: loaded answer=2 space=1",
                "No such file or directory, 1 more calls",
            ] {
                assert!(bare.stdout.contains(expected), "{expected}: {bare:#?}");
            }
            for preload in [Preload::Protected, Preload::Off] {
                let other = program.run(preload).succeeded();
                assert_same_lines(&bare.stdout, &other.stdout, &preload);
                assert!(other.messages().is_empty(), "{other:#?}");
            }
        }
    }
}

#[test]
fn listing_beside_listing() {
    hangs_bare_passes_protected(&loading("lazy", "list"), FORKS);
}

#[test]
fn loading_beside_loading() {
    hangs_bare_passes_protected(&loading("lazy", "load"), FORKS);
}

#[test]
fn loading_beside_listing() {
    hangs_bare_passes_protected(&loading("now", "load-beside-list"), FORKS);
}

/// The forker itself is in a callback, so it holds the lock that its child then needs.
#[test]
fn fork_inside_a_callback() {
    hangs_bare_passes_protected(&loading("lazy", "callback"), FORKS);
}

#[test]
fn fork_inside_a_callback_beside_listing() {
    hangs_bare_passes_protected(&loading("lazy", "callback-beside-list"), FORKS);
}
