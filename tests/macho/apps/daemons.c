// daemons.c: processes whose threads ask for the time call daemon(), which forks inside libc.
//
//   daemons COUNT MAX_HANGS
//   daemons one              one such process; writes a byte to stdout if its daemon is well
#include <mach-o/dyld.h>
#include <poll.h>
#include <spawn.h>

#include "storm.h"

extern char **environ;

static atomic_int running;

static void ask(void) {
    time_t now = 1000000000;
    struct tm to;
    localtime_r(&now, &to);
}

static void *hammer(void *unused) {
    ask();
    atomic_fetch_add(&running, 1);
    for (;;) ask();
    return unused;
}

static int become_daemon(void) {
    pthread_t thread;
    for (int i = 0; i < HAMMERS; i++)
        if (pthread_create(&thread, NULL, hammer, NULL) != 0) fail("pthread_create");
    while (atomic_load(&running) < HAMMERS) sched_yield();
    if (daemon(1, 1) != 0) fail("daemon");
    ask();
    if (write(1, "x", 1) != 1) fail("write");
    _exit(0);
}

// The daemon, no child of ours, tells that it is well, or ends without a word.
static bool is_well(void) {
    static char path[4096];
    uint32_t size = sizeof path;
    char *argv[] = {path, "one", NULL}, byte;
    int fds[2];
    pid_t pid;
    posix_spawn_file_actions_t actions;
    if (_NSGetExecutablePath(path, &size) != 0 || pipe(fds) != 0) fail("pipe");
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, fds[1], 1);
    posix_spawn_file_actions_addclose(&actions, fds[1]);
    posix_spawn_file_actions_addclose(&actions, fds[0]);
    if ((errno = posix_spawn(&pid, path, &actions, NULL, argv, environ)) != 0) fail("posix_spawn");
    posix_spawn_file_actions_destroy(&actions);
    close(fds[1]);
    struct pollfd end = {.fd = fds[0], .events = POLLIN};
    bool well = poll(&end, 1, DEADLINE_S * 1000) == 1 && read(fds[0], &byte, 1) == 1;
    close(fds[0]);
    waitpid(pid, NULL, 0);
    return well;
}

int main(int argc, char **argv) {
    if (argc == 2) return become_daemon();
    if (argc != 3) return 99;
    struct tally tally = {0};
    while (tally.forks < atoi(argv[1]) && tally.hangs < atoi(argv[2])) {
        tally.forks++;
        tally.hangs += !is_well();
    }
    return report(tally);
}
