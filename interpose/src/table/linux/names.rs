//! Look-ups of names.

use core::ffi::{c_int, c_long, c_void};
use core::ptr::null_mut;

use libc::{
    EIO, ENOMEM, FILE, gid_t, group, hostent, netent, passwd, protoent, servent, size_t, socklen_t,
    spwd, timespec, uid_t,
};

use super::{Buf, Str};
use crate::errno::{try_again, with};
use crate::hooks::lookup::{AliasEntry, RpcEntry, ShadowGroup};
use crate::hooks::names;
use crate::rows::{gated, redirected};

/// Entries in `_r` form: where the result goes, its buffer and size, where it says what it found.
type Found<T> = *mut *mut T;

gated! {
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
        bare cuserid(to: Buf) -> Buf = with(EIO, null_mut());
        bare glob(pattern: Str, flags: c_int, report: *mut c_void, to: *mut c_void) -> c_int = 2;
        bare glob64(pattern: Str, flags: c_int, report: *mut c_void, to: *mut c_void) -> c_int = 2;
    }

    Hosts {
        libc getaddrinfo(node: Str, service: Str, hints: *const libc::addrinfo, to: *mut *mut libc::addrinfo) -> c_int = libc::EAI_AGAIN;
        bare gethostbyname_r(name: Str, to: *mut hostent, buf: Buf, size: size_t, found: Found<hostent>, error: *mut c_int) -> c_int = names::unresolved(found, error);
        bare gethostbyname2_r(name: Str, family: c_int, to: *mut hostent, buf: Buf, size: size_t, found: Found<hostent>, error: *mut c_int) -> c_int = names::unresolved(found, error);
        bare gethostbyaddr_r(address: *const c_void, len: socklen_t, family: c_int, to: *mut hostent, buf: Buf, size: size_t, found: Found<hostent>, error: *mut c_int) -> c_int = names::unresolved(found, error);
        bare gethostid() -> c_long = 0;
        bare rcmd(host: *mut Str, port: u16, local: Str, remote: Str, command: Str, error: *mut c_int) -> c_int = with(EIO, -1);
        bare rcmd_af(host: *mut Str, port: u16, local: Str, remote: Str, command: Str, error: *mut c_int, family: u16) -> c_int = with(EIO, -1);
        bare rexec(host: *mut Str, port: c_int, user: Str, password: Str, command: Str, error: *mut c_int) -> c_int = with(EIO, -1);
        bare rexec_af(host: *mut Str, port: c_int, user: Str, password: Str, command: Str, error: *mut c_int, family: u16) -> c_int = with(EIO, -1);
        bare ruserok(host: Str, superuser: c_int, remote: Str, local: Str) -> c_int = with(EIO, -1);
        bare ruserok_af(host: Str, superuser: c_int, remote: Str, local: Str, family: u16) -> c_int = with(EIO, -1);
        bare iruserok(address: u32, superuser: c_int, remote: Str, local: Str) -> c_int = with(EIO, -1);
        bare iruserok_af(address: *const c_void, superuser: c_int, remote: Str, local: Str, family: u16) -> c_int = with(EIO, -1);
        bare ruserpass(host: Str, name: *mut Str, password: *mut Str) -> c_int = with(EIO, -1);
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

    Entries {
        bare fgetpwent(stream: *mut FILE) -> *mut passwd = with(EIO, null_mut());
        bare fgetgrent(stream: *mut FILE) -> *mut group = with(EIO, null_mut());
        bare fgetspent(stream: *mut FILE) -> *mut spwd = with(EIO, null_mut());
        bare fgetsgent(stream: *mut FILE) -> *mut ShadowGroup = with(EIO, null_mut());
        bare sgetspent(text: Str) -> *mut spwd = with(EIO, null_mut());
        bare sgetsgent(text: Str) -> *mut ShadowGroup = with(EIO, null_mut());
        bare lckpwdf() -> c_int = with(EIO, -1);
        bare ulckpwdf() -> c_int = with(EIO, -1);
        bare bindresvport(socket: c_int, address: *mut c_void) -> c_int = with(EIO, -1);
    }

    AsyncHosts {
        bare getaddrinfo_a(mode: c_int, list: *mut *mut c_void, count: c_int, event: *mut libc::sigevent) -> c_int = libc::EAI_AGAIN;
        bare gai_cancel(request: *mut c_void) -> c_int = libc::EAI_AGAIN;
        bare gai_suspend(list: *const *const c_void, count: c_int, timeout: *const timespec) -> c_int = libc::EAI_AGAIN;
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

pub(super) use gated_next::GROUP;
pub(super) use redirected_next::GROUP as REDIRECTED_GROUP;
