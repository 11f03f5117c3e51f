//! The one frame of a stack that its reader looks for: the innermost of the program's own code.

use super::model::{Frame, Thread};

/// Modules whose frames lead to every fork and into every lock.
const SYSTEM: [&str; 7] =
    ["libc.so", "libc-", "libpthread", "libforkfix", "ld-", "libsystem_", "libstdc++"];

/// Directories whose source files come with compilers and interpreters.
const TOOLCHAIN: [&str; 4] = ["/rustc/", "/usr/include/", "/lib/python", "<frozen "];

/// The frame that stands for the thread's stack: the innermost Python frame outside of Python's own
/// library, or the innermost native one with a line of the program's. `None` for an empty stack.
pub(super) fn of(thread: &Thread) -> Option<&Frame> {
    let native = || {
        let own = |frame: &&Frame| is_own(frame);
        let sourced = thread.frames.iter().filter(own).find(|frame| frame.file.is_some());
        sourced.or_else(|| thread.frames.iter().find(own))
    };
    let python = thread.python.iter().find(|frame| is_own(frame));
    python.or_else(native).or(thread.python.first()).or(thread.frames.first())
}

/// How many of these frames there are up to the outermost with a line of the program's; the others start it, or its
/// thread. All, if there is no such line.
pub(super) fn up_to_outermost(frames: &[Frame]) -> usize {
    let is_line = |frame: &Frame| frame.file.is_some() && is_own(frame);
    frames.iter().rposition(is_line).map_or(frames.len(), |outermost| outermost + 1)
}

/// Neither of the system's libraries nor of a toolchain.
pub(super) fn is_own(frame: &Frame) -> bool {
    let module = frame.module.as_deref().unwrap_or_default();
    let file = frame.file.as_deref().unwrap_or_default();
    let is_installed = file.contains("/site-packages/") || file.contains("/dist-packages/");
    let is_toolchain = TOOLCHAIN.iter().any(|directory| file.contains(directory));
    !SYSTEM.iter().any(|name| module.starts_with(name)) && (is_installed || !is_toolchain)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn native(module: &str, file: Option<&str>) -> Frame {
        let file = file.map(str::to_owned);
        Frame { module: Some(module.to_owned()), file, ..Frame::default() }
    }

    #[test]
    fn it_is_the_innermost_line_of_the_program() {
        let frames = vec![
            native("libc.so.6", Some("fork.c")),
            native("libforkfix.so", Some("fork.rs")),
            native("app", Some("/rustc/1/library/std/src/process.rs")),
            native("libother.so", None),
            native("app", Some("src/main.rs")),
            native("app", Some("src/outer.rs")),
        ];
        let mut thread = Thread { frames, ..Thread::default() };
        assert_eq!(of(&thread), thread.frames.get(4));
        assert_eq!(up_to_outermost(&thread.frames), 6);
        assert_eq!(up_to_outermost(&thread.frames[..5]), 5);
        assert_eq!(up_to_outermost(&thread.frames[..4]), 4, "no line of the program's");
        thread.frames.truncate(4);
        assert_eq!(of(&thread), thread.frames.get(3), "better a module than nothing");
        thread.frames.truncate(2);
        assert_eq!(of(&thread), thread.frames.first());
        thread.frames.clear();
        assert_eq!(of(&thread), None);
    }

    #[test]
    fn python_s_own_library_is_passed_over() {
        let frame = |file: &str| Frame { file: Some(file.to_owned()), ..Frame::default() };
        let python = vec![
            frame("/usr/lib/python3.11/multiprocessing/popen_fork.py"),
            frame("/usr/lib/python3.11/site-packages/joblib/pool.py"),
            frame("worker.py"),
        ];
        let frames = vec![native("python3", Some("posixmodule.c"))];
        let thread = Thread { frames, python, ..Thread::default() };
        assert_eq!(of(&thread), thread.python.get(1));
    }
}
