//! macOS: dyld reads a pair of addresses, hook and original, for every interposed function, and binds the
//! imports of all other images to the hook (dyld `doc/PatchTable.md`; section type `S_INTERPOSING`).
//!
//! The hook must be a symbol of this image alone, the original an import.

/// A pair for dyld.
#[repr(C)]
pub(crate) struct Tuple {
    /// The hook.
    pub(crate) replacement: *const (),
    /// The import that it stands in for.
    pub(crate) replacee: *const (),
}

// SAFETY: two addresses of code, never written.
unsafe impl Sync for Tuple {}

/// The imported functions of a group of rows.
macro_rules! next_definitions {
    ($module:ident: $($name:ident [$($symbol:literal)?] ($($ty:ty),*) -> $ret:ty;)*) => {
        #[allow(non_upper_case_globals, reason = "they are called what the symbols are called")]
        #[allow(dead_code, reason = "some hooks do without the original")]
        pub(crate) mod $module {
            use super::*;
            use crate::next::Next;

            $(
                pub(crate) static $name: Next<unsafe extern "C-unwind" fn($($ty),*) -> $ret> = {
                    unsafe extern "C-unwind" {
                        $(#[link_name = $symbol])?
                        fn $name($(_: $ty),*) -> $ret;
                    }
                    Next::new($name)
                };
            )*
        }
    };
}

/// One function, and the tuple that puts it in place of the import.
macro_rules! export {
    ($name:ident [$($symbol:literal)?] ($($arg:ident: $ty:ty),*) -> $ret:ty, $body:block) => {
        const _: () = {
            #[allow(unused_unsafe, reason = "some answers are safe expressions, some are not")]
            #[cfg_attr(test, allow(dead_code, reason = "no tuple in tests"))]
            unsafe extern "C-unwind" fn hook($($arg: $ty),*) -> $ret $body
            $crate::rows::tuple!($name [$($symbol)?], hook);
        };
    };
}

/// The tuple alone.
macro_rules! tuple {
    ($name:ident [$($symbol:literal)?], $hook:ident) => {
        #[cfg(not(test))]
        #[used]
        #[unsafe(link_section = "__DATA,__interpose,interposing")]
        static TUPLE: $crate::rows::Tuple = {
            #[allow(clashing_extern_declarations, reason = "only its address is taken")]
            unsafe extern "C" {
                $(#[link_name = $symbol])?
                fn $name();
            }
            $crate::rows::Tuple { replacement: $hook as *const (), replacee: $name as *const () }
        };
    };
}

/// Functions with variable arguments are written in C (`variadic_macos.c`), since defining them is not stable
/// in Rust 1.95.
macro_rules! variadic {
    ($($name:ident $(as $symbol:literal)? => $shim:ident;)*) => {
        $(
            const _: () = {
                unsafe extern "C" {
                    fn $shim();
                }
                $crate::rows::tuple!($name [$($symbol)?], $shim);
            };
        )*
    };
}

pub(crate) use {export, next_definitions, tuple, variadic};
