// users.c: users, groups, hosts and the like (Libinfo). One lock stands for those of its modules.
// Answers are fixed: the tests need the locks, not the data. Numbers in Apple's structures.
#define _GNU_SOURCE
#include <grp.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <unistd.h>

#include "libsystem.h"

static struct model_lock info_lock = {.name = "a lock of Libinfo"};

struct apple_passwd {
    char *name, *password;
    uid_t uid;
    gid_t gid;
    time_t change;
    char *class, *gecos, *directory, *shell;
    time_t expire;
};

static struct apple_passwd *root_user(void) {
    static struct apple_passwd root = {"root", "*", 0, 0, 0, "", "root", "/var/root", "/bin/sh", 0};
    model_enter(&info_lock);
    model_leave(&info_lock);
    return &root;
}

static struct apple_passwd *standin_getpwnam(const char *name) {
    struct apple_passwd *root = root_user();
    return strcmp(name, "root") == 0 ? root : NULL;
}
EXPORT("_getpwnam", standin_getpwnam)

static struct apple_passwd *standin_getpwuid(uid_t uid) {
    struct apple_passwd *root = root_user();
    return uid == 0 ? root : NULL;
}
EXPORT("_getpwuid", standin_getpwuid)
EXPORT("_getpwent", root_user)

static int give_user(const struct apple_passwd *found, struct apple_passwd *to,
                     struct apple_passwd **result) {
    *result = found != NULL ? to : NULL;
    if (found != NULL) *to = *found;
    return 0;
}

static int standin_getpwnam_r(const char *name, struct apple_passwd *to, char *buffer, size_t size,
                              struct apple_passwd **result) {
    (void)buffer, (void)size;
    return give_user(standin_getpwnam(name), to, result);
}
EXPORT("_getpwnam_r", standin_getpwnam_r)

static int standin_getpwuid_r(uid_t uid, struct apple_passwd *to, char *buffer, size_t size,
                              struct apple_passwd **result) {
    (void)buffer, (void)size;
    return give_user(standin_getpwuid(uid), to, result);
}
EXPORT("_getpwuid_r", standin_getpwuid_r)

// struct group is the same.
static struct group *wheel_group(void) {
    static char *members[] = {"root", NULL};
    static struct group wheel = {"wheel", "*", 0, members};
    model_enter(&info_lock);
    model_leave(&info_lock);
    return &wheel;
}

static struct group *standin_getgrnam(const char *name) {
    struct group *wheel = wheel_group();
    return strcmp(name, "wheel") == 0 ? wheel : NULL;
}
EXPORT("_getgrnam", standin_getgrnam)

static struct group *standin_getgrgid(gid_t gid) {
    struct group *wheel = wheel_group();
    return gid == 0 ? wheel : NULL;
}
EXPORT("_getgrgid", standin_getgrgid)
EXPORT("_getgrent", wheel_group)

static int give_group(const struct group *found, struct group *to, struct group **result) {
    *result = found != NULL ? to : NULL;
    if (found != NULL) *to = *found;
    return 0;
}

static int standin_getgrnam_r(const char *name, struct group *to, char *buffer, size_t size,
                              struct group **result) {
    (void)buffer, (void)size;
    return give_group(standin_getgrnam(name), to, result);
}
EXPORT("_getgrnam_r", standin_getgrnam_r)

static int standin_getgrgid_r(gid_t gid, struct group *to, char *buffer, size_t size,
                              struct group **result) {
    (void)buffer, (void)size;
    return give_group(standin_getgrgid(gid), to, result);
}
EXPORT("_getgrgid_r", standin_getgrgid_r)

static int standin_getgrouplist(const char *user, int group, int *to, int *count) {
    (void)user;
    wheel_group();
    if (*count < 1) return -1;
    to[0] = group;
    *count = 1;
    return 0;
}
EXPORT("_getgrouplist", standin_getgrouplist)

