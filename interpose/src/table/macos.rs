//! The rows for libSystem. Which locks are behind them, and what a child finds of each, stands in Apple's
//! sources: Libc (`stdlib/FreeBSD`, `stdio/FreeBSD`, `stdtime/FreeBSD`, `gen/FreeBSD`, `locale`) and Libinfo.

use core::ffi::{c_char, c_int, c_long, c_uint, c_void};
use core::ptr::null_mut;

use libc::{
    EIO, ENOMEM, EOVERFLOW, FILE, gid_t, group, hostent, lconv, locale_t, off_t, passwd, pid_t,
    posix_spawn_file_actions_t, posix_spawnattr_t, protoent, servent, size_t, sockaddr, socklen_t,
    ssize_t, time_t, tm, uid_t, wchar_t,
};

use crate::errno::{try_again, with};
use crate::hooks::macos::{self as hooks, NetEntry, no_entry};
use crate::rows::{gated, routed, variadic};
use crate::{atfork, fork, spawn};

type Str = *const c_char;
type Strs = *const *const c_char;
type Buf = *mut c_char;
type VaList = *mut c_void;
type WideStr = *const wchar_t;
type WideBuf = *mut wchar_t;
type WideChar = c_int;
/// Entries in `_r` form: where the result goes, its buffer and size, where it says what it found.
type Found<T> = *mut *mut T;
type ExitHandler = Option<unsafe extern "C-unwind" fn()>;
type ArgExitHandler = Option<unsafe extern "C-unwind" fn(*mut c_void)>;
type Position = *mut off_t;

