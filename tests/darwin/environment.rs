//! What environment new programs are given.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use crate::common::out_dir;
use crate::machine::{Arch, Case};

on_both! {
    children_are_protected_as_well
    the_library_is_put_back
    follow_can_be_turned_off
    the_kill_switch_goes_along
    arm64e_programs_do_not_get_it
    other_libraries_stay
}

/// Calls that take an environment, and those that take the program's own.
const WITH_ENVIRONMENT: [&str; 4] = ["spawn", "spawnp", "execve", "execle"];
const WITHOUT: [&str; 5] = ["execv", "execvp", "execvP", "execl", "execlp"];

/// What the program is given as `DYLD_INSERT_LIBRARIES` by `how`; `None`: it has none.
#[track_caller]
fn given(case: Case, how: &str, environment: &str, program: &str) -> Option<String> {
    let case = case.option(["--trace", "@exec"]).args([how, environment, program]);
    let run = case.go();
    let event = run.stderr.lines().find(|line| line.contains(&format!(" exec {program} ")));
    let event = event.unwrap_or_else(|| panic!("nothing was started: {run:#?}"));
    let value = event.split_once("DYLD_INSERT_LIBRARIES=");
    assert!(value.is_some() || event.ends_with(" without DYLD_INSERT_LIBRARIES"), "{event}");
    value.map(|(_, value)| value.to_owned())
}

fn ours(arch: Arch) -> Option<String> {
    Some(arch.library().display().to_string())
}

/// A program that a protected one starts is run with the library, and so is what that starts.
fn children_are_protected_as_well(arch: Arch) {
    let app = |name: &str| arch.app(name).display().to_string();
    let case = arch.run("programs").args(["spawn", "PATH=/bin", &app("order")]).protected("");
    let run = case.option(["--trace", "pthread_atfork"]).go().succeeded();
    assert!(run.stderr.ends_with("\nfork\n"), "the second program did not run: {run:#?}");
    let storm = ["own", &app("hazards"), "localtime", "100", "1"];
    let run = arch.run("programs").args(["spawn"]).args(storm).protected("").go();
    run.unharmed(100);
}

fn the_library_is_put_back(arch: Arch) {
    for how in WITH_ENVIRONMENT {
        for environment in ["own", "PATH=/bin"] {
            let case = arch.run("programs").protected("");
            assert_eq!(given(case, how, environment, "/bin/true"), ours(arch), "{how}");
        }
    }
    for how in WITHOUT {
        let case = arch.run("programs").protected("");
        assert_eq!(given(case, how, "own", "/bin/true"), ours(arch), "{how}");
    }
}

fn follow_can_be_turned_off(arch: Arch) {
    for how in WITH_ENVIRONMENT {
        let case = arch.run("programs").protected("follow=0");
        assert_eq!(given(case, how, "PATH=/bin", "/bin/true"), None, "{how}");
    }
}

/// Who switches forkfix off for a program does not want it there.
fn the_kill_switch_goes_along(arch: Arch) {
    for how in WITH_ENVIRONMENT {
        let case = arch.run("programs").protected("").env("FORKFIX", "off");
        assert_eq!(given(case, how, "PATH=/bin", "/bin/true"), None, "{how}");
        let case = arch.run("programs").protected("");
        assert_eq!(given(case, how, "FORKFIX=off", "/bin/true"), None, "{how}");
    }
}

const X86_64: (u32, u32) = (0x0100_0007, 3);
const ARM64: (u32, u32) = (0x0100_000C, 0);
const ARM64E: (u32, u32) = (0x0100_000C, 2);

/// The beginning of a program for one processor, `(type, subtype)`: `struct mach_header_64`.
fn slice((cpu, subtype): (u32, u32)) -> Vec<u8> {
    const EXECUTE: u32 = 2;
    [0xFEED_FACF, cpu, subtype, EXECUTE, 0, 0, 0, 0]
        .into_iter()
        .flat_map(u32::to_le_bytes)
        .collect()
}

/// A program for several processors: `struct fat_header` and `struct fat_arch`, big-endian.
fn universal(processors: &[(u32, u32)]) -> Vec<u8> {
    const PAGE: u32 = 4096;
    let count = u32::try_from(processors.len()).expect("a few");
    let mut words = vec![0xCAFE_BABE, count];
    for (i, &(cpu, subtype)) in (1..).zip(processors) {
        words.extend([cpu, subtype, i * PAGE, 32, 12]);
    }
    let mut file: Vec<u8> = words.into_iter().flat_map(u32::to_be_bytes).collect();
    for (i, &processor) in (1..).zip(processors) {
        file.resize(i * PAGE as usize, 0);
        file.extend(slice(processor));
    }
    file
}

/// Writes an executable file.
fn program(arch: Arch, name: &str, contents: impl AsRef<[u8]>) -> String {
    let directory: PathBuf = out_dir().join(arch.name()).join("programs");
    fs::create_dir_all(&directory).expect("the target directory is writable");
    let path = directory.join(name);
    fs::write(&path, contents).expect("the target directory is writable");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).expect("it is ours");
    path.display().to_string()
}

/// dyld ends an arm64e process into which it cannot insert the library: it must not be asked to.
fn arm64e_programs_do_not_get_it(arch: Arch) {
    drop(arch.library()); // makes the directory
    let thin = program(arch, "arm64e", slice(ARM64E));
    let both = program(arch, "arm64-and-arm64e", universal(&[ARM64, ARM64E]));
    let plain = program(arch, "arm64", slice(ARM64));
    let intel = program(arch, "universal", universal(&[X86_64, ARM64E]));
    let script = program(arch, "script", format!("#!{thin} -x\n"));
    let other_script = program(arch, "other-script", "#!/bin/sh\n");
    for how in WITH_ENVIRONMENT.into_iter().chain(WITHOUT) {
        let given = |path: &str| given(arch.run("programs").protected(""), how, "own", path);
        for path in [&thin, &script] {
            assert_eq!(given(path), None, "{how} {path}");
        }
        for path in [&plain, &other_script] {
            assert_eq!(given(path), ours(arch), "{how} {path}");
        }
        // On Apple silicon the system prefers arm64e; an Intel process starts its like.
        let (apple, fits) = (arch == Arch::Arm64, ours(arch));
        assert_eq!(given(&intel), if apple { None } else { fits }, "{how} {intel}");
        if apple {
            assert_eq!(given(&both), None, "{how} {both}");
        }
    }
}

/// The list may have entries that are not ours.
fn other_libraries_stay(arch: Arch) {
    let library = arch.library().display().to_string();
    let thin = program(arch, "arm64e-alone", slice(ARM64E));
    let list = format!("DYLD_INSERT_LIBRARIES=/a.dylib:{library}:/b.dylib");
    let case = || arch.run("programs").protected("");
    assert_eq!(given(case(), "spawn", &list, &thin).as_deref(), Some("/a.dylib:/b.dylib"));
    let kept = format!("/a.dylib:{library}:/b.dylib");
    assert_eq!(given(case(), "spawn", &list, "/bin/true"), Some(kept));
    let added = given(case(), "spawn", "DYLD_INSERT_LIBRARIES=/a.dylib", "/bin/true");
    let added = added.expect("there is a list");
    let mut parts: Vec<_> = added.split(':').collect();
    parts.sort_unstable();
    let mut wanted = ["/a.dylib", library.as_str()];
    wanted.sort_unstable();
    assert_eq!(parts, wanted);
}
