// ending.c: forks while another thread ends the process. The children end themselves, and
// must run the exit handler that the thread has not come to.
//
//   ending MODE FORKS MAX_HANGS
//
//   exit, quick   the thread is in exit or quick_exit, where a handler waits until the forks are over
//   return        the same, but it has returned from main
//   many          the thread runs millions of short handlers first: some forks come while libc's list
//                 of handlers is locked
//
// "many" hangs bare; the others do from glibc 2.41 on.
#include "storm.h"

#include <semaphore.h>

enum { SHORT_HANDLERS = 5000000 };

static int forks, max_hangs, handled[2];
static bool quick;
static sem_t begun, over;
static pid_t parent;

// Registered first, so it runs last.
static void last(void) {
    if (getpid() != parent && write(handled[1], "", 1) != 1) _exit(1);
}

// Registered after it.
static void wait_for_forks(void) {
    if (getpid() != parent) return;
    sem_post(&begun);
    while (sem_wait(&over) != 0);
    _exit(0);
}

// Registers itself again and again.
static void short_handler(void) {
    static int ran;
    if (getpid() != parent) return;
    if (ran++ == 0) sem_post(&begun);
    if (ran < SHORT_HANDLERS) atexit(short_handler);
}

static void end(void) {
    if (quick) quick_exit(0);
    exit(0);
}

static void *fork_children(void *unused) {
    (void)unused;
    struct tally tally = {0};
    while (sem_wait(&begun) != 0);
    while (tally.forks < forks && (max_hangs == 0 || tally.hangs < max_hangs)) {
        enum verdict verdict = fork_once(NULL, end);
        char byte;
        if (verdict == FINISHED && read(handled[0], &byte, 1) != 1) verdict = CRASHED;
        count(&tally, verdict);
    }
    dprintf(1, "forks=%d hangs=%d crashes=%d\n", tally.forks, tally.hangs, tally.crashes);
    sem_post(&over);
    return NULL;
}

int main(int argc, char **argv) {
    if (argc != 4) die("usage: ending MODE FORKS MAX_HANGS");
    forks = atoi(argv[2]);
    max_hangs = atoi(argv[3]);
    quick = strcmp(argv[1], "quick") == 0;
    parent = getpid();
    int (*at_end)(void (*)(void)) = quick ? at_quick_exit : atexit;
    if (pipe2(handled, O_NONBLOCK) != 0 || at_end(last) != 0 || at_end(wait_for_forks) != 0)
        die("set-up");
    if (strcmp(argv[1], "many") == 0) atexit(short_handler);
    pthread_t thread;
    start_thread(&thread, fork_children, NULL);
    if (strcmp(argv[1], "return") == 0) return 0;
    end();
}
