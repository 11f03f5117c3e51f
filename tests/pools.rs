//! Pools of threads, which a child lacks: OpenMP's, as GCC has them.

#![cfg(target_os = "linux")]

mod common;

use common::{Build, Preload, Program, forks, hangs_bare_passes_protected, works_as_before};

const FORKS: u64 = 1000;

/// `openmp.c` in a mode of it.
fn openmp(mode: &str) -> Program {
    Program::at(Build::of("openmp.c").flags(["-fopenmp"]).executable()).args([mode])
}

#[track_caller]
fn storm(mode: &str) {
    hangs_bare_passes_protected(&openmp(mode), FORKS);
}

/// Parents and children compute the same numbers.
#[test]
fn a_child_has_a_pool_of_its_own() {
    storm("forks");
}

#[test]
fn each_of_four_threads_has_a_pool() {
    storm("threads");
}

#[test]
fn grandchildren() {
    storm("descendants");
}

/// Number of threads, schedule, dynamic adjustment and levels stay as the thread has set them.
#[test]
fn settings_of_the_thread() {
    storm("settings");
}

/// With threads bound to places, of which the thread has one, and with a limit for all threads.
#[test]
fn environments() {
    for (name, value) in
        [("OMP_PROC_BIND", "true"), ("OMP_THREAD_LIMIT", "6"), ("OMP_WAIT_POLICY", "active")]
    {
        let forks = forks(200);
        let program = openmp("settings").env(name, value).args([&forks.to_string(), "1"]);
        program.run(Preload::Bare).succeeded().hung();
        program.run(Preload::Protected).unharmed(forks);
    }
}

/// `omp_pause_resource_all` before the fork would end them.
#[test]
fn the_parents_threads_keep_their_variables() {
    works_as_before(&openmp("threadprivate"), FORKS);
}

#[test]
fn a_fork_within_a_parallel_region() {
    works_as_before(&openmp("inside"), FORKS);
}

/// libgomp arrives after the first fork, out of sight for whoever does not depend on it.
#[test]
fn libraries_that_are_loaded_later() {
    let plugin = Build::of("openmp_plugin.c").flags(["-fopenmp"]).library("libopenmp_plugin.so");
    let program = Program::at(Build::of("openmp_later.c").executable()).args([plugin]);
    hangs_bare_passes_protected(&program, FORKS);
}

/// With `pools=off`, children hang as they do bare.
#[test]
fn not_if_so_asked() {
    let program = openmp("forks").options("pools=off").args(["1000", "1"]);
    program.run(Preload::Protected).succeeded().hung();
}
