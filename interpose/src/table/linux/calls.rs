//! Time, locale, random numbers, processes, and whatever else is neither a name look-up nor a stream.

use core::ffi::{c_int, c_long, c_uint, c_ulong, c_void};
use core::ptr::{null_mut, without_provenance_mut};

use libc::{
    EAGAIN, EILSEQ, ENOMEM, ENOSYS, EOVERFLOW, dirent, dirent64, locale_t, mode_t, pthread_attr_t,
    pthread_t, regex_t, sched_param, sem_t, sigevent, size_t, time_t, timespec, tm, utmpx, wchar_t,
};

use super::{Buf, Str, VaList};
use crate::errno::with;
use crate::hooks::plain;
use crate::rows::gated;

type Wide = *const wchar_t;
type WideBuf = *mut wchar_t;
type State = *mut c_void;
type Aio = *mut c_void;
type Dir = *mut libc::DIR;
type Pattern = *mut c_void;
type Registers = *mut c_void;
type ExitHandler = Option<unsafe extern "C-unwind" fn(*mut c_void)>;
type StatusHandler = Option<unsafe extern "C-unwind" fn(c_int, *mut c_void)>;

gated! {
    TimeZone {
        libc localtime(time: *const time_t) -> *mut tm = with(EOVERFLOW, null_mut());
        libc localtime_r(time: *const time_t, to: *mut tm) -> *mut tm = with(EOVERFLOW, null_mut());
        libc gmtime(time: *const time_t) -> *mut tm = with(EOVERFLOW, null_mut());
        libc gmtime_r(time: *const time_t, to: *mut tm) -> *mut tm = with(EOVERFLOW, null_mut());
        bare __gmtime_r(time: *const time_t, to: *mut tm) -> *mut tm = with(EOVERFLOW, null_mut());
        libc mktime(to: *mut tm) -> time_t = with(EOVERFLOW, -1);
        bare timelocal(to: *mut tm) -> time_t = with(EOVERFLOW, -1);
        libc timegm(to: *mut tm) -> time_t = with(EOVERFLOW, -1);
        bare ctime(time: *const time_t) -> Buf = with(EOVERFLOW, null_mut());
        libc ctime_r(time: *const time_t, to: Buf) -> Buf = with(EOVERFLOW, null_mut());
        bare tzset() = ();
        libc strftime(to: Buf, max: size_t, format: Str, time: *const tm) -> size_t = 0;
        libc strftime_l(to: Buf, max: size_t, format: Str, time: *const tm, locale: locale_t) -> size_t = 0;
        bare __strftime_l(to: Buf, max: size_t, format: Str, time: *const tm, locale: locale_t) -> size_t = 0;
        bare wcsftime(to: *mut wchar_t, max: size_t, format: *const wchar_t, time: *const tm) -> size_t = 0;
        bare wcsftime_l(to: *mut wchar_t, max: size_t, format: *const wchar_t, time: *const tm, locale: locale_t) -> size_t = 0;
        bare __wcsftime_l(to: *mut wchar_t, max: size_t, format: *const wchar_t, time: *const tm, locale: locale_t) -> size_t = 0;
        libc strptime(text: Str, format: Str, to: *mut tm) -> Buf = null_mut();
        bare strptime_l(text: Str, format: Str, to: *mut tm, locale: locale_t) -> Buf = null_mut();
        bare getdate(text: Str) -> *mut tm = null_mut();
        bare getdate_r(text: Str, to: *mut tm) -> c_int = 6;
    }

    Locale {
        libc setlocale(category: c_int, name: Str) -> Buf = null_mut();
        libc newlocale(mask: c_int, name: Str, base: locale_t) -> locale_t = with(ENOMEM, null_mut());
        bare __newlocale(mask: c_int, name: Str, base: locale_t) -> locale_t = with(ENOMEM, null_mut());
        libc duplocale(locale: locale_t) -> locale_t = with(ENOMEM, null_mut());
        bare __duplocale(locale: locale_t) -> locale_t = with(ENOMEM, null_mut());
        libc freelocale(locale: locale_t) = ();
        bare __freelocale(locale: locale_t) = ();
        bare catopen(name: Str, flag: c_int) -> *mut c_void = with(ENOMEM, null_mut::<c_void>().wrapping_sub(1));
        bare gettext(text: Str) -> Buf = text.cast_mut();
        bare dgettext(domain: Str, text: Str) -> Buf = text.cast_mut();
        bare __dgettext(domain: Str, text: Str) -> Buf = text.cast_mut();
        bare dcgettext(domain: Str, text: Str, category: c_int) -> Buf = text.cast_mut();
        bare __dcgettext(domain: Str, text: Str, category: c_int) -> Buf = text.cast_mut();
        bare ngettext(one: Str, many: Str, n: c_ulong) -> Buf = plain::plural(one, many, n);
        bare dngettext(domain: Str, one: Str, many: Str, n: c_ulong) -> Buf = plain::plural(one, many, n);
        bare dcngettext(domain: Str, one: Str, many: Str, n: c_ulong, category: c_int) -> Buf = plain::plural(one, many, n);
        bare textdomain(domain: Str) -> Buf = with(ENOMEM, null_mut());
        bare bindtextdomain(domain: Str, directory: Str) -> Buf = with(ENOMEM, null_mut());
        bare bind_textdomain_codeset(domain: Str, codeset: Str) -> Buf = with(ENOMEM, null_mut());
        libc strerror(number: c_int) -> Buf = plain::error_text(number);
        bare strerror_r(number: c_int, to: Buf, size: size_t) -> Buf = plain::error_text(number);
        bare __strerror_r(number: c_int, to: Buf, size: size_t) -> Buf = plain::error_text(number);
        bare __xpg_strerror_r(number: c_int, to: Buf, size: size_t) -> c_int = plain::copy_error_text(number, to, size);
        bare strerror_l(number: c_int, locale: locale_t) -> Buf = plain::error_text(number);
        libc strsignal(number: c_int) -> Buf = plain::signal_text(number);
        libc perror(prefix: Str) = plain::complain_of_errno(prefix);
        bare psignal(number: c_int, prefix: Str) = plain::complain(prefix, plain::signal_text(number));
        bare psiginfo(info: *const libc::siginfo_t, prefix: Str) = plain::complain(prefix, plain::signal_text((*info).si_signo));
        bare herror(prefix: Str) = plain::complain(prefix, c"Resolver error".as_ptr());
        libc hstrerror(number: c_int) -> Str = c"Resolver error".as_ptr();
        libc gai_strerror(number: c_int) -> Str = c"Resolver error".as_ptr();
        libc dlerror() -> Buf = null_mut();
        libc regerror(code: c_int, regex: *const regex_t, to: Buf, size: size_t) -> size_t = plain::copy_regex_error(to, size);
    }

    Random {
        bare random() -> c_long = plain::random_number();
        libc rand() -> c_int = plain::random_number() as c_int;
        libc srand(seed: c_uint) = ();
        bare srandom(seed: c_uint) = ();
        bare initstate(seed: c_uint, state: Buf, size: size_t) -> Buf = null_mut();
        bare setstate(state: Buf) -> Buf = null_mut();
    }

    Syslog {
        libc openlog(name: Str, option: c_int, facility: c_int) = ();
        libc closelog() = ();
        libc setlogmask(mask: c_int) -> c_int = 0;
        bare vsyslog(priority: c_int, format: Str, args: VaList) = ();
        bare __vsyslog_chk(priority: c_int, flag: c_int, format: Str, args: VaList) = ();
    }

    Conversion {
        bare iconv_open(to: Str, from: Str) -> *mut c_void = with(ENOMEM, without_provenance_mut(usize::MAX));
        bare iconv_close(conversion: *mut c_void) -> c_int = 0;
        bare mblen(from: Str, len: size_t) -> c_int = with(EILSEQ, -1);
        bare mbtowc(to: WideBuf, from: Str, len: size_t) -> c_int = with(EILSEQ, -1);
        bare wctomb(to: Buf, from: wchar_t) -> c_int = with(EILSEQ, -1);
        bare __wctomb_chk(to: Buf, from: wchar_t, room: size_t) -> c_int = with(EILSEQ, -1);
        bare mbstowcs(to: WideBuf, from: Str, len: size_t) -> size_t = with(EILSEQ, size_t::MAX);
        bare __mbstowcs_chk(to: WideBuf, from: Str, len: size_t, room: size_t) -> size_t = with(EILSEQ, size_t::MAX);
        bare wcstombs(to: Buf, from: Wide, len: size_t) -> size_t = with(EILSEQ, size_t::MAX);
        bare __wcstombs_chk(to: Buf, from: Wide, len: size_t, room: size_t) -> size_t = with(EILSEQ, size_t::MAX);
        bare mbrlen(from: Str, len: size_t, state: State) -> size_t = with(EILSEQ, size_t::MAX);
        bare __mbrlen(from: Str, len: size_t, state: State) -> size_t = with(EILSEQ, size_t::MAX);
        bare mbrtowc(to: WideBuf, from: Str, len: size_t, state: State) -> size_t = with(EILSEQ, size_t::MAX);
        bare __mbrtowc(to: WideBuf, from: Str, len: size_t, state: State) -> size_t = with(EILSEQ, size_t::MAX);
        bare mbrtoc8(to: *mut u8, from: Str, len: size_t, state: State) -> size_t = with(EILSEQ, size_t::MAX);
        bare mbrtoc16(to: *mut u16, from: Str, len: size_t, state: State) -> size_t = with(EILSEQ, size_t::MAX);
        bare mbrtoc32(to: *mut u32, from: Str, len: size_t, state: State) -> size_t = with(EILSEQ, size_t::MAX);
        bare wcrtomb(to: Buf, from: wchar_t, state: State) -> size_t = with(EILSEQ, size_t::MAX);
        bare __wcrtomb_chk(to: Buf, from: wchar_t, state: State, room: size_t) -> size_t = with(EILSEQ, size_t::MAX);
        bare c8rtomb(to: Buf, from: u8, state: State) -> size_t = with(EILSEQ, size_t::MAX);
        bare c16rtomb(to: Buf, from: u16, state: State) -> size_t = with(EILSEQ, size_t::MAX);
        bare c32rtomb(to: Buf, from: u32, state: State) -> size_t = with(EILSEQ, size_t::MAX);
        bare mbsrtowcs(to: WideBuf, from: *mut Str, len: size_t, state: State) -> size_t = with(EILSEQ, size_t::MAX);
        bare __mbsrtowcs_chk(to: WideBuf, from: *mut Str, len: size_t, state: State, room: size_t) -> size_t = with(EILSEQ, size_t::MAX);
        bare mbsnrtowcs(to: WideBuf, from: *mut Str, most: size_t, len: size_t, state: State) -> size_t = with(EILSEQ, size_t::MAX);
        bare __mbsnrtowcs_chk(to: WideBuf, from: *mut Str, most: size_t, len: size_t, state: State, room: size_t) -> size_t = with(EILSEQ, size_t::MAX);
        bare wcsrtombs(to: Buf, from: *mut Wide, len: size_t, state: State) -> size_t = with(EILSEQ, size_t::MAX);
        bare __wcsrtombs_chk(to: Buf, from: *mut Wide, len: size_t, state: State, room: size_t) -> size_t = with(EILSEQ, size_t::MAX);
        bare wcsnrtombs(to: Buf, from: *mut Wide, most: size_t, len: size_t, state: State) -> size_t = with(EILSEQ, size_t::MAX);
        bare __wcsnrtombs_chk(to: Buf, from: *mut Wide, most: size_t, len: size_t, state: State, room: size_t) -> size_t = with(EILSEQ, size_t::MAX);
        bare btowc(byte: c_int) -> c_uint = c_uint::MAX;
        bare wctob(character: c_uint) -> c_int = -1;
        bare fnmatch(pattern: Str, text: Str, flags: c_int) -> c_int = 2;
        bare rpmatch(answer: Str) -> c_int = -1;
    }

    Regex {
        bare regcomp(regex: *mut regex_t, pattern: Str, flags: c_int) -> c_int;
        bare regexec(regex: *const regex_t, text: Str, count: size_t, matches: *mut libc::regmatch_t, flags: c_int) -> c_int;
        bare re_comp(pattern: Str) -> Buf;
        bare re_exec(text: Str) -> c_int;
        bare re_compile_pattern(pattern: Str, len: size_t, regex: Pattern) -> Str;
        bare re_compile_fastmap(regex: Pattern) -> c_int;
        bare re_search(regex: Pattern, text: Str, len: c_int, start: c_int, range: c_int, registers: Registers) -> c_int;
        bare re_search_2(regex: Pattern, first: Str, first_len: c_int, second: Str, second_len: c_int, start: c_int, range: c_int, registers: Registers, stop: c_int) -> c_int;
        bare re_match(regex: Pattern, text: Str, len: c_int, start: c_int, registers: Registers) -> c_int;
        bare re_match_2(regex: Pattern, first: Str, first_len: c_int, second: Str, second_len: c_int, start: c_int, registers: Registers, stop: c_int) -> c_int;
    }

    Directory {
        libc readdir(directory: Dir) -> *mut dirent;
        libc readdir64(directory: Dir) -> *mut dirent64;
        bare readdir_r(directory: Dir, entry: *mut dirent, found: *mut *mut dirent) -> c_int;
        bare readdir64_r(directory: Dir, entry: *mut dirent64, found: *mut *mut dirent64) -> c_int;
        libc rewinddir(directory: Dir);
        libc seekdir(directory: Dir, position: c_long);
        libc telldir(directory: Dir) -> c_long;
    }

    Login {
        libc getlogin() -> Buf = with(EAGAIN, null_mut());
        bare getlogin_r(to: Buf, size: size_t) -> c_int = with(EAGAIN, EAGAIN);
        bare __getlogin_r_chk(to: Buf, size: size_t, room: size_t) -> c_int = with(EAGAIN, EAGAIN);
        bare login(entry: *const c_void) = ();
        bare logout(line: Str) -> c_int = 0;
        bare setutent() = ();
        bare endutent() = ();
        bare getutent() -> *mut c_void = with(EAGAIN, null_mut());
        bare getutid(entry: *const c_void) -> *mut c_void = with(EAGAIN, null_mut());
        bare getutline(entry: *const c_void) -> *mut c_void = with(EAGAIN, null_mut());
        bare pututline(entry: *const c_void) -> *mut c_void = with(EAGAIN, null_mut());
        bare getutent_r(to: *mut c_void, found: *mut *mut c_void) -> c_int = with(EAGAIN, -1);
        bare getutid_r(entry: *const c_void, to: *mut c_void, found: *mut *mut c_void) -> c_int = with(EAGAIN, -1);
        bare getutline_r(entry: *const c_void, to: *mut c_void, found: *mut *mut c_void) -> c_int = with(EAGAIN, -1);
        bare utmpname(file: Str) -> c_int = with(ENOMEM, -1);
        libc setutxent() = ();
        libc endutxent() = ();
        libc getutxent() -> *mut utmpx = with(EAGAIN, null_mut());
        libc getutxid(entry: *const utmpx) -> *mut utmpx = with(EAGAIN, null_mut());
        libc getutxline(entry: *const utmpx) -> *mut utmpx = with(EAGAIN, null_mut());
        libc pututxline(entry: *const utmpx) -> *mut utmpx = with(EAGAIN, null_mut());
        bare utmpxname(file: Str) -> c_int = with(ENOMEM, -1);
    }

    System {
        bare wordexp(words: Str, to: *mut c_void, flags: c_int) -> c_int = 1;
    }

    Popen {
        libc popen(command: Str, mode: Str) -> *mut libc::FILE = with(EAGAIN, null_mut());
        bare _IO_popen(command: Str, mode: Str) -> *mut libc::FILE = with(EAGAIN, null_mut());
        bare _IO_proc_open(stream: *mut libc::FILE, command: Str, mode: Str) -> *mut libc::FILE = with(EAGAIN, null_mut());
        bare _IO_proc_close(stream: *mut libc::FILE) -> c_int = with(EAGAIN, -1);
        libc pclose(stream: *mut libc::FILE) -> c_int = with(EAGAIN, -1);
    }

    Exit {
        bare __cxa_atexit(handler: ExitHandler, argument: *mut c_void, object: *mut c_void) -> c_int;
        bare __cxa_at_quick_exit(handler: ExitHandler, object: *mut c_void) -> c_int;
        bare on_exit(handler: StatusHandler, argument: *mut c_void) -> c_int;
    }

    Semaphores {
        bare sem_open(name: Str, flags: c_int, mode: mode_t, value: c_uint) -> *mut sem_t = with(EAGAIN, null_mut());
        bare sem_close(semaphore: *mut sem_t) -> c_int = with(ENOSYS, -1);
    }

    Aio {
        bare aio_init(settings: *const c_void) = ();
        bare aio_read(request: Aio) -> c_int = with(EAGAIN, -1);
        bare aio_read64(request: Aio) -> c_int = with(EAGAIN, -1);
        bare aio_write(request: Aio) -> c_int = with(EAGAIN, -1);
        bare aio_write64(request: Aio) -> c_int = with(EAGAIN, -1);
        bare aio_fsync(operation: c_int, request: Aio) -> c_int = with(EAGAIN, -1);
        bare aio_fsync64(operation: c_int, request: Aio) -> c_int = with(EAGAIN, -1);
        bare aio_error(request: *const c_void) -> c_int = EAGAIN;
        bare aio_error64(request: *const c_void) -> c_int = EAGAIN;
        bare aio_cancel(fd: c_int, request: Aio) -> c_int = with(EAGAIN, -1);
        bare aio_cancel64(fd: c_int, request: Aio) -> c_int = with(EAGAIN, -1);
        bare aio_suspend(requests: *const Aio, count: c_int, timeout: *const timespec) -> c_int = with(EAGAIN, -1);
        bare aio_suspend64(requests: *const Aio, count: c_int, timeout: *const timespec) -> c_int = with(EAGAIN, -1);
        bare lio_listio(mode: c_int, requests: *const Aio, count: c_int, event: *mut sigevent) -> c_int = with(EAGAIN, -1);
        bare lio_listio64(mode: c_int, requests: *const Aio, count: c_int, event: *mut sigevent) -> c_int = with(EAGAIN, -1);
    }

    Timers {
        bare timer_create(clock: c_int, event: *mut sigevent, timer: *mut *mut c_void) -> c_int = with(EAGAIN, -1);
        bare timer_delete(timer: *mut c_void) -> c_int = with(EAGAIN, -1);
        bare mq_notify(queue: c_int, event: *const sigevent) -> c_int = with(ENOMEM, -1);
    }

    Threads {
        libc pthread_kill(thread: pthread_t, signal: c_int) -> c_int;
        libc pthread_cancel(thread: pthread_t) -> c_int;
        bare pthread_getattr_np(thread: pthread_t, to: *mut pthread_attr_t) -> c_int;
        libc pthread_getschedparam(thread: pthread_t, policy: *mut c_int, to: *mut sched_param) -> c_int;
        libc pthread_setschedparam(thread: pthread_t, policy: c_int, from: *const sched_param) -> c_int;
        libc pthread_setschedprio(thread: pthread_t, priority: c_int) -> c_int;
    }

    PrintfTypes {
        bare register_printf_function(specifier: c_int, print: *mut c_void, describe: *mut c_void) -> c_int = with(ENOMEM, -1);
        bare register_printf_specifier(specifier: c_int, print: *mut c_void, describe: *mut c_void) -> c_int = with(ENOMEM, -1);
        bare register_printf_modifier(text: Wide) -> c_int = with(ENOMEM, -1);
        bare register_printf_type(print: *mut c_void) -> c_int = with(ENOMEM, -1);
    }

    Messages {
        bare fmtmsg(class: c_long, label: Str, severity: c_int, text: Str, action: Str, tag: Str) -> c_int = -1;
        bare addseverity(severity: c_int, text: Str) -> c_int = -1;
    }
}

pub(super) use gated_next::GROUP;
