//! The calls behind glibc's remaining locks: conversions, streams, processes, the loader, objects that
//! threads share, and the rest.
//!
//! Set-ups leave what the calls share in statics, before any thread exists.

use std::ffi::{c_char, c_int, c_void};
use std::mem::MaybeUninit;
use std::ptr;
use std::sync::atomic::{AtomicPtr, AtomicUsize, Ordering};

// What the `libc` crate does not declare.
unsafe extern "C" {
    fn open_memstream(memory: *mut *mut c_char, size: *mut usize) -> *mut libc::FILE;
    fn rewind(stream: *mut libc::FILE);
    fn swprintf(to: *mut libc::wchar_t, size: usize, format: *const libc::wchar_t, ...) -> c_int;
    fn __cxa_atexit(
        handler: extern "C" fn(*mut c_void),
        argument: *mut c_void,
        object: *const c_void,
    ) -> c_int;
    fn __cxa_finalize(object: *const c_void);
    fn sgetspent(text: *const c_char) -> *mut libc::spwd;
    fn addseverity(severity: c_int, text: *const c_char) -> c_int;
    fn open_wmemstream(memory: *mut *mut libc::wchar_t, size: *mut usize) -> *mut libc::FILE;
    fn fputws(text: *const libc::wchar_t, stream: *mut libc::FILE) -> c_int;
    fn gai_cancel(request: *mut c_void) -> c_int;
    fn gai_error(request: *mut Lookup) -> c_int;
    fn gai_suspend(list: *const *mut Lookup, count: c_int, timeout: *const libc::timespec)
    -> c_int;
    fn getaddrinfo_a(
        mode: c_int,
        list: *mut *mut Lookup,
        count: c_int,
        event: *mut libc::sigevent,
    ) -> c_int;
    fn register_printf_specifier(
        specifier: c_int,
        print: *const c_void,
        describe: *const c_void,
    ) -> c_int;
}

pub(in crate::prove) fn iconv_open() -> bool {
    // SAFETY: both names end with a NUL.
    let conversion = unsafe { libc::iconv_open(c"UTF-16".as_ptr(), c"UTF-8".as_ptr()) };
    // SAFETY: opened just now, or the error value, which is refused.
    unsafe { libc::iconv_close(conversion) == 0 }
}

pub(in crate::prove) fn swprintf_number() -> bool {
    const FORMAT: [libc::wchar_t; 3] = ['%' as libc::wchar_t, 'd' as libc::wchar_t, 0];
    let mut to = [0; 16];
    // SAFETY: the buffer has the given size, the format ends with a zero and takes one number.
    unsafe { swprintf(to.as_mut_ptr(), to.len(), FORMAT.as_ptr(), 7) == 1 }
}

static STREAM: AtomicPtr<libc::FILE> = AtomicPtr::new(ptr::null_mut());
static MEMORY: AtomicPtr<c_char> = AtomicPtr::new(ptr::null_mut());
static MEMORY_SIZE: AtomicUsize = AtomicUsize::new(0);

/// A stream in memory, which libc does not keep in its list of streams.
pub(in crate::prove) fn open_memory() {
    // SAFETY: both places live as long as the process.
    let stream = unsafe { open_memstream(MEMORY.as_ptr(), MEMORY_SIZE.as_ptr()) };
    STREAM.store(stream, Ordering::Relaxed);
}

pub(in crate::prove) fn write_to_memory() -> bool {
    let stream = STREAM.load(Ordering::Relaxed);
    // SAFETY: a stream that stays open.
    unsafe { rewind(stream) };
    // SAFETY: as above; the text ends with a NUL.
    unsafe { libc::fputs(c"forkfix".as_ptr(), stream) >= 0 }
}

static WIDE: AtomicPtr<libc::wchar_t> = AtomicPtr::new(ptr::null_mut());

/// The same for wide characters.
pub(in crate::prove) fn open_wide_memory() {
    // SAFETY: both places live as long as the process.
    let stream = unsafe { open_wmemstream(WIDE.as_ptr(), MEMORY_SIZE.as_ptr()) };
    STREAM.store(stream, Ordering::Relaxed);
}

