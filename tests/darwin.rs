//! The library for macOS: the very images that are shipped, for Intel and for arm64, are run on
//! Linux by the loader in `tests/macho`, which binds them to a stand-in for libSystem. What that can
//! show, and what it cannot, stands in `tests/macho/README.md`.

#![cfg(all(target_os = "linux", target_arch = "x86_64"))]

mod common;

/// Makes each of the functions a test for both architectures: `x86_64::name` and `arm64::name`.
macro_rules! on_both {
    ($($name:ident)*) => {
        mod x86_64 {
            $(#[test] fn $name() { super::$name($crate::machine::Arch::X86_64); })*
        }
        mod arm64 {
            $(#[test] fn $name() { super::$name($crate::machine::Arch::Arm64); })*
        }
    };
}

#[path = "darwin/calls.rs"]
mod calls;
#[path = "darwin/environment.rs"]
mod environment;
#[path = "darwin/hazards.rs"]
mod hazards;
#[path = "darwin/image.rs"]
mod image;
#[path = "darwin/loader.rs"]
mod loader;
#[path = "darwin/machine.rs"]
mod machine;
#[path = "darwin/order.rs"]
mod order;
#[path = "darwin/signature.rs"]
mod signature;
#[path = "darwin/warmup.rs"]
mod warmup;
