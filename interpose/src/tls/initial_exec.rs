//! Linux: pointers in thread-local storage, in the initial-exec model.
//!
//! `thread_local!` in a shared library calls `__tls_get_addr`, which costs 2 ns, may allocate and
//! may take a lock of the loader on the first touch. A preloaded library is always part of the
//! initial set, so its TLS block has a fixed distance to the thread pointer, and a load through the
//! GOT is all it takes. Stable Rust has no way to ask for that model but assembly.

use core::arch::{asm, global_asm};
use core::ptr;

use crate::locks::Ledger;
use crate::slot::Slot;

global_asm!(
    ".pushsection .tbss,\"awT\",%nobits",
    ".balign 8",
    ".globl forkfix_tls_slot",
    ".hidden forkfix_tls_slot",
    ".type forkfix_tls_slot, %object",
    ".size forkfix_tls_slot, 8",
    "forkfix_tls_slot: .zero 8",
    ".globl forkfix_tls_ledger",
    ".hidden forkfix_tls_ledger",
    ".type forkfix_tls_ledger, %object",
    ".size forkfix_tls_ledger, 8",
    "forkfix_tls_ledger: .zero 8",
    ".popsection",
);

/// Reads a pointer of this thread's own TLS block, at the offset that the loader put into the GOT.
macro_rules! load {
    ($variable:literal) => {{
        let address: usize;
        // SAFETY: reads eight bytes that nothing but this thread accesses; touches neither flags nor stack.
        #[cfg(target_arch = "x86_64")]
        unsafe {
            asm!(
                concat!("mov {0}, qword ptr [rip + ", $variable, "@GOTTPOFF]"),
                "mov {0}, qword ptr fs:[{0}]",
                out(reg) address,
                options(nostack, readonly, preserves_flags),
            );
        }
        // SAFETY: as above.
        #[cfg(target_arch = "aarch64")]
        unsafe {
            asm!(
                concat!("adrp {0}, :gottprel:", $variable),
                concat!("ldr {0}, [{0}, :gottprel_lo12:", $variable, "]"),
                "mrs {1}, tpidr_el0",
                "ldr {0}, [{0}, {1}]",
                out(reg) address,
                out(reg) _,
                options(nostack, readonly, preserves_flags),
            );
        }
        ptr::with_exposed_provenance(address)
    }};
}

/// Writes one.
macro_rules! store {
    ($variable:literal, $pointer:expr) => {{
        let pointer = $pointer.expose_provenance();
        // SAFETY: writes eight bytes that nothing but this thread accesses.
        #[cfg(target_arch = "x86_64")]
        unsafe {
            asm!(
                concat!("mov {0}, qword ptr [rip + ", $variable, "@GOTTPOFF]"),
                "mov qword ptr fs:[{0}], {1}",
                out(reg) _,
                in(reg) pointer,
                options(nostack, preserves_flags),
            );
        }
        // SAFETY: as above.
        #[cfg(target_arch = "aarch64")]
        unsafe {
            asm!(
                concat!("adrp {0}, :gottprel:", $variable),
                concat!("ldr {0}, [{0}, :gottprel_lo12:", $variable, "]"),
                "mrs {1}, tpidr_el0",
                "str {2}, [{0}, {1}]",
                out(reg) _,
                out(reg) _,
                in(reg) pointer,
                options(nostack, preserves_flags),
            );
        }
    }};
}

/// The calling thread's slot, or null.
#[inline(always)]
pub(crate) fn slot() -> *const Slot {
    load!("forkfix_tls_slot")
}

/// Makes `slot` the calling thread's slot.
pub(crate) fn set_slot(slot: *const Slot) {
    store!("forkfix_tls_slot", slot);
}

/// The calling thread's ledger of locks.
#[inline(always)]
pub(crate) fn ledger() -> Option<&'static Ledger> {
    let ledger: *const Ledger = load!("forkfix_tls_ledger");
    // SAFETY: null, or what `set_ledger` was given.
    unsafe { ledger.as_ref() }
}

/// Makes `ledger` the calling thread's.
pub(crate) fn set_ledger(ledger: Option<&'static Ledger>) {
    let ledger = ledger.map_or(ptr::null(), ptr::from_ref);
    store!("forkfix_tls_ledger", ledger);
}
