//! Allocators that have handlers of their own, preloaded beside the library and linked into the
//! program, with threads that allocate while they are inside libc.

#![cfg(target_os = "linux")]

mod common;

use std::path::PathBuf;

use common::{Build, Program, hangs_bare_passes_protected, need};

/// Forks with each allocator, half of them with and half without the program's own lock.
const FORKS: u64 = 1000;

/// The shared library of an allocator, which Debian's `package` contains.
fn allocator(file: &str, package: &str) -> PathBuf {
    let architecture = std::env::consts::ARCH;
    let path = PathBuf::from(format!("/usr/lib/{architecture}-linux-gnu")).join(file);
    need(&path.to_string_lossy(), package);
    path
}

fn jemalloc() -> PathBuf {
    allocator("libjemalloc.so.2", "libjemalloc2")
}

fn tcmalloc() -> PathBuf {
    allocator("libtcmalloc.so.4", "libgoogle-perftools4")
}

fn mimalloc() -> PathBuf {
    allocator("libmimalloc.so.2", "libmimalloc2.0")
}

/// No fork may give up on a thread: that would say that it waited for one that waited for the
/// allocator.
#[track_caller]
fn drains(program: &Program, mode: &str) {
    hangs_bare_passes_protected(&program.args([mode]), FORKS / 2);
}

/// Preloaded before the library and after it.
#[track_caller]
fn drains_beside(allocator: PathBuf) {
    let program = Program::compiled("allocators.c");
    drains(&program.preload_before(&allocator), "plain");
    drains(&program.preload_after(&allocator), "lock");
}

#[track_caller]
fn drains_linked(name: &str, libraries: &[&str]) {
    let flags = ["-fno-builtin", "-Wl,--no-as-needed"].into_iter().chain(libraries.iter().copied());
    let program = Program::at(Build::of("allocators.c").flags(flags).output(name));
    drains(&program, "plain");
    drains(&program, "lock");
}

#[test]
fn glibc() {
    drains(&Program::compiled("allocators.c"), "plain");
    drains(&Program::compiled("allocators.c"), "lock");
}

#[test]
fn jemalloc_preloaded() {
    drains_beside(jemalloc());
}

#[test]
fn tcmalloc_preloaded() {
    drains_beside(tcmalloc());
}

#[test]
fn mimalloc_preloaded() {
    drains_beside(mimalloc());
}

#[test]
fn jemalloc_linked() {
    drains_linked("allocators_jemalloc", &[&jemalloc().to_string_lossy()]);
}

#[test]
fn tcmalloc_linked() {
    drains_linked("allocators_tcmalloc", &[&tcmalloc().to_string_lossy()]);
}

#[test]
fn mimalloc_linked() {
    drains_linked("allocators_mimalloc", &[&mimalloc().to_string_lossy()]);
}

/// The handlers of jemalloc and of the program come from one object, the executable.
#[test]
fn jemalloc_linked_statically() {
    let archive = allocator("libjemalloc_pic.a", "libjemalloc-dev");
    let archive = archive.to_string_lossy();
    drains_linked("allocators_jemalloc_static", &[&archive, "-lstdc++", "-lm", "-ldl"]);
}
