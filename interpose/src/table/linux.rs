//! The rows for glibc.

use core::ffi::{c_char, c_int, c_long, c_uint, c_ulong, c_void};
use core::ptr::null_mut;

use libc::{
    EIO, ENOMEM, EOVERFLOW, gid_t, group, hostent, locale_t, netent, passwd, pid_t,
    posix_spawn_file_actions_t, posix_spawnattr_t, protoent, servent, size_t, sockaddr, socklen_t,
    spwd, time_t, tm, uid_t, wchar_t,
};

use crate::errno::{try_again, with};
use crate::hooks::lookup::{AliasEntry, RpcEntry, ShadowGroup};
use crate::hooks::{environment, names, plain};
use crate::next::Definition;
use crate::rows::{gated, redirected, routed, variadic};
use crate::{atfork, fork, spawn};

type Str = *const c_char;
type Strs = *const *const c_char;
type Buf = *mut c_char;
type VaList = *mut c_void;
/// Entries in `_r` form: where the result goes, its buffer and size, where it says what it found.
type Found<T> = *mut *mut T;

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
        libc regerror(code: c_int, regex: *const libc::regex_t, to: Buf, size: size_t) -> size_t = plain::copy_regex_error(to, size);
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

    Users {
        libc getpwnam_r(name: Str, to: *mut passwd, buf: Buf, size: size_t, found: Found<passwd>) -> c_int = names::none(found);
        libc getpwuid_r(uid: uid_t, to: *mut passwd, buf: Buf, size: size_t, found: Found<passwd>) -> c_int = names::none(found);
        libc getpwent_r(to: *mut passwd, buf: Buf, size: size_t, found: Found<passwd>) -> c_int = names::none(found);
        libc setpwent() = ();
        libc endpwent() = ();
        libc getgrnam_r(name: Str, to: *mut group, buf: Buf, size: size_t, found: Found<group>) -> c_int = names::none(found);
        libc getgrgid_r(gid: gid_t, to: *mut group, buf: Buf, size: size_t, found: Found<group>) -> c_int = names::none(found);
        libc getgrent_r(to: *mut group, buf: Buf, size: size_t, found: Found<group>) -> c_int = names::none(found);
        libc setgrent() = ();
        libc endgrent() = ();
        libc getspnam_r(name: Str, to: *mut spwd, buf: Buf, size: size_t, found: Found<spwd>) -> c_int = names::none(found);
        libc getspent_r(to: *mut spwd, buf: Buf, size: size_t, found: Found<spwd>) -> c_int = names::none(found);
        libc setspent() = ();
        libc endspent() = ();
        bare getsgnam_r(name: Str, to: *mut ShadowGroup, buf: Buf, size: size_t, found: Found<ShadowGroup>) -> c_int = names::none(found);
        bare getsgent_r(to: *mut ShadowGroup, buf: Buf, size: size_t, found: Found<ShadowGroup>) -> c_int = names::none(found);
        bare setsgent() = ();
        bare endsgent() = ();
        libc getgrouplist(user: Str, group: gid_t, to: *mut gid_t, count: *mut c_int) -> c_int = with(EIO, -1);
        libc initgroups(user: Str, group: gid_t) -> c_int = with(EIO, -1);
        bare getpw(uid: uid_t, to: Buf) -> c_int = with(EIO, -1);
    }

    Hosts {
        libc getaddrinfo(node: Str, service: Str, hints: *const libc::addrinfo, to: *mut *mut libc::addrinfo) -> c_int = libc::EAI_AGAIN;
        bare gethostbyname_r(name: Str, to: *mut hostent, buf: Buf, size: size_t, found: Found<hostent>, error: *mut c_int) -> c_int = names::unresolved(found, error);
        bare gethostbyname2_r(name: Str, family: c_int, to: *mut hostent, buf: Buf, size: size_t, found: Found<hostent>, error: *mut c_int) -> c_int = names::unresolved(found, error);
        bare gethostbyaddr_r(address: *const c_void, len: socklen_t, family: c_int, to: *mut hostent, buf: Buf, size: size_t, found: Found<hostent>, error: *mut c_int) -> c_int = names::unresolved(found, error);
        bare gethostid() -> c_long = 0;
        bare res_init() -> c_int = try_again(-1);
        bare __res_init() -> c_int = try_again(-1);
        bare __res_ninit(state: *mut c_void) -> c_int = try_again(-1);
        bare __res_nclose(state: *mut c_void) = ();
        bare res_query(name: Str, class: c_int, kind: c_int, to: *mut u8, size: c_int) -> c_int = try_again(-1);
        bare __res_query(name: Str, class: c_int, kind: c_int, to: *mut u8, size: c_int) -> c_int = try_again(-1);
        bare res_search(name: Str, class: c_int, kind: c_int, to: *mut u8, size: c_int) -> c_int = try_again(-1);
        bare __res_search(name: Str, class: c_int, kind: c_int, to: *mut u8, size: c_int) -> c_int = try_again(-1);
        bare res_querydomain(name: Str, domain: Str, class: c_int, kind: c_int, to: *mut u8, size: c_int) -> c_int = try_again(-1);
        bare __res_querydomain(name: Str, domain: Str, class: c_int, kind: c_int, to: *mut u8, size: c_int) -> c_int = try_again(-1);
        bare res_mkquery(op: c_int, name: Str, class: c_int, kind: c_int, data: *const u8, len: c_int, record: *const u8, to: *mut u8, size: c_int) -> c_int = try_again(-1);
        bare __res_mkquery(op: c_int, name: Str, class: c_int, kind: c_int, data: *const u8, len: c_int, record: *const u8, to: *mut u8, size: c_int) -> c_int = try_again(-1);
        bare res_send(message: *const u8, len: c_int, to: *mut u8, size: c_int) -> c_int = try_again(-1);
        bare __res_send(message: *const u8, len: c_int, to: *mut u8, size: c_int) -> c_int = try_again(-1);
        bare res_nquery(state: *mut c_void, name: Str, class: c_int, kind: c_int, to: *mut u8, size: c_int) -> c_int = try_again(-1);
        bare __res_nquery(state: *mut c_void, name: Str, class: c_int, kind: c_int, to: *mut u8, size: c_int) -> c_int = try_again(-1);
        bare res_nsearch(state: *mut c_void, name: Str, class: c_int, kind: c_int, to: *mut u8, size: c_int) -> c_int = try_again(-1);
        bare __res_nsearch(state: *mut c_void, name: Str, class: c_int, kind: c_int, to: *mut u8, size: c_int) -> c_int = try_again(-1);
        bare res_nquerydomain(state: *mut c_void, name: Str, domain: Str, class: c_int, kind: c_int, to: *mut u8, size: c_int) -> c_int = try_again(-1);
        bare __res_nquerydomain(state: *mut c_void, name: Str, domain: Str, class: c_int, kind: c_int, to: *mut u8, size: c_int) -> c_int = try_again(-1);
        bare res_nmkquery(state: *mut c_void, op: c_int, name: Str, class: c_int, kind: c_int, data: *const u8, len: c_int, record: *const u8, to: *mut u8, size: c_int) -> c_int = try_again(-1);
        bare __res_nmkquery(state: *mut c_void, op: c_int, name: Str, class: c_int, kind: c_int, data: *const u8, len: c_int, record: *const u8, to: *mut u8, size: c_int) -> c_int = try_again(-1);
        bare res_nsend(state: *mut c_void, message: *const u8, len: c_int, to: *mut u8, size: c_int) -> c_int = try_again(-1);
        bare __res_nsend(state: *mut c_void, message: *const u8, len: c_int, to: *mut u8, size: c_int) -> c_int = try_again(-1);
    }

    Names {
        bare gethostent_r(to: *mut hostent, buf: Buf, size: size_t, found: Found<hostent>, error: *mut c_int) -> c_int = names::unresolved(found, error);
        bare sethostent(stay_open: c_int) = ();
        bare endhostent() = ();
        libc getnetbyname_r(name: Str, to: *mut netent, buf: Buf, size: size_t, found: Found<netent>, error: *mut c_int) -> c_int = names::unresolved(found, error);
        libc getnetbyaddr_r(net: u32, family: c_int, to: *mut netent, buf: Buf, size: size_t, found: Found<netent>, error: *mut c_int) -> c_int = names::unresolved(found, error);
        bare getnetent_r(to: *mut netent, buf: Buf, size: size_t, found: Found<netent>, error: *mut c_int) -> c_int = names::unresolved(found, error);
        bare setnetent(stay_open: c_int) = ();
        bare endnetent() = ();
        bare getprotobyname_r(name: Str, to: *mut protoent, buf: Buf, size: size_t, found: Found<protoent>) -> c_int = names::none(found);
        bare getprotobynumber_r(number: c_int, to: *mut protoent, buf: Buf, size: size_t, found: Found<protoent>) -> c_int = names::none(found);
        bare getprotoent_r(to: *mut protoent, buf: Buf, size: size_t, found: Found<protoent>) -> c_int = names::none(found);
        bare setprotoent(stay_open: c_int) = ();
        bare endprotoent() = ();
        bare getservbyname_r(name: Str, protocol: Str, to: *mut servent, buf: Buf, size: size_t, found: Found<servent>) -> c_int = names::none(found);
        bare getservbyport_r(port: c_int, protocol: Str, to: *mut servent, buf: Buf, size: size_t, found: Found<servent>) -> c_int = names::none(found);
        bare getservent_r(to: *mut servent, buf: Buf, size: size_t, found: Found<servent>) -> c_int = names::none(found);
        bare setservent(stay_open: c_int) = ();
        bare endservent() = ();
        bare getrpcbyname_r(name: Str, to: *mut RpcEntry, buf: Buf, size: size_t, found: Found<RpcEntry>) -> c_int = names::none(found);
        bare getrpcbynumber_r(number: c_int, to: *mut RpcEntry, buf: Buf, size: size_t, found: Found<RpcEntry>) -> c_int = names::none(found);
        bare getrpcent_r(to: *mut RpcEntry, buf: Buf, size: size_t, found: Found<RpcEntry>) -> c_int = names::none(found);
        bare setrpcent(stay_open: c_int) = ();
        bare endrpcent() = ();
        bare getaliasbyname_r(name: Str, to: *mut AliasEntry, buf: Buf, size: size_t, found: Found<AliasEntry>) -> c_int = names::none(found);
        bare getaliasent_r(to: *mut AliasEntry, buf: Buf, size: size_t, found: Found<AliasEntry>) -> c_int = names::none(found);
        bare setaliasent() = ();
        bare endaliasent() = ();
        bare ether_hostton(name: Str, to: *mut c_void) -> c_int = with(EIO, -1);
        bare ether_ntohost(to: Buf, address: *const c_void) -> c_int = with(EIO, -1);
        bare __nss_configure_lookup(database: Str, services: Str) -> c_int = with(ENOMEM, -1);
    }

    Netgroup {
        bare setnetgrent(group: Str) -> c_int = 0;
        bare endnetgrent() = ();
        bare getnetgrent(host: *mut Buf, user: *mut Buf, domain: *mut Buf) -> c_int = 0;
        bare getnetgrent_r(host: *mut Buf, user: *mut Buf, domain: *mut Buf, buf: Buf, size: size_t) -> c_int = 0;
        bare innetgr(group: Str, host: Str, user: Str, domain: Str) -> c_int = 0;
    }
}

