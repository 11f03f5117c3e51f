// openmp_later.c: a library that uses OpenMP is loaded, for itself, when the program has forked already.
//
//   openmp_later LIBRARY FORKS MAX_HANGS
//
// Parent and children run a parallel region each, and get the same number. Hangs bare.
#include "storm.h"

static double (*compute)(void);
static double expected;

static void compute_same(void) {
    double difference = compute() - expected;
    if (difference > 1e-9 || difference < -1e-9) _exit(1);
}

static void nothing(void) {}

static void *idle(void *unused) {
    for (;;) pause();
    return NULL;
}

int main(int argc, char **argv) {
    if (argc != 4) die("usage: openmp_later LIBRARY FORKS MAX_HANGS");
    pthread_t thread;
    start_thread(&thread, idle, NULL);
    if (fork_once(NULL, nothing) != FINISHED) die("the first child does not end");
    void *library = dlopen(argv[1], RTLD_NOW | RTLD_LOCAL);
    if (library == NULL) die("%s", dlerror());
    compute = (double (*)(void))dlsym(library, "compute");
    expected = compute();
    struct tally tally = {0};
    int forks = atoi(argv[2]), max_hangs = atoi(argv[3]);
    while (tally.forks < forks && (max_hangs == 0 || tally.hangs < max_hangs)) {
        compute_same();
        count(&tally, fork_once(NULL, compute_same));
    }
    return report(tally);
}
