// hangs.c: libc calls whose internal lock a vanished thread holds in a forked child.
//
//   hangs CALL FORKS MAX_HANGS     two threads make CALL all the time, each child once
//   hangs list                     every call of calls.h, one a line, after its family
//
// Bare, the child waits for ever for a lock of libc that nobody holds any more.
#include "calls.h"

static long now_us(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

static atomic_bool begun;
static void *call_cold(void *argument) {
    call_fn *call = *(call_fn **)argument;
    atomic_store(&begun, true);
    while (atomic_load(&begun)) call();
    return NULL;
}

// Forks while another thread makes the first calls of this process, after a while.
static enum verdict fork_cold(struct storm storm, int while_us) {
    pthread_t thread;
    start_thread(&thread, call_cold, &storm.hammer);
    while (!atomic_load(&begun)) sched_yield();
    for (long start = now_us(); now_us() - start < while_us;) sched_yield();
    return fork_once(NULL, storm.child);
}

// Each fork in a process of its own, each a little later than the one before, over and over again.
static struct tally cold_storm(struct storm storm) {
    enum { STEPS = 64, STEP_US = 50 };
    struct tally tally = {0};
    while (tally.forks < storm.forks && (storm.max_hangs == 0 || tally.hangs < storm.max_hangs)) {
        pid_t fresh = fork();
        if (fresh < 0) die("fork");
        if (fresh == 0) _exit(fork_cold(storm, tally.forks % STEPS * STEP_US));
        int status;
        if (waitpid(fresh, &status, 0) != fresh || !WIFEXITED(status)) die("waitpid");
        count(&tally, WEXITSTATUS(status));
    }
    return tally;
}

int main(int argc, char **argv) {
    if (argc == 2 && strcmp(argv[1], "list") == 0) return list_calls();
    if (argc != 4) die("usage: hangs CALL FORKS MAX_HANGS | hangs list");
    const struct call *call = find_call(argv[1]);
    set_up(call);
    call_fn *child = call->child != NULL ? call->child : call->hammer;
    struct storm parts = {atoi(argv[2]), atoi(argv[3]), 2, call->hammer, child, NULL};
    return report(strcmp(call->family, COLD) == 0 ? cold_storm(parts) : storm(parts));
}
