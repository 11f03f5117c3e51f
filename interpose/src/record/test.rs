//! The test that a process runs, as its runner names it.

use core::ffi::CStr;

use crate::environ::{self, Strs};

/// The variables of test runners, with the equals sign, the most telling first: of pytest, nextest and Bazel, and
/// the filter of `GoogleTest`, which names a test only if a runner starts each test by itself.
const VARIABLES: [&[u8]; 5] = [
    b"PYTEST_CURRENT_TEST=",
    b"NEXTEST_TEST_NAME=",
    b"GTEST_FILTER=",
    b"TESTBRIDGE_TEST_ONLY=",
    b"TEST_TARGET=",
];

/// The first of them that the environment has, as `NAME=value`; empty if none.
///
/// # Safety
///
/// No other thread changes the environment meanwhile; what is returned holds as long.
pub(super) unsafe fn current() -> &'static [u8] {
    // SAFETY: the caller's word.
    unsafe { find(environ::current()) }
}

/// # Safety
///
/// `env` is null or a null-terminated array of C strings that does not change.
unsafe fn find(mut env: Strs) -> &'static [u8] {
    let mut found: (usize, &[u8]) = (VARIABLES.len(), b"");
    while !env.is_null() {
        // SAFETY: up to its null entry the array may be read.
        let entry = unsafe { *env };
        if entry.is_null() {
            break;
        }
        // SAFETY: entries are C strings.
        let [first] = unsafe { *entry }.to_ne_bytes();
        if matches!(first, b'P' | b'N' | b'G' | b'T') {
            // SAFETY: as above.
            let text = unsafe { CStr::from_ptr(entry) }.to_bytes();
            let rank = VARIABLES.iter().position(|name| text.starts_with(name));
            if let Some(rank) = rank.filter(|rank| *rank < found.0) {
                found = (rank, text);
            }
        }
        env = env.wrapping_add(1);
    }
    found.1
}

#[cfg(test)]
mod tests {
    use core::ptr;

    use super::*;

    #[test]
    fn the_most_telling_variable_is_found() {
        let test = c"PYTEST_CURRENT_TEST=tests/test_a.py::test_b (call)";
        let all = [c"PATH=/bin", c"GTEST_FILTER=A.*", test, c"NEXTEST=1"].map(CStr::as_ptr);
        let array = |from: usize, to: usize| {
            let mut array = [ptr::null(); 5];
            array[..to - from].copy_from_slice(&all[from..to]);
            // SAFETY: ended by a null pointer, of literals.
            unsafe { find(array.as_ptr()) }
        };
        assert_eq!(array(0, 4), test.to_bytes());
        assert_eq!(array(0, 2), b"GTEST_FILTER=A.*");
        assert_eq!(array(3, 4), b"");
        // SAFETY: none is as good as an empty one.
        assert_eq!(unsafe { find(ptr::null()) }, b"");
    }
}
