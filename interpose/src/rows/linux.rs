//! Linux: a hook is exported under the symbol's name, and comes before libc in the search order.

/// An optional expression.
macro_rules! option {
    () => {
        None
    };
    ($value:expr) => {
        Some($value)
    };
}

/// The next definitions of a group of rows: what is looked up, and where it is kept, in the same order. Behind
/// a semicolon stand the dots of a variadic function.
macro_rules! next_definitions {
    ($module:ident: $($name:ident [] ($($ty:ty),* $(; $dots:tt)?) -> $ret:ty $(, $version:literal)?;)*) => {
        #[allow(non_upper_case_globals, reason = "they are called what the symbols are called")]
        #[allow(dead_code, reason = "some hooks do without the original")]
        pub(crate) mod $module {
            use super::*;
            use crate::next::{Group, Next, Symbol};

            #[repr(C)]
            #[allow(non_snake_case, reason = "as above")]
            pub(crate) struct Places {
                $(pub(crate) $name: Next<unsafe extern "C-unwind" fn($($ty,)* $($dots)?) -> $ret>,)*
            }
            pub(crate) static PLACES: Places = Places { $($name: Next::new(),)* };
            $(
                pub(crate) const $name: &Next<unsafe extern "C-unwind" fn($($ty,)* $($dots)?) -> $ret> =
                    &PLACES.$name;
            )*

            static SYMBOLS: &[Symbol] =
                &[$(Symbol::new(stringify!($name), $crate::rows::option!($($version)?)),)*];
            // SAFETY: the places are in the order of the symbols.
            pub(crate) const GROUP: Group = unsafe { Group::new(&PLACES, SYMBOLS) };
        }
    };
}

/// One exported function.
macro_rules! export {
    ($name:ident [] ($($arg:ident: $ty:ty),*) -> $ret:ty, $body:block) => {
        #[cfg_attr(not(test), unsafe(no_mangle))]
        #[cfg_attr(test, allow(dead_code, reason = "not exported in tests, though some call others"))]
        #[allow(non_snake_case, reason = "they are called what the symbols are called")]
        #[allow(unused_unsafe, reason = "some answers are safe expressions, some are not")]
        unsafe extern "C-unwind" fn $name($($arg: $ty),*) -> $ret $body
    };
}

#[cfg(target_env = "gnu")]
macro_rules! redirected {
    ($($family:ident, $fill:ident {
        $($check:ident $name:ident($($arg:ident: $ty:ty),*) -> $entry:ident via $twin:ident;)*
    })*) => {
        $crate::rows::next_definitions! {
            redirected_next: $($($name [] ($($ty),*) -> *mut $entry;)*)*
        }
        /// One store for each redirected look-up.
        #[allow(non_camel_case_types, reason = "they are called what the symbols are called")]
        #[derive(Clone, Copy)]
        enum Store {
            $($($name,)*)*
            Count,
        }
        const _: () = assert!(Store::Count as usize <= $crate::annex::STORES);
        $($(
            $crate::rows::check!($check $name, unsafe extern "C" fn($($ty),*) -> *mut $entry);
            $crate::rows::export!($name [] ($($arg: $ty),*) -> *mut $entry, {
                let Ok(_inside) = $crate::reader::enter($crate::family::Family::$family) else {
                    return $crate::rows::redirected!(@answer $fill);
                };
                if $crate::options::off() {
                    let next = redirected_next::$name.get();
                    // SAFETY: the caller's arguments, passed on.
                    return unsafe { next($($arg),*) };
                }
                let twin = gated_next::$twin.get();
                $crate::rows::redirected!(@fill $fill, Store::$name as usize, twin, $($arg),*)
            });
        )*)*
    };
    (@answer fill) => { $crate::errno::with(libc::EIO, core::ptr::null_mut()) };
    (@answer fill_resolved) => { $crate::errno::try_again(core::ptr::null_mut()) };
    (@fill fill, $store:expr, $twin:ident, $($arg:ident),*) => {
        $crate::hooks::lookup::fill($store, |(to, buffer, size, found)| {
            // SAFETY: the caller's arguments, and a place as the `_r` function wants it.
            unsafe { $twin($($arg,)* to, buffer, size, found) }
        })
    };
    (@fill fill_resolved, $store:expr, $twin:ident, $($arg:ident),*) => {
        $crate::hooks::lookup::fill_resolved($store, |(to, buffer, size, found), error| {
            // SAFETY: the caller's arguments, and a place as the `_r` function wants it.
            unsafe { $twin($($arg,)* to, buffer, size, found, error) }
        })
    };
}