gated! {
    TimeZone {
        bare localtime(time: *const time_t) -> *mut tm = with(EOVERFLOW, null_mut());
        libc localtime_r(time: *const time_t, to: *mut tm) -> *mut tm = with(EOVERFLOW, null_mut());
        bare gmtime(time: *const time_t) -> *mut tm = with(EOVERFLOW, null_mut());
        libc gmtime_r(time: *const time_t, to: *mut tm) -> *mut tm = with(EOVERFLOW, null_mut());
        libc mktime(to: *mut tm) -> time_t = with(EOVERFLOW, -1);
        bare timelocal(to: *mut tm) -> time_t = with(EOVERFLOW, -1);
        libc timegm(to: *mut tm) -> time_t = with(EOVERFLOW, -1);
        bare timeoff(to: *mut tm, offset: c_long) -> time_t = with(EOVERFLOW, -1);
        bare time2posix(time: time_t) -> time_t = time;
        bare posix2time(time: time_t) -> time_t = time;
        bare ctime(time: *const time_t) -> Buf = with(EOVERFLOW, null_mut());
        bare ctime_r(time: *const time_t, to: Buf) -> Buf = with(EOVERFLOW, null_mut());
        bare tzset() = ();
        bare tzsetwall() = ();
        bare strftime(to: Buf, max: size_t, format: Str, time: *const tm) -> size_t = 0;
        bare strftime_l(to: Buf, max: size_t, format: Str, time: *const tm, locale: locale_t) -> size_t = 0;
        bare wcsftime(to: WideBuf, max: size_t, format: WideStr, time: *const tm) -> size_t = 0;
        bare wcsftime_l(to: WideBuf, max: size_t, format: WideStr, time: *const tm, locale: locale_t) -> size_t = 0;
        bare strptime(text: Str, format: Str, to: *mut tm) -> Buf = null_mut();
        bare strptime_l(text: Str, format: Str, to: *mut tm, locale: locale_t) -> Buf = null_mut();
        bare getdate(text: Str) -> *mut tm = null_mut();
    }

    Environment {
        bare setenv(name: Str, value: Str, overwrite: c_int) -> c_int = with(ENOMEM, -1);
        bare unsetenv(name: Str) -> c_int = with(ENOMEM, -1);
        bare putenv(entry: Buf) -> c_int = with(ENOMEM, -1);
    }

    Locale {
        libc setlocale(category: c_int, name: Str) -> Buf = null_mut();
        libc newlocale(mask: c_int, name: Str, base: locale_t) -> locale_t = with(ENOMEM, null_mut());
        libc duplocale(locale: locale_t) -> locale_t = with(ENOMEM, null_mut());
        libc freelocale(locale: locale_t) -> c_int = 0;
        libc localeconv() -> *mut lconv = hooks::plain_conventions();
        libc localeconv_l(locale: locale_t) -> *mut lconv = hooks::plain_conventions();
    }

    Syslog {
        libc openlog(name: Str, option: c_int, facility: c_int) = ();
        libc closelog() = ();
        libc setlogmask(mask: c_int) -> c_int = 0;
        bare vsyslog(priority: c_int, format: Str, args: VaList) = ();
    }

    Users {
        libc getpwnam(name: Str) -> *mut passwd = with(EIO, null_mut());
        libc getpwuid(uid: uid_t) -> *mut passwd = with(EIO, null_mut());
        bare getpwuuid(uuid: *const u8) -> *mut passwd = with(EIO, null_mut());
        bare getpwnam_r(name: Str, to: *mut passwd, buf: Buf, size: size_t, found: Found<passwd>) -> c_int = no_entry(found);
        bare getpwuid_r(uid: uid_t, to: *mut passwd, buf: Buf, size: size_t, found: Found<passwd>) -> c_int = no_entry(found);
        libc getpwent() -> *mut passwd = with(EIO, null_mut());
        libc setpwent() = ();
        libc endpwent() = ();
        libc getgrnam(name: Str) -> *mut group = with(EIO, null_mut());
        libc getgrgid(gid: gid_t) -> *mut group = with(EIO, null_mut());
        bare getgruuid(uuid: *const u8) -> *mut group = with(EIO, null_mut());
        bare getgrnam_r(name: Str, to: *mut group, buf: Buf, size: size_t, found: Found<group>) -> c_int = no_entry(found);
        bare getgrgid_r(gid: gid_t, to: *mut group, buf: Buf, size: size_t, found: Found<group>) -> c_int = no_entry(found);
        libc getgrent() -> *mut group = with(EIO, null_mut());
        bare setgrent() = ();
        libc endgrent() = ();
        libc getgrouplist(user: Str, group: c_int, to: *mut c_int, count: *mut c_int) -> c_int = with(EIO, -1);
        libc initgroups(user: Str, group: c_int) -> c_int = with(EIO, -1);
    }

    Hosts {
        libc getaddrinfo(node: Str, service: Str, hints: *const libc::addrinfo, to: *mut *mut libc::addrinfo) -> c_int = libc::EAI_AGAIN;
        libc getnameinfo(address: *const sockaddr, len: socklen_t, host: Buf, host_size: socklen_t, service: Buf, service_size: socklen_t, flags: c_int) -> c_int = libc::EAI_AGAIN;
        bare gethostbyname(name: Str) -> *mut hostent = try_again(null_mut());
        bare gethostbyname2(name: Str, family: c_int) -> *mut hostent = try_again(null_mut());
        bare gethostbyaddr(address: *const c_void, len: socklen_t, family: c_int) -> *mut hostent = try_again(null_mut());
        bare getipnodebyname(name: Str, family: c_int, flags: c_int, error: *mut c_int) -> *mut hostent = hooks::no_node(error);
        bare getipnodebyaddr(address: *const c_void, len: size_t, family: c_int, error: *mut c_int) -> *mut hostent = hooks::no_node(error);
        bare gethostent() -> *mut hostent = try_again(null_mut());
        bare sethostent(stay_open: c_int) = ();
        bare endhostent() = ();
    }

    Names {
        bare getnetbyname(name: Str) -> *mut NetEntry = try_again(null_mut());
        bare getnetbyaddr(net: u32, family: c_int) -> *mut NetEntry = try_again(null_mut());
        bare getnetent() -> *mut NetEntry = try_again(null_mut());
        bare setnetent(stay_open: c_int) = ();
        bare endnetent() = ();
        libc getprotobyname(name: Str) -> *mut protoent = with(EIO, null_mut());
        libc getprotobynumber(number: c_int) -> *mut protoent = with(EIO, null_mut());
        bare getprotoent() -> *mut protoent = with(EIO, null_mut());
        bare setprotoent(stay_open: c_int) = ();
        bare endprotoent() = ();
        libc getservbyname(name: Str, protocol: Str) -> *mut servent = with(EIO, null_mut());
        libc getservbyport(port: c_int, protocol: Str) -> *mut servent = with(EIO, null_mut());
        bare getservent() -> *mut servent = with(EIO, null_mut());
        bare setservent(stay_open: c_int) = ();
        bare endservent() = ();
    }

    Netgroup {
        bare setnetgrent(group: Str) = ();
        bare endnetgrent() = ();
        bare getnetgrent(host: *mut Buf, user: *mut Buf, domain: *mut Buf) -> c_int = 0;
        bare innetgr(group: Str, host: Str, user: Str, domain: Str) -> c_int = 0;
    }

    Login {
        libc getlogin() -> Buf = with(EIO, null_mut());
        bare getlogin_r(to: Buf, size: size_t) -> c_int = EIO;
        libc ttyname(fd: c_int) -> Buf = with(EIO, null_mut());
        libc ttyname_r(fd: c_int, to: Buf, size: size_t) -> c_int = EIO;
        bare getutxent() -> *mut c_void = with(EIO, null_mut());
        bare getutxid(entry: *const c_void) -> *mut c_void = with(EIO, null_mut());
        bare getutxline(entry: *const c_void) -> *mut c_void = with(EIO, null_mut());
        bare pututxline(entry: *const c_void) -> *mut c_void = with(EIO, null_mut());
        bare setutxent() = ();
        bare endutxent() = ();
    }

    System {
        bare system(command: Str) -> c_int = with(libc::EAGAIN, -1);
        bare system_nocancel as "system$NOCANCEL" (command: Str) -> c_int = with(libc::EAGAIN, -1);
    }

    Popen {
        bare popen(command: Str, mode: Str) -> *mut FILE;
        bare popen_extsn as "popen$DARWIN_EXTSN" (command: Str, mode: Str) -> *mut FILE;
        libc pclose(stream: *mut FILE) -> c_int;
    }

    Exit {
        bare atexit(handler: ExitHandler) -> c_int;
        bare atexit_b(handler: *mut c_void) -> c_int;
        bare __cxa_atexit(handler: ArgExitHandler, argument: *mut c_void, image: *mut c_void) -> c_int;
    }

    Stdio {
        bare fopen(path: Str, mode: Str) -> *mut FILE;
        bare fopen_extsn as "fopen$DARWIN_EXTSN" (path: Str, mode: Str) -> *mut FILE;
        bare fdopen(fd: c_int, mode: Str) -> *mut FILE;
        bare fdopen_extsn as "fdopen$DARWIN_EXTSN" (fd: c_int, mode: Str) -> *mut FILE;
        bare freopen(path: Str, mode: Str, stream: *mut FILE) -> *mut FILE;
        libc fclose(stream: *mut FILE) -> c_int;
        libc tmpfile() -> *mut FILE;
        bare fmemopen(memory: *mut c_void, size: size_t, mode: Str) -> *mut FILE;
        bare open_memstream(memory: *mut Buf, size: *mut size_t) -> *mut FILE;
        bare open_wmemstream(memory: *mut WideBuf, size: *mut size_t) -> *mut FILE;
        bare funopen(cookie: *const c_void, read: *mut c_void, write: *mut c_void, seek: *mut c_void, close: *mut c_void) -> *mut FILE;
        libc fflush(stream: *mut FILE) -> c_int;
        bare fpurge(stream: *mut FILE) -> c_int;
        bare putc(character: c_int, stream: *mut FILE) -> c_int;
        libc fputc(character: c_int, stream: *mut FILE) -> c_int;
        libc putchar(character: c_int) -> c_int;
        libc puts(text: Str) -> c_int;
        bare fputs(text: Str, stream: *mut FILE) -> c_int;
        bare fwrite(from: *const c_void, size: size_t, count: size_t, stream: *mut FILE) -> size_t;
        bare putw(word: c_int, stream: *mut FILE) -> c_int;
        bare putwc(character: wchar_t, stream: *mut FILE) -> WideChar;
        bare fputwc(character: wchar_t, stream: *mut FILE) -> WideChar;
        bare putwchar(character: wchar_t) -> WideChar;
        bare fputws(text: WideStr, stream: *mut FILE) -> c_int;
        bare vprintf(format: Str, args: VaList) -> c_int;
        bare vprintf_l(locale: locale_t, format: Str, args: VaList) -> c_int;
        bare vfprintf(stream: *mut FILE, format: Str, args: VaList) -> c_int;
        bare vfprintf_l(stream: *mut FILE, locale: locale_t, format: Str, args: VaList) -> c_int;
        bare vwprintf(format: WideStr, args: VaList) -> c_int;
        bare vfwprintf(stream: *mut FILE, format: WideStr, args: VaList) -> c_int;
        libc perror(prefix: Str);
        bare psignal(number: c_uint, prefix: Str);
        bare getc(stream: *mut FILE) -> c_int;
        libc fgetc(stream: *mut FILE) -> c_int;
        libc getchar() -> c_int;
        bare gets(to: Buf) -> Buf;
        libc fgets(to: Buf, size: c_int, stream: *mut FILE) -> Buf;
        bare fgetln(stream: *mut FILE, size: *mut size_t) -> Buf;
        libc getline(to: *mut Buf, size: *mut size_t, stream: *mut FILE) -> ssize_t;
        bare getdelim(to: *mut Buf, size: *mut size_t, delimiter: c_int, stream: *mut FILE) -> ssize_t;
        libc fread(to: *mut c_void, size: size_t, count: size_t, stream: *mut FILE) -> size_t;
        bare getw(stream: *mut FILE) -> c_int;
        bare getwc(stream: *mut FILE) -> WideChar;
        bare fgetwc(stream: *mut FILE) -> WideChar;
        bare getwchar() -> WideChar;
        bare fgetws(to: WideBuf, size: c_int, stream: *mut FILE) -> WideBuf;
        libc ungetc(character: c_int, stream: *mut FILE) -> c_int;
        bare ungetwc(character: WideChar, stream: *mut FILE) -> WideChar;
        bare vscanf(format: Str, args: VaList) -> c_int;
        bare vfscanf(stream: *mut FILE, format: Str, args: VaList) -> c_int;
        bare vwscanf(format: WideStr, args: VaList) -> c_int;
        bare vfwscanf(stream: *mut FILE, format: WideStr, args: VaList) -> c_int;
        libc fseek(stream: *mut FILE, offset: c_long, whence: c_int) -> c_int;
        libc fseeko(stream: *mut FILE, offset: off_t, whence: c_int) -> c_int;
        libc ftell(stream: *mut FILE) -> c_long;
        libc ftello(stream: *mut FILE) -> off_t;
        bare fgetpos(stream: *mut FILE, position: Position) -> c_int;
        bare fsetpos(stream: *mut FILE, position: Position) -> c_int;
        libc rewind(stream: *mut FILE);
        libc setvbuf(stream: *mut FILE, memory: Buf, mode: c_int, size: size_t) -> c_int;
        libc setbuf(stream: *mut FILE, memory: Buf);
        bare setbuffer(stream: *mut FILE, memory: Buf, size: c_int);
        bare setlinebuf(stream: *mut FILE) -> c_int;
        bare fwide(stream: *mut FILE, mode: c_int) -> c_int;
        bare clearerr(stream: *mut FILE);
        libc feof(stream: *mut FILE) -> c_int;
        libc ferror(stream: *mut FILE) -> c_int;
        libc fileno(stream: *mut FILE) -> c_int;
    }
}

