//! The rows for musl.
//!
//! Its fork takes most locks of libc itself and hands them on free (`src/process/fork.c`): of malloc, the
//! loader, locales, time zones, random numbers, syslog, named semaphores and exit handlers. What is left
//! are the locks of single objects (streams, directories, threads, results of `getaddrinfo`), a library's
//! constructors in progress, and what takes no lock at all: the environment. All rows are functions that
//! musl 1.2.3 has.

use core::ffi::{c_char, c_int, c_long, c_uint, c_void};

use libc::{
    FILE, off_t, pid_t, posix_spawn_file_actions_t, posix_spawnattr_t, pthread_cond_t, pthread_t,
    sched_param, size_t, ssize_t, wchar_t,
};

use crate::atfork::{self, Handler};
use crate::hooks::{environment, processes};
use crate::locks::cond;
use crate::musl::exit;
use crate::next::Group;
use crate::rows::{gated, routed, variadic};
use crate::{fork, spawn};

type Str = *const c_char;
type Strs = *const *const c_char;
type Buf = *mut c_char;
type VaList = *mut c_void;
type Stream = *mut FILE;
type Wide = *const wchar_t;
type WideBuf = *mut wchar_t;
type Any = *mut c_void;
type Dir = *mut libc::DIR;

gated! {
    Stdio {
        libc fflush(stream: Stream) -> c_int;
        bare fflush_unlocked(stream: Stream) -> c_int;
        bare _flushlbf();
        libc fclose(stream: Stream) -> c_int;
        libc freopen(path: Str, mode: Str, stream: Stream) -> Stream;
        bare putc(character: c_int, stream: Stream) -> c_int;
        bare _IO_putc(character: c_int, stream: Stream) -> c_int;
        libc fputc(character: c_int, stream: Stream) -> c_int;
        libc putchar(character: c_int) -> c_int;
        libc puts(text: Str) -> c_int;
        libc fputs(text: Str, stream: Stream) -> c_int;
        bare fputs_unlocked(text: Str, stream: Stream) -> c_int;
        libc fwrite(from: *const c_void, size: size_t, count: size_t, stream: Stream) -> size_t;
        bare fwrite_unlocked(from: *const c_void, size: size_t, count: size_t, stream: Stream) -> size_t;
        bare putw(word: c_int, stream: Stream) -> c_int;
        bare putwc(character: wchar_t, stream: Stream) -> c_uint;
        bare fputwc(character: wchar_t, stream: Stream) -> c_uint;
        bare putwchar(character: wchar_t) -> c_uint;
        bare putwchar_unlocked(character: wchar_t) -> c_uint;
        bare fputws(text: Wide, stream: Stream) -> c_int;
        bare fputws_unlocked(text: Wide, stream: Stream) -> c_int;
        bare vprintf(format: Str, args: VaList) -> c_int;
        bare vfprintf(stream: Stream, format: Str, args: VaList) -> c_int;
        bare vwprintf(format: Wide, args: VaList) -> c_int;
        bare vfwprintf(stream: Stream, format: Wide, args: VaList) -> c_int;
        bare getc(stream: Stream) -> c_int;
        bare _IO_getc(stream: Stream) -> c_int;
        libc fgetc(stream: Stream) -> c_int;
        libc getchar() -> c_int;
        libc fgets(to: Buf, size: c_int, stream: Stream) -> Buf;
        bare fgets_unlocked(to: Buf, size: c_int, stream: Stream) -> Buf;
        bare gets(to: Buf) -> Buf;
        bare fgetln(stream: Stream, len: *mut size_t) -> Buf;
        libc getline(to: *mut Buf, size: *mut size_t, stream: Stream) -> ssize_t;
        bare getdelim(to: *mut Buf, size: *mut size_t, delimiter: c_int, stream: Stream) -> ssize_t;
        bare __getdelim(to: *mut Buf, size: *mut size_t, delimiter: c_int, stream: Stream) -> ssize_t;
        libc fread(to: Any, size: size_t, count: size_t, stream: Stream) -> size_t;
        bare fread_unlocked(to: Any, size: size_t, count: size_t, stream: Stream) -> size_t;
        bare getw(stream: Stream) -> c_int;
        bare getwc(stream: Stream) -> c_uint;
        bare fgetwc(stream: Stream) -> c_uint;
        bare getwchar() -> c_uint;
        bare getwchar_unlocked() -> c_uint;
        bare fgetws(to: WideBuf, size: c_int, stream: Stream) -> WideBuf;
        bare fgetws_unlocked(to: WideBuf, size: c_int, stream: Stream) -> WideBuf;
        libc ungetc(character: c_int, stream: Stream) -> c_int;
        bare ungetwc(character: c_uint, stream: Stream) -> c_uint;
        bare vscanf(format: Str, args: VaList) -> c_int;
        bare __isoc99_vscanf(format: Str, args: VaList) -> c_int;
        bare vfscanf(stream: Stream, format: Str, args: VaList) -> c_int;
        bare __isoc99_vfscanf(stream: Stream, format: Str, args: VaList) -> c_int;
        bare vwscanf(format: Wide, args: VaList) -> c_int;
        bare __isoc99_vwscanf(format: Wide, args: VaList) -> c_int;
        bare vfwscanf(stream: Stream, format: Wide, args: VaList) -> c_int;
        bare __isoc99_vfwscanf(stream: Stream, format: Wide, args: VaList) -> c_int;
        libc fseek(stream: Stream, offset: c_long, whence: c_int) -> c_int;
        libc fseeko(stream: Stream, offset: off_t, whence: c_int) -> c_int;
        libc ftell(stream: Stream) -> c_long;
        libc ftello(stream: Stream) -> off_t;
        libc fgetpos(stream: Stream, position: *mut libc::fpos_t) -> c_int;
        libc fsetpos(stream: Stream, position: *const libc::fpos_t) -> c_int;
        libc rewind(stream: Stream);
        libc clearerr(stream: Stream);
        bare clearerr_unlocked(stream: Stream);
        libc feof(stream: Stream) -> c_int;
        bare feof_unlocked(stream: Stream) -> c_int;
        bare _IO_feof_unlocked(stream: Stream) -> c_int;
        libc ferror(stream: Stream) -> c_int;
        bare ferror_unlocked(stream: Stream) -> c_int;
        bare _IO_ferror_unlocked(stream: Stream) -> c_int;
        libc fileno(stream: Stream) -> c_int;
        bare fileno_unlocked(stream: Stream) -> c_int;
        bare fwide(stream: Stream, mode: c_int) -> c_int;
        libc perror(prefix: Str);
        bare psignal(number: c_int, prefix: Str);
        bare psiginfo(info: *const libc::siginfo_t, prefix: Str);
        bare herror(prefix: Str);
        bare vwarn(format: Str, args: VaList);
        bare vwarnx(format: Str, args: VaList);
        bare getopt(count: c_int, arguments: *const Buf, short: Str) -> c_int;
        bare __posix_getopt(count: c_int, arguments: *const Buf, short: Str) -> c_int;
        bare getopt_long(count: c_int, arguments: *const Buf, short: Str, long: *const c_void, index: *mut c_int) -> c_int;
        bare getopt_long_only(count: c_int, arguments: *const Buf, short: Str, long: *const c_void, index: *mut c_int) -> c_int;
        bare putpwent(entry: *const c_void, stream: Stream) -> c_int;
        bare putgrent(entry: *const c_void, stream: Stream) -> c_int;
        bare putspent(entry: *const c_void, stream: Stream) -> c_int;
        bare fgetpwent(stream: Stream) -> Any;
        bare fgetgrent(stream: Stream) -> Any;
        bare fgetspent(stream: Stream) -> Any;
        libc getmntent(stream: Stream) -> *mut libc::mntent;
        bare getmntent_r(stream: Stream, to: Any, buf: Buf, size: c_int) -> Any;
        libc addmntent(stream: Stream, entry: *const libc::mntent) -> c_int;
        libc endmntent(stream: Stream) -> c_int;
    }

    Popen {
        libc pclose(stream: Stream) -> c_int = crate::errno::with(libc::EAGAIN, -1);
    }

    Directory {
        bare readdir_r(directory: Dir, entry: *mut libc::dirent, found: *mut *mut libc::dirent) -> c_int;
        libc rewinddir(directory: Dir);
        libc seekdir(directory: Dir, position: c_long);
    }

    Hosts {
        libc freeaddrinfo(list: *mut libc::addrinfo) = ();
    }

    Threads {
        libc pthread_kill(thread: pthread_t, signal: c_int) -> c_int;
        libc pthread_cancel(thread: pthread_t) -> c_int;
        libc pthread_getschedparam(thread: pthread_t, policy: *mut c_int, to: *mut sched_param) -> c_int;
        libc pthread_setschedparam(thread: pthread_t, policy: c_int, from: *const sched_param) -> c_int;
        libc pthread_setschedprio(thread: pthread_t, priority: c_int) -> c_int;
    }

    // Looks for libraries where the program says, never where the caller does (`ldso/dynlink.c`), so
    // unlike glibc's it may be called from a hook.
    Loader {
        libc dlopen(path: Str, mode: c_int) -> Any;
    }
}

