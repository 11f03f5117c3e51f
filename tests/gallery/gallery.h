// gallery.h: what the programs in C and C++ share: forks while other threads are at work.
#include "../programs/storm.h"

typedef bool check_fn(void);

enum { WRONG = 3, HAMMERS = 3 };

// Each child calls `child`, which returns whether all is well; `hammers` threads call `hammer` all the time.
static inline int play(char **argv, const char *version, check_fn *child, call_fn *hammer, int hammers) {
    struct tally tally = {0};
    struct hammering hammering;
    pthread_t threads[MAX_HAMMERS];
    int forks = atoi(argv[1]), most = atoi(argv[2]), wrong = 0;
    printf("version: %s\n", version);
    fflush(stdout);
    start_hammering(&hammering, threads, hammers, hammer);
    while (tally.forks < forks && tally.hangs < most) {
        int status;
        pid_t pid = fork();
        if (pid < 0) die("fork");
        if (pid == 0) _exit(child() ? 0 : WRONG);
        if (!ends_in_time(pid, &status))
            count(&tally, HUNG);
        else if (status == W_EXITCODE(WRONG, 0))
            wrong++, count(&tally, FINISHED);
        else
            count(&tally, status == 0 ? FINISHED : CRASHED);
    }
    stop_hammering(&hammering, threads, hammers);
    printf("forks=%d hangs=%d crashes=%d wrong=%d\n", tally.forks, tally.hangs, tally.crashes, wrong);
    return 0;
}