/// Defining C-variadic functions is not stable in Rust 1.95; jumping to one written in C leaves all
/// argument registers as they are.
macro_rules! variadic {
    ($($name:ident => $shim:ident;)*) => {
        #[cfg(not(test))]
        mod shims {
            $(
                const _: () = {
                    unsafe extern "C-unwind" {
                        safe fn $shim();
                    }
                    #[unsafe(naked)]
                    #[unsafe(no_mangle)]
                    unsafe extern "C-unwind" fn $name() {
                        #[cfg(target_arch = "x86_64")]
                        core::arch::naked_asm!("jmp {}", sym $shim);
                        #[cfg(target_arch = "aarch64")]
                        core::arch::naked_asm!("b {}", sym $shim);
                    }
                };
            )*
        }
    };
}

/// Functions that must see who called them: a hook that waits while the gate is closed and then jumps, so
/// that the real function finds its caller's return address and stack. It does not enter: see `loader`.
#[cfg(target_env = "gnu")]
macro_rules! delayed {
    ($($name:ident($($ty:ty),*) -> $ret:ty;)*) => {
        $crate::rows::next_definitions! {
            delayed_next: $($name [] ($($ty),*) -> $ret;)*
        }
        #[cfg(not(test))]
        mod delayed_hooks {
            $(
                #[unsafe(naked)]
                #[unsafe(no_mangle)]
                unsafe extern "C-unwind" fn $name() {
                    #[cfg(target_arch = "x86_64")]
                    core::arch::naked_asm!(
                        "cmp dword ptr [rip + {gate}], 0",
                        "jne 2f",
                        "jmp qword ptr [rip + {next} + {at}]",
                        "2:",
                        "push rdi",
                        "push rsi",
                        "push rdx",
                        "push rcx",
                        "push rax",
                        "lea rdi, [rip + {next} + {at}]",
                        "call {wait}",
                        "pop rax",
                        "pop rcx",
                        "pop rdx",
                        "pop rsi",
                        "pop rdi",
                        "jmp qword ptr [rip + {next} + {at}]",
                        gate = sym $crate::gate::GATE,
                        next = sym super::delayed_next::PLACES,
                        at = const core::mem::offset_of!(super::delayed_next::Places, $name),
                        wait = sym $crate::reader::wait_outside,
                    );
                    #[cfg(target_arch = "aarch64")]
                    core::arch::naked_asm!(
                        "adrp x16, {gate}",
                        "ldr w16, [x16, :lo12:{gate}]",
                        "cbz w16, 2f",
                        "stp x29, x30, [sp, #-48]!",
                        "stp x0, x1, [sp, #16]",
                        "stp x2, x3, [sp, #32]",
                        "adrp x0, {next} + {at}",
                        "add x0, x0, :lo12:{next} + {at}",
                        "bl {wait}",
                        "ldp x2, x3, [sp, #32]",
                        "ldp x0, x1, [sp, #16]",
                        "ldp x29, x30, [sp], #48",
                        "2:",
                        "adrp x16, {next} + {at}",
                        "ldr x16, [x16, :lo12:{next} + {at}]",
                        "br x16",
                        gate = sym $crate::gate::GATE,
                        next = sym super::delayed_next::PLACES,
                        at = const core::mem::offset_of!(super::delayed_next::Places, $name),
                        wait = sym $crate::reader::wait_outside,
                    );
                }
            )*
        }
    };
}

#[cfg(target_env = "gnu")]
pub(crate) use {delayed, redirected};
pub(crate) use {export, next_definitions, option, variadic};