routed! {
    libc system(command: Str) -> c_int => processes::system;
    libc fork() -> pid_t => fork::fork;
    libc forkpty(terminal: *mut c_int, name: Buf, settings: *const libc::termios, size: *const libc::winsize) -> pid_t => fork::forkpty;
    libc daemon(keep_directory: c_int, keep_streams: c_int) -> c_int => fork::daemon;
    bare pthread_atfork(prepare: Option<Handler>, parent: Option<Handler>, child: Option<Handler>) -> c_int => atfork::pthread_atfork_hook;
    libc setenv(name: Str, value: Str, overwrite: c_int) -> c_int => environment::setenv;
    libc unsetenv(name: Str) -> c_int => environment::unsetenv;
    libc putenv(entry: Buf) -> c_int => environment::putenv;
    libc clearenv() -> c_int => environment::clearenv;
    libc posix_spawn(pid: *mut pid_t, path: Str, actions: *const posix_spawn_file_actions_t, attr: *const posix_spawnattr_t, argv: *const Buf, env: *const Buf) -> c_int => spawn::posix_spawn;
    libc posix_spawnp(pid: *mut pid_t, file: Str, actions: *const posix_spawn_file_actions_t, attr: *const posix_spawnattr_t, argv: *const Buf, env: *const Buf) -> c_int => spawn::posix_spawnp;
    libc execve(path: Str, argv: Strs, env: Strs) -> c_int => spawn::execve;
    libc execv(path: Str, argv: Strs) -> c_int => spawn::execv;
    libc execvp(file: Str, argv: Strs) -> c_int => spawn::execvp;
    libc execvpe(file: Str, argv: Strs, env: Strs) -> c_int => spawn::execvpe;
    libc fexecve(fd: c_int, argv: Strs, env: Strs) -> c_int => spawn::fexecve;
    libc pthread_cond_signal(cond: *mut pthread_cond_t) -> c_int => |cond| cond::wake(cond, || next::pthread_cond_signal.ensure()(cond));
    libc pthread_cond_broadcast(cond: *mut pthread_cond_t) -> c_int => |cond| cond::wake(cond, || next::pthread_cond_broadcast.ensure()(cond));
    bare cnd_signal(cond: *mut pthread_cond_t) -> c_int => |cond| cond::wake(cond, || next::cnd_signal.ensure()(cond));
    bare cnd_broadcast(cond: *mut pthread_cond_t) -> c_int => |cond| cond::wake(cond, || next::cnd_broadcast.ensure()(cond));
    libc exit(status: c_int) -> ! => exit::exit;
    bare __libc_start_main(main: exit::Main, count: c_int, arguments: Strs, init: Any, fini: Any, loader: Any) -> c_int => exit::start;
}

variadic! {
    printf => forkfix_printf;
    fprintf => forkfix_fprintf;
    wprintf => forkfix_wprintf;
    fwprintf => forkfix_fwprintf;
    scanf => forkfix_scanf;
    fscanf => forkfix_fscanf;
    wscanf => forkfix_wscanf;
    fwscanf => forkfix_fwscanf;
    __isoc99_scanf => forkfix_scanf_alias;
    __isoc99_fscanf => forkfix_fscanf_alias;
    __isoc99_wscanf => forkfix_wscanf_alias;
    __isoc99_fwscanf => forkfix_fwscanf_alias;
    warn => forkfix_warn;
    warnx => forkfix_warnx;
    err => forkfix_err;
    errx => forkfix_errx;
    verr => forkfix_verr;
    verrx => forkfix_verrx;
    execl => forkfix_execl;
    execlp => forkfix_execlp;
    execle => forkfix_execle;
}

/// The next definitions that bodies of hooks call, by the names of the symbols.
pub(crate) use routed_next as next;

/// Every symbol whose next definition must be looked up.
pub(crate) const GROUPS: [Group; 3] =
    [routed_next::GROUP, gated_next::GROUP, super::locks::next::GROUP];
