// objects.c: locks of single objects, which musl's fork leaves as they are.
//
//   objects CALL FORKS MAX_HANGS    two threads make CALL all the time, each child once
//   objects list                    every CALL, one a line
#include "../storm.h"

#include <netdb.h>

static DIR *directory;
static pthread_t main_thread;

static void call_rewinddir(void) { rewinddir(directory); }

static void call_seekdir(void) { seekdir(directory, 0); }

#pragma GCC diagnostic ignored "-Wdeprecated-declarations"
static void call_readdir_r(void) {
    struct dirent entry, *found;
    readdir_r(directory, &entry, &found);
    if (found == NULL) rewinddir(directory);
}

static void call_pthread_kill(void) { pthread_kill(main_thread, 0); }

static void call_pthread_getschedparam(void) {
    struct sched_param parameters;
    int policy;
    pthread_getschedparam(main_thread, &policy, &parameters);
}

static void call_pthread_setschedprio(void) { pthread_setschedprio(main_thread, 0); }

static const struct {
    const char *name;
    call_fn *call;
} calls[] = {
    {"rewinddir", call_rewinddir},
    {"seekdir", call_seekdir},
    {"readdir_r", call_readdir_r},
    {"pthread_kill", call_pthread_kill},
    {"pthread_getschedparam", call_pthread_getschedparam},
    {"pthread_setschedprio", call_pthread_setschedprio},
};

int main(int argc, char **argv) {
    bool list = argc == 2 && strcmp(argv[1], "list") == 0;
    if (argc != 4 && !list) die("usage: objects CALL FORKS MAX_HANGS | objects list");
    main_thread = pthread_self();
    directory = opendir("/");
    for (size_t i = 0; i < sizeof calls / sizeof *calls; i++) {
        if (list) puts(calls[i].name);
        else if (strcmp(calls[i].name, argv[1]) == 0)
            return report(storm((struct storm){atoi(argv[2]), atoi(argv[3]), 2, calls[i].call, calls[i].call, NULL}));
    }
    if (!list) die("no call %s", argv[1]);
    return 0;
}
