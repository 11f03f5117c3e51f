//! Calls that libc makes ready for when they are made for the first time: locales, conversions, look-ups;
//! and the end of the process.

use std::ffi::{CStr, c_char, c_int};
use std::ptr;
use std::sync::atomic::{AtomicPtr, Ordering};

// What the `libc` crate does not declare.
unsafe extern "C" {
    fn __nss_configure_lookup(database: *const c_char, services: *const c_char) -> c_int;
    fn mbstowcs(to: *mut libc::wchar_t, from: *const c_char, size: usize) -> usize;
    fn strerror_l(number: c_int, locale: libc::locale_t) -> *const c_char;
}

/// Locales of languages that libc's messages are translated to.
const LANGUAGES: [&CStr; 8] = [
    c"de_DE.UTF-8",
    c"fr_FR.UTF-8",
    c"es_ES.UTF-8",
    c"ja_JP.UTF-8",
    c"pt_BR.UTF-8",
    c"ru_RU.UTF-8",
    c"sv_SE.UTF-8",
    c"zh_CN.UTF-8",
];

/// The one that is installed.
static LANGUAGE: AtomicPtr<c_char> = AtomicPtr::new(ptr::null_mut());

fn new_locale(name: *const c_char) -> Option<libc::locale_t> {
    // SAFETY: a name that ends with a NUL, and no base locale.
    let locale = unsafe { libc::newlocale(libc::LC_ALL_MASK, name, ptr::null_mut()) };
    (!locale.is_null()).then_some(locale)
}

fn is_translated(name: &CStr) -> bool {
    let Some(locale) = new_locale(name.as_ptr()) else {
        return false;
    };
    // SAFETY: any number is allowed.
    let text = unsafe { strerror_l(libc::ENOENT, locale) };
    // SAFETY: libc's text, which lives until this thread asks for the next one.
    let text = unsafe { CStr::from_ptr(text) };
    let translated = text != c"No such file or directory";
    // SAFETY: made above, and not used again.
    unsafe { libc::freelocale(locale) };
    translated
}

/// Whether there is a locale with translated messages.
pub(in crate::prove) fn has_translation() -> bool {
    LANGUAGES.into_iter().any(is_translated)
}

/// Goes over to that locale.
pub(in crate::prove) fn translate() {
    if let Some(name) = LANGUAGES.into_iter().find(|name| is_translated(name)) {
        LANGUAGE.store(name.as_ptr().cast_mut(), Ordering::Relaxed);
        // SAFETY: the name ends with a NUL.
        unsafe { libc::setlocale(libc::LC_ALL, name.as_ptr()) };
    }
}

pub(in crate::prove) fn new_translated_locale() -> bool {
    let Some(locale) = new_locale(LANGUAGE.load(Ordering::Relaxed)) else {
        return false;
    };
    // SAFETY: made above, and not used again.
    unsafe { libc::freelocale(locale) };
    true
}

/// The first conversion in a locale loads what it needs.
pub(in crate::prove) fn first_conversion() -> bool {
    let Some(locale) = new_locale(super::UTF8_LOCALE.as_ptr()) else {
        return false;
    };
    // SAFETY: a locale of this thread only.
    let before = unsafe { libc::uselocale(locale) };
    let mut to = [0; 8];
    // SAFETY: the text ends with a NUL and has fewer characters than there is room for.
    let length = unsafe { mbstowcs(to.as_mut_ptr(), c"\u{e4}b".as_ptr(), to.len()) };
    // SAFETY: what it was.
    unsafe { libc::uselocale(before) };
    // SAFETY: made above, and not used again.
    unsafe { libc::freelocale(locale) };
    length == 2
}

/// Whether the next call can be made without end.
pub(in crate::prove) fn configures_frugally() -> bool {
    let version = crate::sys::libc();
    let minor = version.strip_prefix("glibc 2.").and_then(|minor| minor.parse().ok());
    minor.is_none_or(|minor: u32| minor >= 33)
}

/// Says anew where users are looked up: another database than the child's, but the same locks.
pub(in crate::prove) fn configure_lookup() -> bool {
    // SAFETY: both strings end with a NUL; libc copies what it keeps.
    unsafe { __nss_configure_lookup(c"passwd".as_ptr(), c"files".as_ptr()) == 0 }
}

pub(in crate::prove) fn getgrgid_r() -> bool {
    let mut group = std::mem::MaybeUninit::uninit();
    let (mut buffer, mut found) = ([0; 4096], ptr::null_mut());
    // SAFETY: all places are of this frame and have the sizes given.
    let error = unsafe {
        libc::getgrgid_r(0, group.as_mut_ptr(), buffer.as_mut_ptr(), buffer.len(), &raw mut found)
    };
    error == 0
}

/// What the threads do where another one is enough.
pub(in crate::prove) fn pause() -> bool {
    // SAFETY: no preconditions.
    unsafe { libc::usleep(1000) == 0 }
}

/// Tells the thread that forks that another one is in an exit handler.
static IN_HANDLER: AtomicPtr<()> = AtomicPtr::new(ptr::null_mut());

extern "C" fn stay() {
    IN_HANDLER.store(ptr::dangling_mut(), Ordering::Release);
    loop {
        pause();
    }
}

/// Starts a thread that ends the process, and stays in an exit handler.
pub(in crate::prove) fn begin_exit() {
    // SAFETY: a function of this program.
    unsafe { libc::atexit(stay) };
    // SAFETY: it never comes to the end, as the handler does not return.
    std::thread::spawn(|| unsafe { libc::exit(0) });
    while IN_HANDLER.load(Ordering::Acquire).is_null() {
        std::thread::yield_now();
    }
}

/// Ends the process with the status that stands for success.
pub(in crate::prove) fn exit() -> bool {
    // SAFETY: no other thread of this process ends it.
    unsafe { libc::exit(0) }
}
