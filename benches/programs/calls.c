// calls.c: how long a libc call takes.
//
//   calls CALL BATCHES SIZE THREADS
//
// Each thread makes BATCHES times SIZE calls. Printed is the median of the batches, in
// nanoseconds for a call. Several threads are pinned to a processor each, so that they meet.
#include "timing.h"

#include <alloca.h>

enum { WARM_UP = 100, PAGE = 4096, MAX_BATCHES = 1000, MAX_THREADS = 16 };

static call_fn *call;
static int batches, batch_size, together;
static atomic_int absent;
static double means[MAX_THREADS * MAX_BATCHES];

static __attribute__((noinline)) void measure_here(double *mean) {
    for (int i = 0; i < WARM_UP; i++) call();
    // Not a barrier of libc: whoever comes last would be ahead of those that it wakes up.
    atomic_fetch_sub(&absent, 1);
    while (atomic_load(&absent) > 0) sched_yield();
    for (int batch = 0; batch < batches; batch++) {
        uint64_t begin = now_ns();
        for (int i = 0; i < batch_size; i++) call();
        mean[batch] = (double)(now_ns() - begin) / batch_size;
    }
}

// Pins the calling thread to the next processor of those that the program may use.
static void take_processor(void) {
    static atomic_int taken;
    cpu_set_t all, mine;
    if (sched_getaffinity(0, sizeof all, &all) != 0) die("sched_getaffinity");
    int left = atomic_fetch_add(&taken, 1) % CPU_COUNT(&all), processor = 0;
    while (!CPU_ISSET(processor, &all) || left-- > 0) processor++;
    CPU_ZERO(&mine);
    CPU_SET(processor, &mine);
    if (sched_setaffinity(0, sizeof mine, &mine) != 0) die("sched_setaffinity");
}

// String functions take more instructions at the end of a page, and where the stack begins depends
// on the environment. So the calls are made from the middle of a page.
static void *measure(void *argument) {
    if (together > 1) take_processor();
    uintptr_t here = (uintptr_t)__builtin_frame_address(0);
    char *skipped = alloca((here + PAGE / 2) % PAGE);
    __asm__ volatile("" : : "r"(skipped) : "memory");
    measure_here(argument);
    return NULL;
}

static int compare(const void *left, const void *right) {
    double a = *(const double *)left, b = *(const double *)right;
    return (a > b) - (a < b);
}

int main(int argc, char **argv) {
    if (argc != 5) die("usage: calls CALL BATCHES SIZE THREADS");
    call = measured_call(argv[1]);
    batches = atoi(argv[2]);
    batch_size = atoi(argv[3]);
    int threads = together = atoi(argv[4]);
    if (batches < 1 || batches > MAX_BATCHES || batch_size < 1 || threads < 1 || threads > MAX_THREADS)
        die("a number is out of range");
    // What setenv costs depends on the environment, which is longer under a preload.
    clearenv();
    atomic_init(&absent, threads);
    pthread_t others[MAX_THREADS];
    // With one thread none is created, so that libc's single-threaded paths are measured too.
    for (int i = 1; i < threads; i++) start_thread(&others[i], measure, means + i * batches);
    measure(means);
    for (int i = 1; i < threads; i++) pthread_join(others[i], NULL);
    qsort(means, (size_t)(threads * batches), sizeof means[0], compare);
    printf("%.3f\n", means[threads * batches / 2]);
    return 0;
}
