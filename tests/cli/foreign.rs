//! Programs of another system are called by its name.

use std::path::PathBuf;

use predicates::str::contains;

use crate::fixture::{Files, forkfix, run};

const X86_64: [u32; 2] = [0x0100_0007, 3];
const ARM64: [u32; 2] = [0x0100_000c, 0];

/// A Mach-O program for macOS 11 without any code.
fn thin(machine: [u32; 2]) -> Vec<u8> {
    let [cpu, subtype] = machine;
    let header = [0xfeed_facf, cpu, subtype, 2, 1, 24, 0, 0];
    let build_version = [0x32, 24, 1, 11 << 16, 11 << 16, 0];
    header.iter().chain(&build_version).flat_map(|word| word.to_le_bytes()).collect()
}

fn universal() -> Vec<u8> {
    let slices = [(X86_64, thin(X86_64)), (ARM64, thin(ARM64))];
    let mut header = vec![0xcafe_babe, 2];
    let mut at = 48;
    for ([cpu, subtype], slice) in &slices {
        let size = u32::try_from(slice.len()).expect("it is small");
        header.extend([*cpu, *subtype, at, size, 3]);
        at += size;
    }
    let header = header.iter().flat_map(|word| word.to_be_bytes());
    header.chain(slices.iter().flat_map(|(_, slice)| slice.clone())).collect()
}

fn program(files: &Files, content: Vec<u8>) -> PathBuf {
    files.file("app", 0o755, content)
}

#[test]
fn a_macos_program_is_named_as_one() {
    let files = Files::new();
    for (content, system) in [
        (thin(X86_64), "macOS (x86_64)"),
        (thin(ARM64), "macOS (arm64)"),
        (universal(), "macOS (x86_64, arm64)"),
    ] {
        let program = program(&files, content);
        let sentence = format!(
            "'{}' is a program for {system}, which Linux cannot run; build it for Linux",
            program.display()
        );
        run(&program).assert().code(126).stderr(contains(sentence.as_str())).stdout("");
        let mut doctor = forkfix();
        doctor.arg("doctor").arg(&program).assert().code(125).stdout(contains(sentence));
    }
}

#[test]
fn a_script_of_a_macos_program_is_told_as_a_script() {
    let files = Files::new();
    let program = program(&files, universal());
    let script = files.script("script", &format!("#!{}\n", program.display()));
    let message = contains("script' is a script: '");
    run(&script).assert().code(126).stderr(message).stderr(contains("a program for macOS"));
}

#[test]
fn what_only_starts_like_one_is_no_program() {
    let files = Files::new();
    // A class of Java 8, a header that is cut off, slices that are not there.
    let java = vec![0xca, 0xfe, 0xba, 0xbe, 0, 0, 0, 52];
    for content in [java, thin(ARM64)[..40].to_vec(), universal()[..60].to_vec()] {
        let program = program(&files, content);
        run(program).assert().code(126).stderr(contains("is neither an ELF program nor a script"));
    }
}
