//! The macros that turn rows of the [hook table](crate::table) into functions.
//!
//! Each row becomes a function `extern "C-unwind"`: cancellation, `pthread_exit` and C++ exceptions may
//! leave through it. How it takes the place of libc's differs by system: on Linux it is exported under
//! the same name, on macOS a tuple in a section of its own tells dyld. In unit tests of this crate
//! neither happens, so that the test process keeps libc's.

#[cfg(target_os = "linux")]
mod linux;
#[cfg(target_os = "macos")]
mod macos;

#[cfg(target_os = "linux")]
pub(crate) use linux::*;
#[cfg(target_os = "macos")]
pub(crate) use macos::*;

/// Compares a row's signature with the `libc` crate's, at compile time.
macro_rules! check {
    (libc $name:ident, $signature:ty) => {
        const _: $signature = libc::$name;
    };
    (bare $name:ident, $signature:ty) => {};
}

/// A type, or `()` if there is none.
macro_rules! or_unit {
    () => {
        ()
    };
    ($ty:ty) => {
        $ty
    };
}

/// Returns the answer if the call must not be made. A row without one belongs to a family whose calls
/// are always made.
macro_rules! answer {
    ($family:ident, $inside:ident, $answer:expr) => {
        const _: () = assert!(!$crate::family::Family::$family.passes());
        let Ok(_inside) = $inside else {
            // SAFETY: an answer uses the arguments as the real function would.
            return unsafe { $answer };
        };
    };
    ($family:ident, $inside:ident) => {
        const _: () = assert!($crate::family::Family::$family.passes());
        let _inside = $inside;
    };
}

macro_rules! gated {
    ($($family:ident {
        $(
            $check:ident $name:ident $(as $symbol:literal)? ($($arg:ident: $ty:ty),*)
                $(-> $ret:ty)? $(= $answer:expr)?;
        )*
    })*) => {
        $crate::rows::next_definitions! {
            gated_next: $($(
                $name [$($symbol)?] ($($ty),*) -> $crate::rows::or_unit!($($ret)?);
            )*)*
        }
        $($(
            $crate::rows::check!($check $name, unsafe extern "C" fn($($ty),*) $(-> $ret)?);
            $crate::rows::export!($name [$($symbol)?] ($($arg: $ty),*) -> $crate::rows::or_unit!($($ret)?), {
                // Its own function, so that the arguments stay in their registers on the fast path.
                #[cold]
                #[inline(never)]
                unsafe extern "C-unwind" fn slow($($arg: $ty),*) -> $crate::rows::or_unit!($($ret)?) {
                    #[cfg(target_env = "gnu")]
                    $crate::hooks::helpers::make_sure($crate::family::Family::$family);
                    let inside = $crate::reader::enter($crate::family::Family::$family);
                    $crate::rows::answer!($family, inside $(, $answer)?);
                    let next = gated_next::$name.ensure();
                    // SAFETY: the caller's arguments, for the function they were meant for.
                    unsafe { next($($arg),*) }
                }
                let Some(inside) =
                    $crate::reader::AtOnce::enter($crate::family::Family::$family)
                else {
                    // SAFETY: the caller's arguments, passed on.
                    return unsafe { slow($($arg),*) };
                };
                let next = gated_next::$name.get();
                // SAFETY: the caller's arguments, for the function they were meant for.
                let result = unsafe { next($($arg),*) };
                inside.leave();
                result
            });
        )*)*
    };
}

macro_rules! routed {
    ($(
        $check:ident $name:ident $(as $symbol:literal)? ($($arg:ident: $ty:ty),*) $(-> $ret:ty)?
            => $body:expr $(, $version:literal)?;
    )*) => {
        $crate::rows::next_definitions! {
            routed_next: $(
                $name [$($symbol)?] ($($ty),*) -> $crate::rows::or_unit!($($ret)?) $(, $version)?;
            )*
        }
        $(
            $crate::rows::check!($check $name, unsafe extern "C" fn($($ty),*) $(-> $ret)?);
            $crate::rows::export!($name [$($symbol)?] ($($arg: $ty),*) -> $crate::rows::or_unit!($($ret)?), {
                // SAFETY: the caller's arguments, passed on to the body of this hook.
                unsafe { ($body)($($arg),*) }
            });
        )*
    };
}

pub(crate) use {answer, check, gated, or_unit, routed};