pub(in crate::prove) fn write_wide() -> bool {
    const TEXT: [libc::wchar_t; 2] = ['x' as libc::wchar_t, 0];
    let stream = STREAM.load(Ordering::Relaxed);
    // SAFETY: a stream that stays open.
    unsafe { rewind(stream) };
    // SAFETY: as above; the text ends with a zero.
    unsafe { fputws(TEXT.as_ptr(), stream) >= 0 }
}

pub(in crate::prove) fn system() -> bool {
    // SAFETY: the command ends with a NUL.
    unsafe { libc::system(c":".as_ptr()) == 0 }
}

pub(in crate::prove) fn popen() -> bool {
    // SAFETY: both strings end with a NUL.
    let stream = unsafe { libc::popen(c"exit 0".as_ptr(), c"r".as_ptr()) };
    // SAFETY: opened just now.
    !stream.is_null() && unsafe { libc::pclose(stream) } == 0
}

extern "C" fn count_object(_: *mut libc::dl_phdr_info, _: usize, count: *mut c_void) -> c_int {
    // SAFETY: `dl_iterate_phdr` below passes a number.
    unsafe { *count.cast::<c_int>() += 1 };
    0
}

pub(in crate::prove) fn dl_iterate_phdr() -> bool {
    let mut count: c_int = 0;
    // SAFETY: the callback gets the number it expects.
    unsafe { libc::dl_iterate_phdr(Some(count_object), (&raw mut count).cast()) };
    count > 0
}

pub(in crate::prove) fn dlopen() -> bool {
    // SAFETY: the name ends with a NUL; the library is one of libc's own and has no constructor.
    let library = unsafe { libc::dlopen(c"libanl.so.1".as_ptr(), libc::RTLD_NOW) };
    // SAFETY: opened just now.
    !library.is_null() && unsafe { libc::dlclose(library) } == 0
}

extern "C" fn nothing(_: *mut c_void) {}

/// Registers an exit handler for an object and runs it, as a library does that is unloaded.
pub(in crate::prove) fn exit_handler() -> bool {
    static OBJECT: u8 = 0;
    let object = (&raw const OBJECT).cast();
    // SAFETY: the handler lives as long as the process.
    let result = unsafe { __cxa_atexit(nothing, ptr::null_mut(), object) };
    // SAFETY: any address may stand for an object.
    unsafe { __cxa_finalize(object) };
    result == 0
}

/// Room for a compiled expression.
struct Regex(std::cell::UnsafeCell<MaybeUninit<libc::regex_t>>);

// SAFETY: written by the set-up alone; libc guards its own use by the lock that is measured here.
unsafe impl Sync for Regex {}

static REGEX: Regex = Regex(std::cell::UnsafeCell::new(MaybeUninit::uninit()));

pub(in crate::prove) fn compile_regex() {
    // SAFETY: the place is large enough; the pattern ends with a NUL.
    unsafe { libc::regcomp(REGEX.0.get().cast(), c"\\(a*\\)b\\1".as_ptr(), 0) };
}

pub(in crate::prove) fn regexec() -> bool {
    let text = c"aaaaaaaaaaaaaaaaaaaaaaaa";
    // SAFETY: compiled by the set-up; the text ends with a NUL, and no matches are wanted.
    let result =
        unsafe { libc::regexec(REGEX.0.get().cast(), text.as_ptr(), 0, ptr::null_mut(), 0) };
    result == libc::REG_NOMATCH
}

static DIRECTORY: AtomicPtr<libc::DIR> = AtomicPtr::new(ptr::null_mut());

pub(in crate::prove) fn open_directory() {
    // SAFETY: the path ends with a NUL.
    DIRECTORY.store(unsafe { libc::opendir(c"/".as_ptr()) }, Ordering::Relaxed);
}

pub(in crate::prove) fn readdir() -> bool {
    let directory = DIRECTORY.load(Ordering::Relaxed);
    // SAFETY: a directory that stays open.
    unsafe { libc::rewinddir(directory) };
    // SAFETY: as above; the result is not followed. Another thread may have come to the end meanwhile.
    unsafe { libc::readdir(directory) };
    true
}

