// lock_semaphores.c: semaphores in a forked child.
//
//   lock_semaphores WAY FORKS MAX_HANGS     threads take a binary one, WAY, and post it, each child once
//   lock_semaphores found                   what a child finds of others, one a line
//
// Bare, the child waits for ever for a thread that is gone to post it.
#include "locks.h"

#include <semaphore.h>

static sem_t binary;

static int take(void) { return sem_wait(&binary); }
static int try_to_take(void) { return sem_trywait(&binary); }
static int take_timed(void) { return sem_timedwait(&binary, in_an_hour(CLOCK_REALTIME)); }
static int take_by_clock(void) {
    return sem_clockwait(&binary, CLOCK_MONOTONIC, in_an_hour(CLOCK_MONOTONIC));
}

static const struct way {
    const char *name;
    int (*take)(void);
} ways[] = {{"wait", take}, {"trywait", try_to_take}, {"timedwait", take_timed}, {"clockwait", take_by_clock}};
enum { WAYS = sizeof ways / sizeof ways[0] };

static const struct way *way;

static void hammer(void) {
    if (way->take() != 0) return;
    change();
    if (sem_post(&binary) != 0) die("sem_post");
}

// It is a lock in a child, too: there is one to take.
static void child(void) {
    if (take() != 0) die("sem_wait");
    if (try_to_take() == 0 || errno != EAGAIN) die("there are two to take");
    if (sem_post(&binary) != 0) die("sem_post");
}

// --- found

static sem_t mine, event, counting;
static atomic_bool taken;

static void *take_for_ever(void *unused) {
    if (sem_wait(&counting) != 0) die("sem_wait");
    atomic_store(&taken, true);
    for (;;) pause();
    return unused;
}

static int value(sem_t *semaphore) {
    int value;
    if (sem_getvalue(semaphore, &value) != 0) die("sem_getvalue");
    return value;
}

// The forker's own one stays taken; others than binary ones are nobody's.
static int print_found(void) {
    if (sem_init(&mine, false, 1) != 0 || sem_init(&event, false, 0) != 0) die("sem_init");
    if (sem_init(&counting, false, 3) != 0 || sem_wait(&mine) != 0) die("sem_init");
    pthread_t thread;
    start_thread(&thread, take_for_ever, NULL);
    await(&taken);
    pid_t pid = fork();
    if (pid < 0) die("fork");
    if (pid == 0) {
        dprintf(1, "mine=%d event=%d counting=%d\n", value(&mine), value(&event), value(&counting));
        _exit(0);
    }
    return watch(pid);
}

int main(int argc, char **argv) {
    if (argc == 2 && strcmp(argv[1], "found") == 0) return print_found();
    for (int i = 0; argc == 4 && i < WAYS; i++)
        if (strcmp(argv[1], ways[i].name) == 0) way = &ways[i];
    if (way == NULL) die("usage: lock_semaphores WAY FORKS MAX_HANGS | lock_semaphores found");
    if (sem_init(&binary, false, 1) != 0) die("sem_init");
    return report(storm((struct storm){atoi(argv[2]), atoi(argv[3]), 2, hammer, child, NULL}));
}
