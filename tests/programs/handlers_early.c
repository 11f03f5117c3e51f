// handlers_early.c: a library that the program is linked to. Its constructor runs before main and
// before the constructor of any preloaded library. With EARLY_FORKS and EARLY_MAX_HANGS set, it
// starts threads and forks there. Its destructor forks if it is asked to.
#include "storm.h"

#include <time.h>

static struct tally early;
static void (*fork_at_exit)(const char *);
static int balance;

static void before_fork(void) { balance++; }
static void after_fork(void) { balance--; }

static void call_localtime(void) {
    time_t moment = 1700000000;
    localtime(&moment);
}

static void call_in_balance(void) {
    call_localtime();
    if (balance != 0) _exit(1);
}

__attribute__((constructor)) static void construct(void) {
    pthread_atfork(before_fork, after_fork, after_fork);
    const char *forks = getenv("EARLY_FORKS"), *max_hangs = getenv("EARLY_MAX_HANGS");
    if (forks == NULL || max_hangs == NULL) return;
    early = storm((struct storm){atoi(forks), atoi(max_hangs), 2, call_localtime, call_in_balance,
                                 NULL});
}

__attribute__((destructor)) static void destruct(void) {
    if (fork_at_exit != NULL) fork_at_exit("library destructor");
}

struct tally early_storm(void) { return early; }
void early_fork_at_exit(void (*fork)(const char *)) { fork_at_exit = fork; }