pub(in crate::prove) fn timer() -> bool {
    // SAFETY: plain data; all zeroes are valid.
    let mut event: libc::sigevent = unsafe { std::mem::zeroed() };
    event.sigev_notify = libc::SIGEV_THREAD;
    let mut timer = ptr::null_mut();
    // SAFETY: both places are of this frame. The timer is never set, so it notifies nobody.
    if unsafe { libc::timer_create(libc::CLOCK_MONOTONIC, &raw mut event, &raw mut timer) } != 0 {
        return false;
    }
    // SAFETY: made just now.
    unsafe { libc::timer_delete(timer) == 0 }
}

pub(in crate::prove) fn aio_error() -> bool {
    // SAFETY: plain data; all zeroes are a request that is complete.
    let request: libc::aiocb = unsafe { std::mem::zeroed() };
    // SAFETY: of this frame.
    unsafe { libc::aio_error(&raw const request) == 0 }
}

pub(in crate::prove) fn cancel_lookups() -> bool {
    /// `EAI_ALLDONE` (netdb.h).
    const ALL_DONE: c_int = -103;
    // SAFETY: null stands for all requests, of which there are none.
    unsafe { gai_cancel(ptr::null_mut()) == ALL_DONE }
}

pub(in crate::prove) fn setutent() -> bool {
    // SAFETY: no preconditions.
    unsafe { libc::setutxent() };
    // SAFETY: no preconditions.
    unsafe { libc::endutxent() };
    true
}

pub(in crate::prove) fn shadow_entry() -> bool {
    // SAFETY: the text ends with a NUL; the result, which all threads share, is not followed.
    !unsafe { sgetspent(c"user:*:1:0:9:7:::".as_ptr()) }.is_null()
}

pub(in crate::prove) fn severity() -> bool {
    // SAFETY: the text is a constant.
    unsafe { addseverity(10, c"forkfix".as_ptr()) == 0 }
}

static MAIN: AtomicUsize = AtomicUsize::new(0);

pub(in crate::prove) fn remember_main() {
    // SAFETY: no preconditions.
    MAIN.store(unsafe { libc::pthread_self() } as usize, Ordering::Relaxed);
}

/// Asks for the stack of the thread that forks.
pub(in crate::prove) fn stack_of_main() -> bool {
    let mut attributes = MaybeUninit::<libc::pthread_attr_t>::uninit();
    let main = MAIN.load(Ordering::Relaxed) as libc::pthread_t;
    // SAFETY: the main thread lives as long as the process; the place is of this frame.
    if unsafe { libc::pthread_getattr_np(main, attributes.as_mut_ptr()) } != 0 {
        return false;
    }
    // SAFETY: filled in just now.
    unsafe { libc::pthread_attr_destroy(attributes.as_mut_ptr()) == 0 }
}

/// Whether SIGINT ends the process, as it did before other threads called `system`, which ignores it
/// meanwhile.
pub(in crate::prove) fn heeds_interrupts() -> bool {
    let mut action = MaybeUninit::<libc::sigaction>::uninit();
    // SAFETY: a place for an action.
    if unsafe { libc::sigaction(libc::SIGINT, ptr::null(), action.as_mut_ptr()) } != 0 {
        return false;
    }
    // SAFETY: filled in just now.
    unsafe { action.assume_init() }.sa_sigaction != libc::SIG_IGN
}

extern "C" fn signal_main_from_here(_: *mut c_void) -> *mut c_void {
    signal_main();
    ptr::null_mut()
}

/// The same from a thread of its own, since a thread that asks about itself takes no lock.
pub(in crate::prove) fn signal_main_from_a_thread() -> bool {
    let mut thread = MaybeUninit::uninit();
    let null = ptr::null_mut();
    // SAFETY: the place is of this frame; the thread needs no argument.
    if unsafe {
        libc::pthread_create(thread.as_mut_ptr(), ptr::null(), signal_main_from_here, null)
    } != 0
    {
        return false;
    }
    // SAFETY: filled in just now.
    let thread = unsafe { thread.assume_init() };
    // SAFETY: a thread of ours, joined once.
    unsafe { libc::pthread_join(thread, ptr::null_mut()) == 0 }
}

