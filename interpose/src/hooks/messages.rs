//! Variadic functions that have no form with a `va_list`: `error`, `error_at_line`, `argp_error` and
//! `argp_failure`.
//!
//! The shims in `variadic_linux.c` make the text, and the functions here have the real ones print it.
//! Ending the process is left to the shims, for nobody may be inside then.

use core::ffi::{c_char, c_int, c_uint, c_void};

use crate::family::Family;
use crate::reader;
use crate::rows::next_definitions;

type Str = *const c_char;

/// Prints one text and nothing else.
const AS_IT_IS: Str = c"%s".as_ptr();
/// The second argument of the shims' formats.
const NUL: c_int = 0;

next_definitions! {
    parts:
    error [] (c_int, c_int, Str; ...) -> ();
    error_at_line [] (c_int, c_int, Str, c_uint, Str; ...) -> ();
    argp_error [] (*const c_void, Str; ...) -> ();
    argp_failure [] (*const c_void, c_int, c_int, Str; ...) -> ();
}
pub(crate) use parts::GROUP;

#[unsafe(no_mangle)]
unsafe extern "C-unwind" fn forkfix_print_error(number: c_int, format: Str, text: Str) {
    let _inside = reader::enter(Family::Stdio);
    // SAFETY: the shim's format for these; the status that does not end the process.
    unsafe { parts::error.ensure()(0, number, format, text, NUL) };
}

#[unsafe(no_mangle)]
unsafe extern "C-unwind" fn forkfix_print_error_at_line(
    number: c_int,
    file: Str,
    line: c_uint,
    format: Str,
    text: Str,
) {
    let _inside = reader::enter(Family::Stdio);
    // SAFETY: the caller's file, and as above.
    unsafe { parts::error_at_line.ensure()(0, number, file, line, format, text, NUL) };
}

/// Ends the process if the parser says so, as its usage text does.
#[unsafe(no_mangle)]
unsafe extern "C-unwind" fn forkfix_print_argp_error(state: *const c_void, text: Str) {
    let _inside = reader::enter(Family::Stdio);
    // SAFETY: the caller's parser and the shim's text.
    unsafe { parts::argp_error.ensure()(state, AS_IT_IS, text) };
}

/// Ends the process if the status is not 0 and the parser says so.
#[unsafe(no_mangle)]
unsafe extern "C-unwind" fn forkfix_print_argp_failure(
    state: *const c_void,
    status: c_int,
    number: c_int,
    text: Str,
) {
    let _inside = reader::enter(Family::Stdio);
    let format = if text.is_null() { text } else { AS_IT_IS };
    // SAFETY: the caller's parser and the shim's text; without a text, there is no format either.
    unsafe { parts::argp_failure.ensure()(state, status, number, format, text) };
}
