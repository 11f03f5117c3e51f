// lock_threads.c: what locks cost several threads.
//
//   lock_threads handover BATCHES SIZE    two threads take turns, by a mutex and a condition variable; printed is
//                                         the median of the batches, in nanoseconds for a turn
//   lock_threads memory COUNT             so many threads use a lock and stay; printed are the bytes of memory that
//                                         the program has for itself then
#include "timing.h"

enum { MAX_BATCHES = 1000, STACK = 65536 };

static int turn, turns;

// Takes every second turn, until all are over.
static void take_turns(int mine) {
    pthread_mutex_lock(&normal);
    while (turn < turns) {
        if (turn % 2 == mine) {
            turn++;
            pthread_cond_signal(&cond);
        } else {
            pthread_cond_wait(&cond, &normal);
        }
    }
    pthread_mutex_unlock(&normal);
}

static void *other(void *unused) {
    take_turns(1);
    return unused;
}

static int compare(const void *left, const void *right) {
    double a = *(const double *)left, b = *(const double *)right;
    return (a > b) - (a < b);
}

static void hand_over(int batches, int size) {
    static double means[MAX_BATCHES];
    if (batches < 1 || batches > MAX_BATCHES) die("a number is out of range");
    for (int batch = 0; batch < batches; batch++) {
        turn = 0;
        turns = size;
        pthread_t thread;
        uint64_t begin = now_ns();
        start_thread(&thread, other, NULL);
        take_turns(0);
        pthread_join(thread, NULL);
        means[batch] = (double)(now_ns() - begin) / size;
    }
    qsort(means, (size_t)batches, sizeof means[0], compare);
    printf("%.3f\n", means[batches / 2]);
}

static atomic_int idle;

static void *use_and_stay(void *unused) {
    use_recursive();
    atomic_fetch_add(&idle, 1);
    for (;;) pause();
    return unused;
}

// What /proc says of the process's memory that is private and was written to.
static long private_bytes(void) {
    FILE *file = fopen("/proc/self/smaps_rollup", "r");
    char line[256];
    long kilobytes = -1;
    while (file != NULL && kilobytes < 0 && fgets(line, sizeof line, file) != NULL)
        sscanf(line, "Private_Dirty: %ld", &kilobytes);
    if (kilobytes < 0) die("no smaps_rollup");
    fclose(file);
    return kilobytes * 1024;
}

static void stay(int count) {
    pthread_attr_t attributes;
    pthread_attr_init(&attributes);
    pthread_attr_setstacksize(&attributes, STACK);
    for (int i = 0; i < count; i++) {
        pthread_t thread;
        errno = pthread_create(&thread, &attributes, use_and_stay, NULL);
        if (errno != 0) die("pthread_create");
    }
    while (atomic_load(&idle) < count) sched_yield();
    printf("%ld\n", private_bytes());
}

int main(int argc, char **argv) {
    if (argc == 4 && strcmp(argv[1], "handover") == 0) hand_over(atoi(argv[2]), atoi(argv[3]));
    else if (argc == 3 && strcmp(argv[1], "memory") == 0) stay(atoi(argv[2]));
    else die("usage: lock_threads handover BATCHES SIZE | lock_threads memory COUNT");
    return fflush(stdout) == 0 ? 0 : 1;
}