/// Asks whether the thread that forks is there.
pub(in crate::prove) fn signal_main() -> bool {
    let main = MAIN.load(Ordering::Relaxed) as libc::pthread_t;
    // SAFETY: the main thread lives as long as the process; no signal is sent.
    unsafe { libc::pthread_kill(main, 0) == 0 }
}

/// Looks among the named semaphores for one that is none.
pub(in crate::prove) fn sem_close() -> bool {
    let mut semaphore = MaybeUninit::<libc::sem_t>::uninit();
    // SAFETY: libc looks for the address among those that it gave out, and follows no other.
    unsafe { libc::sem_close(semaphore.as_mut_ptr()) != 0 }
}

/// Reads a byte by a thread of libc's own, if libc can have it read.
pub(in crate::prove) fn aio_read() -> bool {
    // SAFETY: the path ends with a NUL.
    let fd = unsafe { libc::open(c"/dev/zero".as_ptr(), libc::O_RDONLY | libc::O_CLOEXEC) };
    let mut byte = 1_u8;
    // SAFETY: plain data; all zeroes are valid.
    let mut request: libc::aiocb = unsafe { std::mem::zeroed() };
    request.aio_fildes = fd;
    request.aio_buf = (&raw mut byte).cast();
    request.aio_nbytes = 1;
    request.aio_sigevent.sigev_notify = libc::SIGEV_NONE;
    // SAFETY: request and byte live until the request is done.
    if unsafe { libc::aio_read(&raw mut request) } != 0 {
        // SAFETY: opened above.
        unsafe { libc::close(fd) };
        return std::io::Error::last_os_error().raw_os_error() == Some(libc::EAGAIN);
    }
    let list = [&raw const request];
    // SAFETY: as above.
    while unsafe { libc::aio_error(&raw const request) } == libc::EINPROGRESS {
        // SAFETY: as above; without a time-out.
        unsafe { libc::aio_suspend(list.as_ptr(), 1, ptr::null()) };
    }
    // SAFETY: opened above.
    unsafe { libc::close(fd) };
    // SAFETY: a request that is done, asked once.
    unsafe { libc::aio_return(&raw mut request) == 1 }
}

/// A request for a look-up (`struct gaicb` of netdb.h).
#[repr(C)]
struct Lookup {
    name: *const c_char,
    service: *const c_char,
    hints: *const libc::addrinfo,
    result: *mut libc::addrinfo,
    state: c_int,
    unused: [c_int; 5],
}

/// Looks up an address by a thread of libc's own, if libc can have it looked up.
pub(in crate::prove) fn look_up_later() -> bool {
    /// `GAI_NOWAIT` and `EAI_INPROGRESS` (netdb.h).
    const NO_WAIT: c_int = 1;
    const IN_PROGRESS: c_int = -100;
    // SAFETY: plain data; all zeroes are valid.
    let mut hints: libc::addrinfo = unsafe { std::mem::zeroed() };
    hints.ai_flags = libc::AI_NUMERICHOST;
    let mut request = Lookup {
        name: c"127.0.0.1".as_ptr(),
        service: ptr::null(),
        hints: &raw const hints,
        result: ptr::null_mut(),
        state: 0,
        unused: [0; 5],
    };
    let mut list = &raw mut request;
    // SAFETY: request and hints live until the request is done.
    let error = unsafe { getaddrinfo_a(NO_WAIT, &raw mut list, 1, ptr::null_mut()) };
    if error != 0 {
        return error == libc::EAI_AGAIN;
    }
    // SAFETY: as above.
    while unsafe { gai_error(list) } == IN_PROGRESS {
        // SAFETY: as above; without a time-out.
        unsafe { gai_suspend(&raw const list, 1, ptr::null()) };
    }
    if request.result.is_null() {
        return false;
    }
    // SAFETY: the result of this look-up, freed once.
    unsafe { libc::freeaddrinfo(request.result) };
    true
}

/// Takes a conversion of `printf` back that was never there.
pub(in crate::prove) fn register_conversion() -> bool {
    // SAFETY: null pointers mean that there is no such conversion.
    unsafe { register_printf_specifier(c_int::from(b'Y'), ptr::null(), ptr::null()) == 0 }
}