static int standin_initgroups(const char *user, int group) {
    (void)user, (void)group;
    wheel_group();
    return 0;
}
EXPORT("_initgroups", standin_initgroups)

// Calls that only begin or end an enumeration: void there, or an int that is not 0.
static int only_lock(void) {
    model_enter(&info_lock);
    model_leave(&info_lock);
    return 1;
}
EXPORT("_setpwent", only_lock)
EXPORT("_endpwent", only_lock)
EXPORT("_setgrent", only_lock)
EXPORT("_endgrent", only_lock)
EXPORT("_sethostent", only_lock)
EXPORT("_endhostent", only_lock)
EXPORT("_setnetent", only_lock)
EXPORT("_endnetent", only_lock)
EXPORT("_setservent", only_lock)
EXPORT("_endservent", only_lock)
EXPORT("_setprotoent", only_lock)
EXPORT("_endprotoent", only_lock)
EXPORT("_setnetgrent", only_lock)
EXPORT("_endnetgrent", only_lock)

static int not_found(void) {
    only_lock();
    return 0;
}
EXPORT("_innetgr", not_found)
EXPORT("_getnetgrent", not_found)
EXPORT("_res_init", not_found)
EXPORT("_res_9_init", not_found)

static int error_of_hosts;
EXPORT_DATA("_h_errno", error_of_hosts)

static void *no_entry(void) {
    only_lock();
    return NULL;
}
EXPORT("_gethostbyname", no_entry)
EXPORT("_gethostbyname2", no_entry)
EXPORT("_gethostbyaddr", no_entry)
EXPORT("_gethostent", no_entry)
EXPORT("_getipnodebyname", no_entry)
EXPORT("_getipnodebyaddr", no_entry)
EXPORT("_getnetbyname", no_entry)
EXPORT("_getnetbyaddr", no_entry)
EXPORT("_getnetent", no_entry)
EXPORT("_getservbyname", no_entry)
EXPORT("_getservbyport", no_entry)
EXPORT("_getservent", no_entry)
EXPORT("_getprotobyname", no_entry)
EXPORT("_getprotobynumber", no_entry)
EXPORT("_getprotoent", no_entry)
EXPORT("_getpwuuid", no_entry)
EXPORT("_getgruuid", no_entry)

struct apple_addrinfo {
    int flags, family, type, protocol;
    uint32_t length;
    char *name;
    struct apple_sockaddr {
        uint8_t length, family;
        uint16_t port;
        uint32_t address;
        char zero[8];
    } *address;
    struct apple_addrinfo *next;
};

enum { APPLE_EAI_NONAME = 8 };

static int standin_getaddrinfo(const char *node, const char *service, const void *hints,
                               struct apple_addrinfo **to) {
    (void)service, (void)hints;
    only_lock();
    if (node != NULL && strcmp(node, "localhost") != 0 && strcmp(node, "127.0.0.1") != 0)
        return APPLE_EAI_NONAME;
    struct apple_addrinfo *found = calloc(1, sizeof *found + sizeof *found->address);
    found->address = (struct apple_sockaddr *)(found + 1);
    *found->address = (struct apple_sockaddr){16, 2, 0, htonl(INADDR_LOOPBACK), ""};
    found->family = 2;
    found->type = 1;
    found->length = 16;
    *to = found;
    return 0;
}
EXPORT("_getaddrinfo", standin_getaddrinfo)
EXPORT("_freeaddrinfo", free)

static int standin_getnameinfo(const void *address, uint32_t length, char *host, uint32_t host_size,
                               char *service, uint32_t service_size, int flags) {
    (void)address, (void)length, (void)flags;
    only_lock();
    if (host != NULL && host_size > 0) *host = '\0';
    if (service != NULL && service_size > 0) *service = '\0';
    return APPLE_EAI_NONAME;
}
EXPORT("_getnameinfo", standin_getnameinfo)

static const char *standin_gai_strerror(int error) {
    (void)error;
    return "an error of getaddrinfo";
}
EXPORT("_gai_strerror", standin_gai_strerror)
