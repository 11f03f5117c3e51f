//! Linux: one pointer of thread-local storage, in the initial-exec model.
//!
//! `thread_local!` in a shared library calls `__tls_get_addr`, which costs 2 ns, may allocate and
//! may take a lock of the loader on the first touch. A preloaded library is always part of the
//! initial set, so its TLS block has a fixed distance to the thread pointer, and a load through the
//! GOT is all it takes. Stable Rust has no way to ask for that model but assembly.

use core::arch::{asm, global_asm};
use core::ptr;

use crate::slot::Slot;

global_asm!(
    ".pushsection .tbss,\"awT\",%nobits",
    ".balign 8",
    ".globl forkfix_tls_slot",
    ".hidden forkfix_tls_slot",
    ".type forkfix_tls_slot, %object",
    ".size forkfix_tls_slot, 8",
    "forkfix_tls_slot: .zero 8",
    ".popsection",
);

/// The calling thread's slot, or null.
#[cfg(target_arch = "x86_64")]
#[inline(always)]
pub(crate) fn slot() -> *const Slot {
    let address: usize;
    // SAFETY: reads eight bytes of this thread's own TLS block, at the offset that the loader put
    // into the GOT; touches neither flags nor stack.
    unsafe {
        asm!(
            "mov {0}, qword ptr [rip + forkfix_tls_slot@GOTTPOFF]",
            "mov {0}, qword ptr fs:[{0}]",
            out(reg) address,
            options(nostack, readonly, preserves_flags),
        );
    }
    ptr::with_exposed_provenance(address)
}

/// The calling thread's slot, or null.
#[cfg(target_arch = "aarch64")]
#[inline(always)]
pub(crate) fn slot() -> *const Slot {
    let address: usize;
    // SAFETY: reads eight bytes of this thread's own TLS block, at the offset that the loader put
    // into the GOT; touches neither flags nor stack.
    unsafe {
        asm!(
            "adrp {0}, :gottprel:forkfix_tls_slot",
            "ldr {0}, [{0}, :gottprel_lo12:forkfix_tls_slot]",
            "mrs {1}, tpidr_el0",
            "ldr {0}, [{0}, {1}]",
            out(reg) address,
            out(reg) _,
            options(nostack, readonly, preserves_flags),
        );
    }
    ptr::with_exposed_provenance(address)
}

/// Makes `slot` the calling thread's slot.
#[cfg(target_arch = "x86_64")]
pub(crate) fn set_slot(slot: *const Slot) {
    // SAFETY: writes eight bytes of this thread's own TLS block, which nothing else accesses.
    unsafe {
        asm!(
            "mov {0}, qword ptr [rip + forkfix_tls_slot@GOTTPOFF]",
            "mov qword ptr fs:[{0}], {1}",
            out(reg) _,
            in(reg) slot.expose_provenance(),
            options(nostack, preserves_flags),
        );
    }
}

/// Makes `slot` the calling thread's slot.
#[cfg(target_arch = "aarch64")]
pub(crate) fn set_slot(slot: *const Slot) {
    // SAFETY: writes eight bytes of this thread's own TLS block, which nothing else accesses.
    unsafe {
        asm!(
            "adrp {0}, :gottprel:forkfix_tls_slot",
            "ldr {0}, [{0}, :gottprel_lo12:forkfix_tls_slot]",
            "mrs {1}, tpidr_el0",
            "str {2}, [{0}, {1}]",
            out(reg) _,
            out(reg) _,
            in(reg) slot.expose_provenance(),
            options(nostack, preserves_flags),
        );
    }
}
