//! The rows for glibc, in several files by theme.

use core::ffi::{c_char, c_int, c_void};

use libc::{FILE, pid_t, posix_spawn_file_actions_t, posix_spawnattr_t, sockaddr, socklen_t};

use crate::hooks::{environment, exit, messages, names as lookups, processes, streams as hooks};
use crate::next::Group;
use crate::rows::{delayed, routed, variadic};
use crate::{atfork, fork, spawn};

mod calls;
mod names;
mod stdio;

type Str = *const c_char;
type Strs = *const *const c_char;
type Buf = *mut c_char;
type VaList = *mut c_void;

routed! {
    libc fflush(stream: *mut FILE) -> c_int => hooks::fflush;
    bare fflush_unlocked(stream: *mut FILE) -> c_int => hooks::fflush_unlocked;
    libc system(command: Str) -> c_int => processes::system;
    libc abort() -> ! => processes::abort;
    libc exit(status: c_int) -> ! => exit::exit;
    bare quick_exit(status: c_int) -> ! => exit::quick_exit, c"GLIBC_2.24";
    bare __libc_start_main(main: exit::Main, argc: c_int, argv: *mut Buf, init: Option<exit::Function>, fini: Option<exit::Function>, loaders: Option<exit::Function>, stack_end: *mut c_void) -> c_int => exit::start_main;
    libc fork() -> pid_t => fork::fork;
    bare __fork() -> pid_t => fork::fork;
    libc daemon(stay: c_int, keep_streams: c_int) -> c_int => fork::daemon;
    bare __register_atfork(prepare: Option<atfork::Handler>, parent: Option<atfork::Handler>, child: Option<atfork::Handler>, dso: *mut c_void) -> c_int => atfork::register_hook;
    bare pthread_atfork(prepare: Option<atfork::Handler>, parent: Option<atfork::Handler>, child: Option<atfork::Handler>) -> c_int => atfork::pthread_atfork_hook;
    bare __cxa_finalize(dso: *mut c_void) => atfork::finalize_hook;
    libc getnameinfo(address: *const sockaddr, len: socklen_t, host: Buf, host_size: socklen_t, service: Buf, service_size: socklen_t, flags: c_int) -> c_int => lookups::getnameinfo;
    libc setenv(name: Str, value: Str, overwrite: c_int) -> c_int => environment::setenv;
    libc unsetenv(name: Str) -> c_int => environment::unsetenv;
    libc putenv(entry: Buf) -> c_int => environment::putenv;
    libc clearenv() -> c_int => environment::clearenv;
    libc posix_spawn(pid: *mut pid_t, path: Str, actions: *const posix_spawn_file_actions_t, attr: *const posix_spawnattr_t, argv: *const Buf, env: *const Buf) -> c_int => spawn::posix_spawn, c"GLIBC_2.15";
    libc posix_spawnp(pid: *mut pid_t, file: Str, actions: *const posix_spawn_file_actions_t, attr: *const posix_spawnattr_t, argv: *const Buf, env: *const Buf) -> c_int => spawn::posix_spawnp, c"GLIBC_2.15";
    libc execve(path: Str, argv: Strs, env: Strs) -> c_int => spawn::execve;
    libc execv(path: Str, argv: Strs) -> c_int => spawn::execv;
    libc execvp(file: Str, argv: Strs) -> c_int => spawn::execvp;
    libc execvpe(file: Str, argv: Strs, env: Strs) -> c_int => spawn::execvpe;
    libc fexecve(fd: c_int, argv: Strs, env: Strs) -> c_int => spawn::fexecve;
    bare execveat(fd: c_int, path: Str, argv: Strs, env: Strs, flags: c_int) -> c_int => spawn::execveat;
}

/// What the hook of `fflush` is made of.
pub(crate) mod streams {
    use libc::FILE;

    crate::rows::next_definitions! {
        parts:
        _IO_list_lock [] () -> ();
        _IO_list_unlock [] () -> ();
        _IO_iter_begin [] () -> *mut FILE;
        _IO_iter_next [] (*mut FILE) -> *mut FILE;
        _IO_iter_file [] (*mut FILE) -> *mut FILE;
        __fpending [] (*mut FILE) -> usize;
        ftrylockfile [] (*mut FILE) -> core::ffi::c_int;
        funlockfile [] (*mut FILE) -> ();
        pthread_setcancelstate [] (core::ffi::c_int, *mut core::ffi::c_int) -> core::ffi::c_int;
    }
    pub(crate) use parts::*;
}

/// What asks whether requests are served.
pub(crate) mod helpers {
    use core::ffi::{c_int, c_void};

    crate::rows::next_definitions! {
        parts:
        aio_read [] (*mut c_void) -> c_int;
        aio_error [] (*const c_void) -> c_int;
        aio_cancel [] (c_int, *mut c_void) -> c_int;
        aio_suspend [] (*const *mut c_void, c_int, *const libc::timespec) -> c_int;
        getaddrinfo_a [] (c_int, *mut *mut c_void, c_int, *mut libc::sigevent) -> c_int;
        gai_error [] (*mut c_void) -> c_int;
        gai_cancel [] (*mut c_void) -> c_int;
        gai_suspend [] (*const *const c_void, c_int, *const libc::timespec) -> c_int;
    }
    pub(crate) use parts::*;
}

/// What the hook of `exit` registers its handler with.
pub(crate) mod exits {
    use core::ffi::{c_int, c_void};

    type Handler = unsafe extern "C-unwind" fn(*mut c_void);

    crate::rows::next_definitions! {
        parts:
        __cxa_atexit [] (Handler, *mut c_void, *mut c_void) -> c_int;
        __cxa_at_quick_exit [] (Handler, *mut c_void) -> c_int;
    }
    pub(crate) use parts::*;
}

delayed! {
    dlopen(Str, c_int) -> *mut c_void;
    dlmopen(libc::Lmid_t, Str, c_int) -> *mut c_void;
    dlclose(*mut c_void) -> c_int;
    dl_iterate_phdr(*mut c_void, *mut c_void) -> c_int;
}

variadic! {
    syslog => forkfix_syslog;
    __syslog_chk => forkfix_syslog_chk;
    execl => forkfix_execl;
    execlp => forkfix_execlp;
    execle => forkfix_execle;
}

/// The next definitions that bodies of hooks call, by the names of the symbols.
pub(crate) use routed_next as next;

pub(crate) use delayed_next::{dl_iterate_phdr, dlopen};

/// Every symbol whose next definition must be looked up.
pub(crate) const GROUPS: [Group; 12] = [
    routed_next::GROUP,
    delayed_next::GROUP,
    streams::GROUP,
    exits::GROUP,
    helpers::GROUP,
    messages::GROUP,
    calls::GROUP,
    names::GROUP,
    names::REDIRECTED_GROUP,
    stdio::GROUP,
    super::locks::next::GROUP,
    super::locks::GNU_GROUP,
];
