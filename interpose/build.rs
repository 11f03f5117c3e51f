//! Compiles the few functions that must be C, and names the library.

#![expect(clippy::disallowed_macros, reason = "a build script talks to cargo on stdout")]

use std::env;

fn main() {
    println!("cargo::rerun-if-changed=src");
    let system = env::var("CARGO_CFG_TARGET_OS").unwrap_or_default();
    let musl = env::var("CARGO_CFG_TARGET_ENV").is_ok_and(|libc| libc == "musl");
    let mut build = cc::Build::new();
    if system == "macos" {
        // Programs find it by the path they were given; the build directory must not stay in the file.
        println!("cargo::rustc-cdylib-link-arg=-Wl,-install_name,@rpath/libforkfix.dylib");
        // The libc crate names libiconv, of which nothing is used.
        println!("cargo::rustc-cdylib-link-arg=-Wl,-dead_strip_dylibs");
        build.file("src/variadic_macos.c").flag("-fvisibility=hidden");
    } else {
        let file = if musl { "src/variadic_musl.c" } else { "src/variadic_linux.c" };
        build.file(file).flag("-D_GNU_SOURCE");
        // A call of a hook from inside means that hook: there is nothing to look up when a program starts.
        println!("cargo::rustc-cdylib-link-arg=-Wl,-Bsymbolic");
    }
    // Cancellation and exceptions unwind through these frames; on musl nothing does, see `musl/cc`.
    let unwinding = if musl { "-fno-asynchronous-unwind-tables" } else { "-fexceptions" };
    build
        .flag("-std=c11")
        .flag(unwinding)
        .flag("-O2")
        .warnings_into_errors(true)
        .compile("forkfix_variadic");
}