redirected! {
    Users, fill {
        libc getpwnam(name: Str) -> passwd via getpwnam_r;
        libc getpwuid(uid: uid_t) -> passwd via getpwuid_r;
        libc getpwent() -> passwd via getpwent_r;
        libc getgrnam(name: Str) -> group via getgrnam_r;
        libc getgrgid(gid: gid_t) -> group via getgrgid_r;
        libc getgrent() -> group via getgrent_r;
        libc getspnam(name: Str) -> spwd via getspnam_r;
        libc getspent() -> spwd via getspent_r;
        bare getsgnam(name: Str) -> ShadowGroup via getsgnam_r;
        bare getsgent() -> ShadowGroup via getsgent_r;
    }
    Hosts, fill_resolved {
        bare gethostbyname(name: Str) -> hostent via gethostbyname_r;
        bare gethostbyname2(name: Str, family: c_int) -> hostent via gethostbyname2_r;
        bare gethostbyaddr(address: *const c_void, len: socklen_t, family: c_int) -> hostent via gethostbyaddr_r;
    }
    Names, fill_resolved {
        bare gethostent() -> hostent via gethostent_r;
        libc getnetbyname(name: Str) -> netent via getnetbyname_r;
        libc getnetbyaddr(net: u32, family: c_int) -> netent via getnetbyaddr_r;
        bare getnetent() -> netent via getnetent_r;
    }
    Names, fill {
        libc getprotobyname(name: Str) -> protoent via getprotobyname_r;
        libc getprotobynumber(number: c_int) -> protoent via getprotobynumber_r;
        bare getprotoent() -> protoent via getprotoent_r;
        libc getservbyname(name: Str, protocol: Str) -> servent via getservbyname_r;
        libc getservbyport(port: c_int, protocol: Str) -> servent via getservbyport_r;
        bare getservent() -> servent via getservent_r;
        bare getrpcbyname(name: Str) -> RpcEntry via getrpcbyname_r;
        bare getrpcbynumber(number: c_int) -> RpcEntry via getrpcbynumber_r;
        bare getrpcent() -> RpcEntry via getrpcent_r;
        bare getaliasbyname(name: Str) -> AliasEntry via getaliasbyname_r;
        bare getaliasent() -> AliasEntry via getaliasent_r;
    }
}

