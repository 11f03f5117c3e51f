// race.c: on a Mac, a thread uses libnotify or XPC for the first time while another one forks; after
// go.dev/issue/56784. `tests/macho/apps/race.c` is the same for the loader.
//
//   race notify|xpc TRIALS     the last line is "trials=N lost=N"
//
// Each trial is a process of its own, since the first use comes once in each. Its status tells whether
// its child was lost: killed by a signal, or still there after ten seconds.
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <spawn.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;
extern unsigned notify_register_check(const char *name, int *token);
extern void *xpc_dictionary_create(const void *keys, const void *values, size_t count);

enum { KEPT, LOST, DEADLINE_MS = 10000 };

static void fail(const char *what, int error) {
    fprintf(stderr, "race: %s: %s\n", what, strerror(error));
    exit(99);
}

static atomic_bool started;

static void *first_use(void *kind) {
    int token;
    atomic_store(&started, true);
    if (strcmp(kind, "xpc") == 0)
        xpc_dictionary_create(NULL, NULL, 0);
    else
        notify_register_check("com.apple.system.timezone", &token);
    return NULL;
}

static int lost(pid_t child) {
    int status, waited = 0;
    while (waitpid(child, &status, WNOHANG) == 0) {
        if (waited++ == DEADLINE_MS) kill(child, SIGKILL);
        poll(NULL, 0, 1);
    }
    return WIFEXITED(status) && WEXITSTATUS(status) == 0 ? KEPT : LOST;
}

static int trial(char *kind, int delay) {
    pthread_t thread;
    int error = pthread_create(&thread, NULL, first_use, kind);
    if (error != 0) fail("pthread_create", error);
    while (!atomic_load(&started)) continue;
    for (volatile int i = 0; i < delay; i++) continue;
    pid_t child = fork();
    if (child < 0) fail("fork", errno);
    if (child == 0) _exit(0);
    // The thread is not waited for: it may wait for an answer of another process.
    return lost(child);
}

int main(int argc, char **argv) {
    if (argc == 4 && strcmp(argv[3], "trial") == 0) _exit(trial(argv[1], atoi(argv[2])));
    if (argc != 3) fail("usage: race notify|xpc TRIALS", EINVAL);
    int trials = atoi(argv[2]), lost_children = 0;
    for (int i = 0; i < trials; i++) {
        // From no delay at all to some 10 µs.
        char delay[16];
        snprintf(delay, sizeof delay, "%d", i % 100 * 100);
        char *arguments[] = {argv[0], argv[1], delay, "trial", NULL};
        pid_t process;
        int status, error = posix_spawn(&process, argv[0], NULL, NULL, arguments, environ);
        if (error != 0) fail("posix_spawn", error);
        while (waitpid(process, &status, 0) < 0)
            if (errno != EINTR) fail("waitpid", errno);
        if (!WIFEXITED(status) || WEXITSTATUS(status) > LOST) fail("a trial ended", ECHILD);
        lost_children += WEXITSTATUS(status);
    }
    printf("trials=%d lost=%d\n", trials, lost_children);
    return 0;
}
