// openmp.c: forks of a program whose thread has a pool of OpenMP's.
//
//   openmp MODE FORKS MAX_HANGS
//
//   forks            parent and children run a parallel region each, and get the same number
//   threads          the same in four threads at once, each of which has a pool of its own
//   newcomers        the same while other threads come, make their pools, and go
//   descendants      each child forks again
//   settings         what the thread has set is set in the children, too
//   threadprivate    the parent's threads keep their variables
//   inside           forks within a parallel region; the child does not use OpenMP
//
// All but the last two hang bare.
#include "storm.h"

#include <omp.h>

enum { COUNT = 1000 };

static double expected;
static int own;
#pragma omp threadprivate(own)

static double compute(void) {
    double sum = 0;
#pragma omp parallel for reduction(+ : sum)
    for (int i = 0; i < COUNT; i++) sum += 1.0 / (1 + i * (double)i);
    return sum;
}

static bool is_close(double number) { return number - expected < 1e-9 && expected - number < 1e-9; }

static void compute_same(void) {
    if (!is_close(compute())) _exit(1);
}

static void compute_and_fork(void) {
    compute_same();
    enum verdict verdict = fork_once(NULL, compute_same);
    if (verdict == HUNG)
        for (;;) pause();
    if (verdict == CRASHED) _exit(2);
    compute_same();
}

static struct tally alternate(struct storm storm) {
    struct tally tally = {0};
    while (tally.forks < storm.forks && (storm.max_hangs == 0 || tally.hangs < storm.max_hangs)) {
        if (!is_close(compute())) die("the parent computes something else");
        count(&tally, fork_once(NULL, storm.child));
    }
    return tally;
}

// --- threads

static struct storm shared;
static struct tally total;
static pthread_mutex_t total_lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_barrier_t pools_made;

static void *alternate_in_thread(void *unused) {
    compute();
    pthread_barrier_wait(&pools_made);
    struct tally tally = alternate(shared);
    pthread_mutex_lock(&total_lock);
    total.forks += tally.forks;
    total.hangs += tally.hangs;
    total.crashes += tally.crashes;
    pthread_mutex_unlock(&total_lock);
    return NULL;
}

static struct tally alternate_in_threads(struct storm storm) {
    pthread_t threads[4];
    shared = storm;
    shared.forks /= 4;
    pthread_barrier_init(&pools_made, NULL, 4);
    for (int i = 0; i < 4; i++) start_thread(&threads[i], alternate_in_thread, NULL);
    for (int i = 0; i < 4; i++) pthread_join(threads[i], NULL);
    return total;
}

// --- newcomers

static void *compute_in_thread(void *unused) {
    compute();
    return NULL;
}

static void come_and_go(void) {
    pthread_t thread;
    start_thread(&thread, compute_in_thread, NULL);
    pthread_join(thread, NULL);
}

static struct tally alternate_beside_newcomers(struct storm storm) {
    struct hammering hammering;
    pthread_t threads[2];
    start_hammering(&hammering, threads, 2, come_and_go);
    struct tally tally = alternate(storm);
    stop_hammering(&hammering, threads, 2);
    return tally;
}

// --- settings

static void expect_settings(void) {
    omp_sched_t kind;
    int chunk, threads = 0;
    omp_get_schedule(&kind, &chunk);
    bool same = kind == omp_sched_guided && chunk == 7 && omp_get_max_threads() == 3 && omp_get_dynamic() == 0 &&
                omp_get_max_active_levels() == 2;
#pragma omp parallel
#pragma omp atomic
    threads++;
    if (!same || threads != 3) _exit(3);
    compute_same();
}

// --- threadprivate

static struct tally keep_threadprivate(struct storm storm) {
    struct tally tally = {0};
    omp_set_dynamic(0);
#pragma omp parallel num_threads(4)
    own = 1 + omp_get_thread_num();
    for (; tally.forks < storm.forks; tally.forks++) {
        pid_t child = fork();
        if (child == 0) _exit(0);
        if (child < 0 || waitpid(child, NULL, 0) != child) die("fork or waitpid");
        int kept = 0;
#pragma omp parallel num_threads(4) reduction(+ : kept)
        kept += own == 1 + omp_get_thread_num();
        if (kept != 4) tally.crashes++;
    }
    return tally;
}

// --- inside

static void nothing(void) {}

static struct tally fork_inside(struct storm storm) {
    struct tally tally = {0};
    while (tally.forks < storm.forks) {
#pragma omp parallel num_threads(2)
#pragma omp single
        count(&tally, fork_once(NULL, nothing));
        compute_same();
    }
    return tally;
}

int main(int argc, char **argv) {
    if (argc != 4) die("usage: openmp MODE FORKS MAX_HANGS");
    const char *mode = argv[1];
    struct storm storm = {.forks = atoi(argv[2]), .max_hangs = atoi(argv[3]), .child = compute_same};
    // As many as a small machine has processors would be one.
    omp_set_num_threads(4);
    expected = compute();
    if (strcmp(mode, "forks") == 0) return report(alternate(storm));
    if (strcmp(mode, "threads") == 0) return report(alternate_in_threads(storm));
    if (strcmp(mode, "newcomers") == 0) return report(alternate_beside_newcomers(storm));
    if (strcmp(mode, "threadprivate") == 0) return report(keep_threadprivate(storm));
    if (strcmp(mode, "inside") == 0) return report(fork_inside(storm));
    if (strcmp(mode, "descendants") == 0) {
        storm.child = compute_and_fork;
        return report(alternate(storm));
    }
    if (strcmp(mode, "settings") == 0) {
        omp_set_num_threads(3);
        omp_set_dynamic(0);
        omp_set_max_active_levels(2);
        omp_set_schedule(omp_sched_guided, 7);
        storm.child = expect_settings;
        return report(alternate(storm));
    }
    die("no mode %s", mode);
}
