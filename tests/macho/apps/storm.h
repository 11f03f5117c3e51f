// storm.h: children of a process whose other threads are busy, and what becomes of them.
//
// A child that waits for a thread that it does not have is ended by the loader with HANG_STATUS, if
// macho-run is told so by --hang-status; another one that does not end is killed at its deadline.
#ifndef STORM_H
#define STORM_H

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { HANG_STATUS = 86, DEADLINE_S = 30, HAMMERS = 2 };

struct tally {
    int forks, hangs, crashes;
};

static inline void fail(const char *what) {
    dprintf(2, "%s: %s\n", what, strerror(errno));
    _exit(99);
}

// Waits for a child, and says how it ended.
static inline void watch(struct tally *tally, pid_t child) {
    int status = 0;
    bool killed = false;
    unsigned long long end =
        clock_gettime_nsec_np(CLOCK_UPTIME_RAW) + DEADLINE_S * 1000000000ull;
    if (child < 0) fail("fork");
    while (waitpid(child, &status, killed ? 0 : WNOHANG) == 0) {
        if (clock_gettime_nsec_np(CLOCK_UPTIME_RAW) > end) {
            killed = true;
            kill(child, SIGKILL);
        }
        usleep(100);
    }
    tally->forks++;
    if (killed || (WIFEXITED(status) && WEXITSTATUS(status) == HANG_STATUS)) tally->hangs++;
    else if (status != 0) tally->crashes++;
}

static inline int report(struct tally tally) {
    printf("forks=%d hangs=%d crashes=%d\n", tally.forks, tally.hangs, tally.crashes);
    return fflush(stdout) == 0 ? 0 : 1;
}

#endif