routed! {
    libc fork() -> pid_t => fork::fork;
    bare __fork() -> pid_t => fork::fork;
    bare __register_atfork(prepare: Option<atfork::Handler>, parent: Option<atfork::Handler>, child: Option<atfork::Handler>, dso: *mut c_void) -> c_int => atfork::register_hook;
    bare pthread_atfork(prepare: Option<atfork::Handler>, parent: Option<atfork::Handler>, child: Option<atfork::Handler>) -> c_int => atfork::pthread_atfork_hook;
    bare __cxa_finalize(dso: *mut c_void) => atfork::finalize_hook;
    libc getnameinfo(address: *const sockaddr, len: socklen_t, host: Buf, host_size: socklen_t, service: Buf, service_size: socklen_t, flags: c_int) -> c_int => names::getnameinfo;
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

variadic! {
    syslog => forkfix_syslog;
    __syslog_chk => forkfix_syslog_chk;
    execl => forkfix_execl;
    execlp => forkfix_execlp;
    execle => forkfix_execle;
}

/// The next definitions that bodies of hooks call, by the names of the symbols.
pub(crate) use routed_next as next;

/// Every symbol whose next definition must be looked up.
pub(crate) fn definitions() -> impl Iterator<Item = &'static Definition> {
    gated_next::ALL.iter().chain(redirected_next::ALL).chain(routed_next::ALL).copied()
}
