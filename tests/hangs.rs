//! Each family of libc calls hangs in a forked child without the library and does not with it.

#![cfg(target_os = "linux")]

mod common;

use common::{Build, Preload, Program, forks, hangs_bare_passes_protected, suite};

const FORKS: u64 = 1000;

/// Calls that the libc of a Debian release makes without a lock: 2.31 has none for the list of NSS modules.
const UNLOCKED: &[(&str, &str)] = &[("bullseye", "setlogmask"), ("bullseye", "nss_module")];

/// Every call of `family` that `hangs.c` knows; there must be at least `at_least`.
fn family(family: &str, at_least: usize) {
    family_with(family, at_least, FORKS);
}

fn family_with(family: &str, at_least: usize, forks: u64) {
    let program = Program::compiled("hangs.c");
    let list = program.args(["list"]).run(Preload::Bare).succeeded();
    let calls = list.stdout.lines().filter_map(|line| line.split_once(' '));
    let calls: Vec<_> = calls.filter(|(of, _)| *of == family).map(|(_, call)| call).collect();
    assert!(calls.len() >= at_least, "only {calls:?}");
    for call in calls {
        if !suite().is_some_and(|suite| UNLOCKED.contains(&(suite, call))) {
            hangs_bare_passes_protected(&program.args([call]), forks);
        }
    }
}

#[test]
fn time_zone() {
    family("time", 9);
}

#[test]
fn environment() {
    family("environment", 3);
}

#[test]
fn locale() {
    family("locale", 3);
}

#[test]
fn gettext() {
    family("gettext", 8);
}

#[test]
fn random() {
    family("random", 3);
}

#[test]
fn syslog() {
    family("syslog", 4);
}

#[test]
fn users_and_groups() {
    family("users", 7);
}

#[test]
fn hosts() {
    family("hosts", 6);
}

#[test]
fn services_protocols_networks_rpc_and_netgroups() {
    family("services", 8);
}

#[test]
fn semaphores_and_the_first_conversion() {
    family("rest", 2);
}

/// `getaliasent`, `setaliasent` and so on.
#[test]
fn enumerations() {
    family("enumerations", 16);
}

/// `fgetpwent`, `sgetsgent`, `lckpwdf` and so on.
#[test]
fn entries() {
    family("entries", 6);
}

#[test]
fn rare_look_ups() {
    family("lookups", 7);
}

#[test]
fn ports_unique_symbols_and_printf_types() {
    family("more", 3);
}

/// Calls that take their lock only the first few times in a process. Each fork has one of its own, and bare
/// more than one in twenty hangs.
#[test]
fn first_calls() {
    family_with("cold", 2, 200);
}

/// Programs that are built with hardening call `__syslog_chk`.
#[test]
fn fortified_syslog() {
    let flags = ["-O2", "-D_FORTIFY_SOURCE=2"];
    let fortified = Build::of("hangs.c").flags(flags).output("hangs_fortified");
    hangs_bare_passes_protected(&Program::at(fortified).args(["syslog"]), FORKS);
}

/// What syslog writes is the same to the letter.
#[test]
fn syslog_messages_are_unchanged() {
    let plain = Program::compiled("syslog_format.c");
    let flags = ["-O2", "-D_FORTIFY_SOURCE=2"];
    let fortified = Build::of("syslog_format.c").flags(flags).output("syslog_format_fortified");
    for program in [plain, Program::at(fortified)] {
        let bare = program.run(Preload::Bare).succeeded();
        assert!(bare.stderr.contains("syslog_format: 42 text 1.500000\n"), "{bare:#?}");
        let protected = program.run(Preload::Protected).succeeded();
        assert_eq!(bare.messages(), protected.messages());
    }
}

/// The gate for kernels without membarrier.
#[test]
fn fenced_gate() {
    let program = Program::compiled("hangs.c").options("barrier=fence");
    for call in ["localtime", "random", "setenv"] {
        hangs_bare_passes_protected(&program.args([call]), FORKS);
    }
}

/// `FORKFIX=off` leaves the program as it is: it hangs.
#[test]
fn kill_switch() {
    let program = Program::compiled("hangs.c").args(["localtime", "5000", "1"]);
    let off = program.run(Preload::Off).succeeded().hung();
    assert_eq!(off.stderr, "", "the library speaks though it is switched off");
}

/// `forkpty` calls a fork inside libc that no symbol leads to.
#[test]
fn forkpty() {
    hangs_bare_passes_protected(&Program::compiled("processes.c").args(["forkpty"]), FORKS);
}

/// Ways to make a process without handlers are left alone, and work.
#[test]
fn processes_without_handlers() {
    let program = Program::compiled("processes.c");
    for mode in ["vfork", "_Fork", "clone", "_Fork-beside-fork"] {
        let program = program.args([mode, &forks(FORKS).to_string()]);
        let bare = program.run(Preload::Bare);
        if bare.lacks_fork_without_handlers() {
            continue;
        }
        bare.unharmed(forks(FORKS));
        program.run(Preload::Protected).unharmed(forks(FORKS));
    }
}
