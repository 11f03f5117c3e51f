// race.c: a thread uses libnotify or XPC for the first time while another one forks; after
// go.dev/issue/56784.
//
//   race notify|xpc TRIALS MAX_LOST     0: never stop
//
// Each trial is a process of its own that has run nothing but initialisers, as if just started.
#include <dlfcn.h>

#include "storm.h"

extern int notify_is_valid_token(int);
extern unsigned notify_register_check(const char *, int *);
extern void *xpc_dictionary_create(const void *, const void *, size_t);

static atomic_bool started;
static bool uses_xpc;

static void *first_use(void *unused) {
    int token;
    atomic_store(&started, true);
    if (uses_xpc) xpc_dictionary_create(NULL, NULL, 0);
    else notify_register_check("com.apple.system.timezone", &token);
    return unused;
}

// The status of a process in which a child was lost.
enum { LOST_BY_HANG = 1, LOST_BY_CRASH = 2 };

static int trial(int delay) {
    struct tally tally = {0};
    pthread_t thread;
    if (pthread_create(&thread, NULL, first_use, NULL) != 0) fail("pthread_create");
    while (!atomic_load(&started)) continue;
    for (volatile int i = 0; i < delay; i++) continue;
    pid_t child = fork();
    if (child == 0) _exit(0);
    watch(&tally, child);
    pthread_join(thread, NULL);
    return tally.hangs ? LOST_BY_HANG : tally.crashes ? LOST_BY_CRASH : 0;
}

static int lost(struct tally tally) {
    return tally.hangs + tally.crashes;
}

int main(int argc, char **argv) {
    if (argc != 4) return 99;
    uses_xpc = strcmp(argv[1], "xpc") == 0;
    pid_t (*snapshot)(void) = (pid_t(*)(void))dlsym(RTLD_DEFAULT, "macho_run_snapshot");
    if (snapshot == NULL) fail("macho_run_snapshot");
    struct tally tally = {0};
    int trials = atoi(argv[2]), max_lost = atoi(argv[3]);
    for (int i = 0; i < trials && (max_lost == 0 || lost(tally) < max_lost); i++) {
        int status;
        pid_t process = snapshot();
        if (process < 0) fail("snapshot");
        if (process == 0) _exit(trial(i % 100 * 10));
        if (waitpid(process, &status, 0) != process) fail("waitpid");
        if (!WIFEXITED(status) || WEXITSTATUS(status) > LOST_BY_CRASH) fail("the trial itself");
        tally.forks++;
        tally.hangs += WEXITSTATUS(status) == LOST_BY_HANG;
        tally.crashes += WEXITSTATUS(status) == LOST_BY_CRASH;
    }
    return report(tally);
}
