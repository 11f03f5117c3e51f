// nss_fftest.cc: a name service module, as LDAP's or systemd's are, that does what the name asks
// for. Built as libnss_fftest.so.2 and found through LD_LIBRARY_PATH.
//
//   block        counts in nss_fftest_blocked, then waits for nss_fftest_release
//   fork         forks; the child calls localtime
//   throw        throws an int, through libc, to whoever called getpwnam
//   exit-thread  ends the calling thread
//   nested       calls functions of other families
//   big          (group) has 20,000 members
//   anything else that starts with "user" or "group" exists
#include "storm.h"

#include <grp.h>
#include <nss.h>
#include <pwd.h>
#include <time.h>

extern "C" {
// How many threads are blocked in this module, and the pipe that they read from.
atomic_int nss_fftest_blocked;
static int release_pipe[2] = {-1, -1};
// What became of the children that this module forked.
atomic_int nss_fftest_forks, nss_fftest_hangs, nss_fftest_crashes;

// Lets one blocked thread go.
void nss_fftest_release(void) {
    if (write(release_pipe[1], "", 1) != 1) die("write");
}
}

__attribute__((constructor)) static void open_pipe() {
    if (pipe(release_pipe) != 0) die("pipe");
}

static void call_localtime() {
    time_t moment = 1700000000;
    localtime(&moment);
}

static void block() {
    char byte;
    atomic_fetch_add(&nss_fftest_blocked, 1);
    while (read(release_pipe[0], &byte, 1) != 1) continue;
    atomic_fetch_sub(&nss_fftest_blocked, 1);
}

static void fork_here() {
    enum verdict verdict = fork_once(NULL, call_localtime);
    atomic_fetch_add(&nss_fftest_forks, 1);
    atomic_fetch_add(&nss_fftest_hangs, verdict == HUNG);
    atomic_fetch_add(&nss_fftest_crashes, verdict == CRASHED);
}

static void behave(const char *name) {
    if (strcmp(name, "block") == 0) block();
    if (strcmp(name, "fork") == 0) fork_here();
    if (strcmp(name, "throw") == 0) throw 42;
    if (strcmp(name, "exit-thread") == 0) pthread_exit(NULL);
    if (strcmp(name, "nested") == 0) {
        call_localtime();
        setenv("FORKFIX_TEST", "value", 1);
        random();
    }
}

static nss_status fill_user(uid_t id, const char *name, struct passwd *result, char *buffer,
                            size_t size, int *error) {
    int length = snprintf(buffer, size, "%s", name);
    if (length < 0 || (size_t)length >= size) {
        *error = ERANGE;
        return NSS_STATUS_TRYAGAIN;
    }
    char *empty = buffer + length;
    *result = (struct passwd){buffer, empty, id, id, empty, empty, empty};
    return NSS_STATUS_SUCCESS;
}

extern "C" nss_status _nss_fftest_getpwnam_r(const char *name, struct passwd *result, char *buffer,
                                             size_t size, int *error) {
    behave(name);
    if (strncmp(name, "missing", 7) == 0) return NSS_STATUS_NOTFOUND;
    return fill_user(1000, name, result, buffer, size, error);
}

extern "C" nss_status _nss_fftest_getgrnam_r(const char *name, struct group *result, char *buffer,
                                             size_t size, int *error) {
    behave(name);
    if (strncmp(name, "missing", 7) == 0) return NSS_STATUS_NOTFOUND;
    size_t count = strcmp(name, "big") == 0 ? 20000 : 1;
    size_t needed = (count + 1) * sizeof(char *) + count * 16 + strlen(name) + 16;
    if (size < needed) {
        *error = ERANGE;
        return NSS_STATUS_TRYAGAIN;
    }
    size_t misaligned = (uintptr_t)buffer % sizeof(char *);
    char **members = (char **)(buffer + (misaligned == 0 ? 0 : sizeof(char *) - misaligned));
    char *next = (char *)(members + count + 1);
    for (size_t i = 0; i < count; i++) {
        members[i] = next;
        next += sprintf(next, "member%zu", i) + 1;
    }
    members[count] = NULL;
    strcpy(next, name);
    *result = (struct group){next, next + strlen(next), 1000, members};
    return NSS_STATUS_SUCCESS;
}

// Two users. With FFTEST_BLOCK_ENT in the environment, asking for one blocks.
static int position;

extern "C" nss_status _nss_fftest_setpwent(int) {
    position = 0;
    return NSS_STATUS_SUCCESS;
}

extern "C" nss_status _nss_fftest_endpwent() { return NSS_STATUS_SUCCESS; }

extern "C" nss_status _nss_fftest_getpwent_r(struct passwd *result, char *buffer, size_t size,
                                             int *error) {
    if (getenv("FFTEST_BLOCK_ENT") != NULL) block();
    if (position == 2) return NSS_STATUS_NOTFOUND;
    position++;
    return fill_user(1000 + position, "user", result, buffer, size, error);
}
