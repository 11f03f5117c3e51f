//! What is looked up is compared in processes of their own: in that of all tests, others look up symbols too.

#![expect(clippy::disallowed_macros, clippy::disallowed_types, reason = "tests may allocate")]

use std::ffi::CStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::looked_up::definitions;
use super::{Next, Symbol, resolve_all, walk};
use crate::errno;
use crate::object::symbols::FIRST_VERSION;

type Function = unsafe extern "C-unwind" fn() -> libc::c_long;

#[test]
fn a_symbol_that_this_libc_lacks_answers_enosys() {
    static LACKING: Next<Function> = Next::new();
    errno::set(0);
    let function = LACKING.ensure();
    // SAFETY: `absent` takes no arguments and returns a number in the same register.
    assert_eq!(unsafe { function() }, 0);
    assert_eq!(errno::get(), libc::ENOSYS);
}

#[test]
fn a_version_that_this_libc_lacks_gives_the_default_one() {
    assert!(!Symbol::new("posix_spawn", Some(c"GLIBC_0.0")).find(libc::RTLD_NEXT).is_null());
}

/// A library before libc with a definition of each kind.
const BETWEEN: &str = r#"
int localtime_r(void) { return 1; }
__attribute__((weak)) int setlocale(void) { return 2; }
int old_only(void) { return 3; }
int of_two(void) { return 4; }
int newer_of_two(void) { return 5; }
int with_default(void) { return 6; }
__asm__(".symver old_only, strftime@OLD_1");
__asm__(".symver of_two, gmtime_r@OLD_1");
__asm__(".symver newer_of_two, gmtime_r@@NEW_1");
__asm__(".symver with_default, posix_spawn@@NEW_1");
__asm__(".symver old_only, mktime@OLD_1");
__asm__(".symver of_two, getdate_r@NEW_1");
static int chosen(void) { return 7; }
static void *choose(void) { return chosen; }
int timegm(void) __attribute__((ifunc("choose")));
__attribute__((visibility("protected"))) int tzset = 8;
__thread int getdate = 9;
__asm__(".globl strptime_l\n.set strptime_l, 16");
int wcsftime = 10;
__asm__(".type wcsftime, %gnu_unique_object");
"#;
/// Its versions, of which the first is not libc's, or is.
const VERSIONS: &str = "OLD_1 { global: strftime; gmtime_r; mktime; };
NEW_1 { global: gmtime_r; posix_spawn; getdate_r; } OLD_1;";

/// Runs `test` alone, with a variable and with libraries before libc.
fn alone(test: &str, variable: (&str, &str), libraries: &[PathBuf]) {
    let libraries: Vec<_> = libraries.iter().map(|path| path.to_string_lossy()).collect();
    let output = Command::new(std::env::current_exe().expect("it has a path"))
        .args(["--exact", "--ignored", "--nocapture", &format!("next::tests::{test}")])
        .env(variable.0, variable.1)
        .env("LD_PRELOAD", libraries.join(":"))
        .output()
        .expect("it starts");
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && said.contains("1 passed"), "{output:?}");
}

/// `BETWEEN` with this name of its first version, and another flag for the compiler.
fn between(directory: &Path, first: &str, flag: &str) -> PathBuf {
    let [source, versions, library] =
        ["between.c", "between.map", "libbetween.so"].map(|name| directory.join(name));
    fs::write(&source, BETWEEN.replace("OLD_1", first)).expect("there is room");
    fs::write(&versions, VERSIONS.replace("OLD_1", first)).expect("there is room");
    let mut compiler = Command::new("cc");
    compiler.args(["-shared", "-fPIC", "-fno-builtin", "-w", "-o"]).arg(&library).arg(source);
    compiler.arg(format!("-Wl,--version-script={}", versions.display())).arg(flag);
    let output = compiler.output().expect("there is a compiler");
    assert!(output.status.success(), "{output:?}");
    library
}

/// A directory that goes with the value.
struct Scratch(PathBuf);

impl Scratch {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("forkfix-{name}-{}", std::process::id()));
        fs::create_dir_all(&path).expect("there is room");
        Self(path)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

#[test]
fn the_walk_finds_what_dlsym_finds() {
    let scratch = Scratch::new("walk");
    let walked = ("FORKFIX_TEST", "walked");
    let asked = ("FORKFIX_TEST", "asked");
    alone("compare", walked, &[]);
    for first in ["OLD_1", FIRST_VERSION.to_str().expect("it is text")] {
        for (hash, variables) in [
            ("gnu", &[walked, ("LD_AUDIT", "/nowhere.so"), ("LD_DYNAMIC_WEAK", "1")][..]),
            ("sysv", &[asked]),
        ] {
            let library = between(&scratch.0, first, &format!("-Wl,--hash-style={hash}"));
            for variable in variables {
                alone("compare", *variable, std::slice::from_ref(&library));
            }
        }
    }
}

#[test]
#[ignore = "run alone by another one"]
fn compare() {
    walk::find_plain();
    let found = definitions().filter(|(definition, _)| definition.is_known()).count();
    let all = definitions().count();
    let walked = std::env::var_os("FORKFIX_TEST").is_some_and(|how| how == "walked");
    assert!(if walked { found > all - 40 } else { found < 10 }, "{found} of {all} were found");
    resolve_all();
    for (definition, symbol) in definitions() {
        let expected = symbol.find(libc::RTLD_NEXT);
        let found =
            if definition.is_absent() { core::ptr::null_mut() } else { definition.resolve() };
        // SAFETY: a C string.
        let name = unsafe { CStr::from_ptr(symbol.name.as_ptr()) };
        assert_eq!(found, expected, "{name:?}");
    }
}
