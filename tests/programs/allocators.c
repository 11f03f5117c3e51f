// allocators.c: forks while other threads allocate, inside libc calls and outside of them.
//
//   allocators plain FORKS MAX_HANGS    four threads: allocation, environment, locale, look-ups
//   allocators lock FORKS MAX_HANGS     and a handler of the program takes a lock that threads
//                                       hold while they are in libc, some of which allocate
//
// It is run with the allocator of libc, and with others that take all their locks in a prepare
// handler: a thread inside libc that needs memory then cannot come out until the fork is over.
// Bare, the child hangs in setenv.
#include "storm.h"

#include <locale.h>
#include <netdb.h>

static pthread_mutex_t application_lock = PTHREAD_MUTEX_INITIALIZER;
static void lock(void) { pthread_mutex_lock(&application_lock); }
static void unlock(void) { pthread_mutex_unlock(&application_lock); }
static bool locks;

// Blocks of many sizes, so that they do not all come from a cache of the thread.
static void allocate(void) {
    static _Thread_local unsigned number;
    void *blocks[32];
    for (int i = 0; i < 32; i++) {
        number = number * 1103515245 + 12345;
        size_t size = (number >> 16) % 20000 + 1;
        blocks[i] = malloc(size);
        if (blocks[i] == NULL) die("malloc");
        memset(blocks[i], 1, size);
    }
    for (int i = 0; i < 32; i++) free(blocks[i]);
}

static void change_environment(void) {
    static _Thread_local int round;
    char name[32], value[4000];
    round = (round + 1) % 64;
    snprintf(name, sizeof name, "FORKFIX_TEST_%d", round);
    memset(value, 'x', sizeof value - 1);
    value[round * 60] = '\0';
    setenv(name, value, 1);
    if (round == 0) unsetenv(name);
}

// Locales that one thread makes and another frees: neither can live on what it has freed itself,
// so that both take the allocator's locks all the time, inside libc.
static _Atomic(locale_t) locales[256];

static void make_locales(void) {
    for (int i = 0; i < 256; i++)
        if (locales[i] == NULL) locales[i] = newlocale(LC_ALL_MASK, "C.UTF-8", NULL);
}

static void free_locales(void) {
    for (int i = 0; i < 256; i++) {
        locale_t locale = atomic_exchange(&locales[i], NULL);
        if (locale != NULL) freelocale(locale);
    }
}

static void look_up(void) {
    struct addrinfo *list;
    if (getaddrinfo("localhost", "80", NULL, &list) == 0) freeaddrinfo(list);
    free_locales();
}

static void work(void) {
    static call_fn *const WORK[] = {allocate, change_environment, make_locales, look_up};
    static atomic_int next;
    static _Thread_local int mine = -1, round;
    if (mine < 0) mine = atomic_fetch_add(&next, 1);
    // Not all the time: the forker would hardly ever get the lock.
    bool locked = locks && mine >= 2 && round++ % 8 == 0;
    if (locked) lock();
    WORK[mine % 4]();
    if (locked) unlock();
}

static void work_in_child(void) {
    allocate();
    change_environment();
    make_locales();
    free_locales();
}

int main(int argc, char **argv) {
    if (argc != 4) die("usage: allocators plain|lock FORKS MAX_HANGS");
    locks = strcmp(argv[1], "lock") == 0;
    if (locks) pthread_atfork(lock, unlock, unlock);
    return report(storm((struct storm){atoi(argv[2]), atoi(argv[3]), 4, work, work_in_child, NULL}));
}
