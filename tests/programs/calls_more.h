// calls_more.h: calls that need something first: a file of their own in /etc, a network without
// addresses, a library; and those whose lock is none of the common families'.
#ifndef CALLS_MORE_H
#define CALLS_MORE_H

#include "storm.h"

#include <dlfcn.h>
#include <netdb.h>
#include <netinet/in.h>
#include <nss.h>
#include <printf.h>
#include <shadow.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <wchar.h>

static void write_text(const char *path, const char *text) {
    int fd = open(path, O_WRONLY);
    if (fd < 0 || write(fd, text, strlen(text)) < 0) die("%s", path);
    close(fd);
}

// The program moves to name spaces of its own: nobody else sees what it mounts. There it is root.
static void enter_name_spaces(int flags) {
    uid_t user = geteuid();
    gid_t group = getegid();
    if (unshare(flags | (user == 0 ? 0 : CLONE_NEWUSER)) != 0) die("unshare");
    if (user != 0) {
        char map[32];
        snprintf(map, sizeof map, "0 %u 1", user);
        write_text("/proc/self/uid_map", map);
        write_text("/proc/self/setgroups", "deny");
        snprintf(map, sizeof map, "0 %u 1", group);
        write_text("/proc/self/gid_map", map);
    }
    if ((flags & CLONE_NEWNS) != 0 && mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0)
        die("mount --make-rprivate /");
}

// An empty /etc.
static void empty_etc(unsigned long flags) {
    enter_name_spaces(CLONE_NEWNS);
    if (mount("none", "/etc", "tmpfs", flags, NULL) != 0) die("mount /etc");
}

// A file that takes libc a while to read to its end: after `line`, many lines that mean nothing.
static void write_long_file(const char *path, const char *line, int lines) {
    FILE *file = fopen(path, "w");
    if (file == NULL || fputs(line, file) < 0) die("%s", path);
    for (int i = 0; i < lines; i++) fputs("# forkfix\n", file);
    if (fclose(file) != 0) die("%s", path);
}

// The lock of the password files, in a file that cannot be made: libc's own lock remains.
static void set_up_lckpwdf(void) { empty_etc(MS_RDONLY); }
static void call_lckpwdf(void) { lckpwdf(); }

// Addresses are sorted under a lock if gai.conf may change meanwhile, and it is read again if it has.
static void set_up_getaddrinfo_sorted(void) {
    empty_etc(0);
    enter_name_spaces(CLONE_NEWNET); // With few addresses it is soon known which there are.
    write_long_file("/etc/gai.conf", "reload yes\n", 2000);
}
static void call_getaddrinfo_sorted(void) {
    static atomic_int changes;
    struct timespec times[2] = {{.tv_nsec = UTIME_OMIT}, {.tv_sec = atomic_fetch_add(&changes, 1)}};
    if (utimensat(AT_FDCWD, "/etc/gai.conf", times, 0) != 0) die("utimensat");
    const struct addrinfo hints = {.ai_flags = AI_NUMERICSERV, .ai_socktype = SOCK_STREAM};
    struct addrinfo *list;
    if (getaddrinfo(NULL, "80", &hints, &list) == 0) freeaddrinfo(list);
}

// The resolver sorts addresses by the networks of this machine, which it asks for under a lock until there
// are some.
static void set_up_gethostbyname_sorted(void) {
    enter_name_spaces(CLONE_NEWNET);
    setenv("RESOLV_REORDER", "on", 1);
}

// The first time, getnameinfo finds out the domain of this machine.
static void name_loopback(int flags) {
    const struct sockaddr_in address = {
        .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    char host[256];
    getnameinfo((const struct sockaddr *)&address, sizeof address, host, sizeof host, NULL, 0, flags);
}
static void set_up_getnameinfo_domain(void) {
    empty_etc(0);
    write_long_file("/etc/hosts", "127.0.0.1 forkfix.test\n", 50000);
    __nss_configure_lookup("hosts", "files");
    name_loopback(0);
}
static void call_getnameinfo_domain(void) { name_loopback(NI_NOFQDN); }

// A descriptor that cannot be bound: no port is taken.
static void call_bindresvport(void) { bindresvport(-1, NULL); }

// A list of services that is not one: its module is looked for, and no list is made.
static void call_nss_module(void) { __nss_configure_lookup("passwd", "files ["); }

// What C++ has only once in a process.
static void *library;
static void set_up_dlsym_unique(void) {
    library = dlopen("libstdc++.so.6", RTLD_NOW);
    if (library == NULL) die("%s", dlerror());
}
static void call_dlsym_unique(void) { dlsym(library, "_ZNSs4_Rep20_S_empty_rep_storageE"); }

// Conversions of printf. A process can have only 16 modifiers; long ones take a while to be copied.
static void print_nothing(void *memory, va_list *arguments) {}
static void call_register_printf_type(void) { (void)!register_printf_type(print_nothing); }
static wchar_t modifier[1 << 16];
static void set_up_register_printf_modifier(void) {
    wmemset(modifier, L'x', sizeof modifier / sizeof modifier[0] - 1);
}
static void call_register_printf_modifier(void) { (void)!register_printf_modifier(modifier); }

#endif