routed! {
    libc fork() -> pid_t => fork::fork;
    bare vfork() -> pid_t => fork::vfork;
    bare pthread_atfork(prepare: Option<atfork::Handler>, parent: Option<atfork::Handler>, child: Option<atfork::Handler>) -> c_int => atfork::pthread_atfork_hook;
    bare exit(status: c_int) -> ! => hooks::exit;
    libc posix_spawn(pid: *mut pid_t, path: Str, actions: *const posix_spawn_file_actions_t, attr: *const posix_spawnattr_t, argv: *const Buf, env: *const Buf) -> c_int => spawn::posix_spawn;
    libc posix_spawnp(pid: *mut pid_t, file: Str, actions: *const posix_spawn_file_actions_t, attr: *const posix_spawnattr_t, argv: *const Buf, env: *const Buf) -> c_int => spawn::posix_spawnp;
    libc execve(path: Str, argv: Strs, env: Strs) -> c_int => spawn::execve;
    libc execv(path: Str, argv: Strs) -> c_int => spawn::execv;
    libc execvp(file: Str, argv: Strs) -> c_int => spawn::execvp;
    bare execvP(file: Str, search: Str, argv: Strs) -> c_int => spawn::execvP;
}

variadic! {
    printf => forkfix_printf;
    printf_l => forkfix_printf_l;
    fprintf => forkfix_fprintf;
    fprintf_l => forkfix_fprintf_l;
    wprintf => forkfix_wprintf;
    fwprintf => forkfix_fwprintf;
    scanf => forkfix_scanf;
    fscanf => forkfix_fscanf;
    wscanf => forkfix_wscanf;
    fwscanf => forkfix_fwscanf;
    syslog => forkfix_syslog;
    syslog_extsn as "syslog$DARWIN_EXTSN" => forkfix_syslog_extsn;
    execl => forkfix_execl;
    execlp => forkfix_execlp;
    execle => forkfix_execle;
}

/// The next definitions that bodies of hooks call, by the names of the symbols.
pub(crate) use routed_next as next;
