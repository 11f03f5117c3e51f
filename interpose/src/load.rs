//! Load time: the constructor.
//!
//! An optimisation, never a precondition: constructors of the program's libraries run before it, and
//! every hook works for them too.

use core::ffi::CStr;
use core::fmt::{Display, Write};

use crate::options::{self, Request};
use crate::text::Text;
#[cfg(target_os = "macos")]
use crate::warmup;
use crate::{atfork, barrier, child, errno, logger, next, object, preload, stats, sys, triple};
#[cfg(target_os = "linux")]
use crate::{record, threads};

#[cfg_attr(not(test), ctor::ctor(unsafe, naked))]
#[cfg_attr(test, expect(dead_code, reason = "the test process stays as it is"))]
extern "C" fn load() {
    let errno_before = errno::get();
    logger::install();
    let (request, problem) = read_options();
    child::pid();
    let barrier = barrier::choose();
    if let Some(fd) = variable(c"FORKFIX_HANDSHAKE") {
        answer(fd, &request, problem.as_str(), barrier);
    }
    if request == Request::Help {
        help(libc::STDERR_FILENO);
    }
    if !problem.as_str().is_empty() {
        complain(problem.as_str());
    }
    #[cfg(target_os = "linux")]
    if !options::off()
        && let Err(problem) = record::open()
    {
        complain(problem);
    }
    next::resolve_all();
    find_what_the_system_has();
    find_allocator();
    triple::install();
    stats::print_at_exit();
    preload::remember(variable(preload::VARIABLE));
    #[cfg(target_os = "macos")]
    if !options::off() {
        warmup::run();
    }
    errno::set(errno_before);
}

#[cfg(target_os = "linux")]
fn find_what_the_system_has() {
    threads::find_flag();
    crate::libc_data::find();
    crate::locks::choose();
    crate::locks::python::find();
    #[cfg(target_env = "gnu")]
    {
        crate::hooks::plain::find_tables();
        crate::loader::find();
    }
    #[cfg(target_env = "musl")]
    crate::musl::find();
}

#[cfg(target_os = "macos")]
fn find_what_the_system_has() {
    sys::find_waits();
}

/// Applies the variables; the text is the sentence about a problem, empty if there is none.
fn read_options() -> (Request, Text<256>) {
    if variable(c"FORKFIX").is_some_and(|value| options::is_kill_switch(value.to_bytes())) {
        options::turn_off();
    }
    let text = variable(c"FORKFIX_OPTIONS").map_or(&b""[..], CStr::to_bytes);
    let mut sentence = Text::new();
    let request = options::parse(text).unwrap_or_else(|problem| {
        let _ = write!(sentence, "{problem}");
        Request::Run
    });
    (request, sentence)
}

/// The value of an environment variable, for as long as nobody changes it.
fn variable(name: &CStr) -> Option<&'static CStr> {
    // SAFETY: a C string; before `main` no other thread changes the environment, or the program
    // has that race already.
    let value = unsafe { libc::getenv(name.as_ptr()) };
    // SAFETY: libc's pointer to a C string; the constructor uses it at once.
    (!value.is_null()).then(|| unsafe { CStr::from_ptr(value) })
}

/// Makes the allocator initialise itself now, so that the handlers it registers meanwhile are known
/// to be its own, and finds out which object it is in.
fn find_allocator() {
    // SAFETY: no preconditions.
    let probe = core::hint::black_box(unsafe { libc::malloc(1) });
    // SAFETY: allocated just now.
    unsafe { libc::free(probe) };
    atfork::allocator_is_up();
    object::find_provider();
}

/// The handshake with the command: says on the descriptor in `fd` whether the library is fit, and
/// ends the process, which was started for nothing else.
fn answer(fd: &CStr, request: &Request, problem: &str, barrier: &str) -> ! {
    let fd = fd.to_str().ok().and_then(|fd| fd.parse().ok()).unwrap_or(libc::STDERR_FILENO);
    let mut line = Text::<512>::new();
    let _ = write!(line, "forkfix {} ", env!("CARGO_PKG_VERSION"));
    let _ = if !problem.is_empty() {
        write!(line, "error {problem}")
    } else if *request == Request::Help {
        write!(line, "help")
    } else {
        write!(line, "ok barrier={barrier}")
    };
    line.end_line();
    sys::write(fd, line.as_bytes());
    if *request == Request::Help {
        help(fd);
    }
    sys::exit_now(0);
}

fn help(fd: i32) {
    let mut text = Text::<2048>::new();
    let _ = options::help(&mut text);
    sys::write(fd, text.as_bytes());
}

/// A bad option of a library that was preloaded by hand: one sentence, then on with what is known.
fn complain(problem: impl Display) {
    let mut line = Text::<1536>::new();
    let _ = write!(line, "forkfix: {problem}");
    line.end_line();
    sys::write(libc::STDERR_FILENO, line.as_bytes());
}
