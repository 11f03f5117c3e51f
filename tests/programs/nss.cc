// nss.cc: libc calls that lead through a name service module, nss_fftest.cc.
//
//   nss fork FORKS MAX_HANGS      the module forks; other threads hammer localtime
//   nss nested FORKS MAX_HANGS    the module calls other families of libc
//   nss blocked FORKS MAX_HANGS   two threads never return from the module; the child asks it, too
//   nss blocked-ent FORKS MAX     the same with getpwent, which holds a lock of libc meanwhile
//   nss released FORKS MAX_HANGS  such a thread returns after some forks, and goes on with localtime
//   nss throw, nss exit-thread    threads leave libc by an exception, and by their end
//   nss big                       an entry that needs far more room than libc tries first
//
// Bare, the modes with FORKS hang.
#include "storm.h"

#include <grp.h>
#include <netdb.h>
#include <pwd.h>
#include <time.h>

extern "C" {
extern atomic_int nss_fftest_blocked, nss_fftest_forks, nss_fftest_hangs, nss_fftest_crashes;
void nss_fftest_release(void);
int __nss_configure_lookup(const char *database, const char *services);
}

static int forks, max_hangs;

static void call_localtime() {
    time_t moment = 1700000000;
    localtime(&moment);
}

static void call_nested() {
    if (getpwnam("nested") == NULL) die("getpwnam");
}

// What a child must get although a thread of the parent is lost in the module: entries, or an
// error that says so.
static void check_user(const struct passwd *user) {
    if (user == NULL ? errno == 0 : user->pw_uid == 0) _exit(1);
}

static void check_group() {
    errno = 0;
    const struct group *group = getgrnam("group");
    if (group == NULL ? errno == 0 : group->gr_gid == 0) _exit(2);
}

static void ask_in_child() {
    struct passwd room, *user = NULL;
    char buffer[1024];
    errno = 0;
    check_user(getpwnam("user"));
    errno = getpwnam_r("user", &room, buffer, sizeof buffer, &user);
    check_user(user);
    check_group();
    call_localtime();
    setenv("FORKFIX_TEST", "value", 1);
    random();
}

static void enumerate_in_child() {
    unsetenv("FFTEST_BLOCK_ENT");
    setpwent();
    for (int i = 0; i < 10 && getpwent() != NULL; i++) continue;
    endpwent();
    check_group();
    call_localtime();
}

static void *ask_for_user(void *name) {
    getpwnam(static_cast<const char *>(name));
    return NULL;
}

static void *ask_for_group(void *name) {
    struct group room, *group;
    char buffer[1024];
    getgrnam_r(static_cast<const char *>(name), &room, buffer, sizeof buffer, &group);
    return NULL;
}

static void *enumerate(void *) {
    getpwent();
    return NULL;
}

static void wait_until_blocked(int count) {
    while (atomic_load(&nss_fftest_blocked) < count) sched_yield();
}

static struct tally fork_only(call_fn *child) {
    return storm({forks, max_hangs, 0, NULL, child, NULL});
}

static struct tally fork_beside_blocked_threads() {
    pthread_t first, second;
    start_thread(&first, ask_for_user, const_cast<char *>("block"));
    start_thread(&second, ask_for_group, const_cast<char *>("block"));
    wait_until_blocked(2);
    return fork_only(ask_in_child);
}

static struct tally fork_beside_blocked_enumeration() {
    pthread_t thread;
    setenv("FFTEST_BLOCK_ENT", "1", 1);
    start_thread(&thread, enumerate, NULL);
    wait_until_blocked(1);
    return fork_only(enumerate_in_child);
}

static void ask_then_call_localtime() {
    static thread_local bool asked;
    if (!asked) getpwnam("block");
    asked = true;
    call_localtime();
}

static struct tally fork_beside_released_thread() {
    struct hammering hammering = {.call = ask_then_call_localtime};
    pthread_t threads[2];
    for (int i = 0; i < 2; i++) start_thread(&threads[i], hammer_thread, &hammering);
    wait_until_blocked(1);
    for (int i = 0; i < 10; i++)
        if (fork_once(NULL, call_localtime) != FINISHED) die("an early child hung or crashed");
    // The second waits for a lock of getpwnam bare, and in the module protected.
    nss_fftest_release();
    nss_fftest_release();
    while (atomic_load(&hammering.running) < 2) sched_yield();
    struct tally tally = fork_only(call_localtime);
    stop_hammering(&hammering, threads, 2);
    return tally;
}

static struct tally fork_in_module() {
    struct hammering hammering;
    pthread_t threads[2];
    start_hammering(&hammering, threads, 2, call_localtime);
    while (atomic_load(&nss_fftest_forks) < forks &&
           (max_hangs == 0 || atomic_load(&nss_fftest_hangs) < max_hangs))
        if (getpwnam("fork") == NULL) die("getpwnam");
    stop_hammering(&hammering, threads, 2);
    return {nss_fftest_forks, nss_fftest_hangs, nss_fftest_crashes};
}

static void *leave(void *how) {
    try {
        ask_for_group(how);
    } catch (int thrown) {
        if (thrown == 42) return how;
    }
    return NULL;
}

static void *leave_static(void *how) {
    try {
        ask_for_user(how);
    } catch (int thrown) {
        if (thrown == 42) return how;
    }
    return NULL;
}

// Many threads through a reentrant call, then one through a call whose lock is lost bare.
static struct tally fork_after_threads_left(const char *how) {
    int caught = 0;
    for (int i = 0; i < 50; i++) {
        pthread_t thread;
        void *result;
        start_thread(&thread, i < 49 ? leave : leave_static, const_cast<char *>(how));
        pthread_join(thread, &result);
        caught += result == how;
    }
    printf("caught %d\n", caught);
    return fork_only(call_localtime);
}

static int show_big() {
    for (int round = 0; round < 3; round++) {
        const struct group *group = getgrnam("big");
        int count = 0;
        while (group != NULL && group->gr_mem[count] != NULL) count++;
        printf("%d members, last %s\n", count, count > 0 ? group->gr_mem[count - 1] : "none");
        const struct group *small = getgrnam("group");
        printf("%s with %s\n", small->gr_name, small->gr_mem[0]);
    }
    return 0;
}

int main(int argc, char **argv) {
    if (argc != 4) die("usage: nss MODE FORKS MAX_HANGS");
    const char *mode = argv[1];
    forks = atoi(argv[2]);
    max_hangs = atoi(argv[3]);
    if (__nss_configure_lookup("passwd", "fftest") != 0 ||
        __nss_configure_lookup("group", "fftest") != 0)
        die("__nss_configure_lookup");
    if (strcmp(mode, "fork") == 0) return report(fork_in_module());
    if (strcmp(mode, "blocked") == 0) return report(fork_beside_blocked_threads());
    if (strcmp(mode, "blocked-ent") == 0) return report(fork_beside_blocked_enumeration());
    if (strcmp(mode, "released") == 0) return report(fork_beside_released_thread());
    if (strcmp(mode, "throw") == 0) return report(fork_after_threads_left("throw"));
    if (strcmp(mode, "exit-thread") == 0) return report(fork_after_threads_left("exit-thread"));
    if (strcmp(mode, "nested") == 0)
        return report(storm({forks, max_hangs, 2, call_nested, call_nested, NULL}));
    if (strcmp(mode, "big") == 0) return show_big();
    die("no mode %s", mode);
}
