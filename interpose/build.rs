//! Compiles the few functions that must be C.

#![expect(clippy::disallowed_macros, reason = "a build script talks to cargo on stdout")]

fn main() {
    println!("cargo::rerun-if-changed=src/variadic.c");
    cc::Build::new()
        .file("src/variadic.c")
        .flag("-std=c11")
        .flag("-D_GNU_SOURCE")
        // Cancellation and exceptions unwind through these frames.
        .flag("-fexceptions")
        .flag("-O2")
        .warnings_into_errors(true)
        .compile("forkfix_variadic");
}
