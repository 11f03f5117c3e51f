// forks.c: how long fork takes beside other threads.
//
//   forks idle THREADS MB COUNT    the others made a hooked call and used a lock once and sleep, and the
//                                  program has written to MB megabytes of memory
//   forks busy CALL COUNT          two others make CALL all the time
//
// Prints a line for each fork: the nanoseconds that fork took in the parent, and those until the
// child was waited for. The child does nothing but end, so that it cannot hang bare.
#include "timing.h"

#include <sys/mman.h>

enum { WARM_UP = 5, HAMMERS = 2, IDLE_STACK = 65536 };

static atomic_int idle;

static void *sleep_for_ever(void *unused) {
    call_localtime_r();
    use_mutex();
    atomic_fetch_add(&idle, 1);
    for (;;) pause();
    return unused;
}

static void start_idle_threads(int count) {
    pthread_attr_t attributes;
    pthread_attr_init(&attributes);
    pthread_attr_setstacksize(&attributes, IDLE_STACK);
    for (int i = 0; i < count; i++) {
        pthread_t thread;
        errno = pthread_create(&thread, &attributes, sleep_for_ever, NULL);
        if (errno != 0) die("pthread_create");
    }
    while (atomic_load(&idle) < count) sched_yield();
}

// Small pages, as the heap of a program that grew bit by bit: fork copies a table of them.
static void use_memory(size_t megabytes) {
    size_t size = megabytes << 20;
    if (size == 0) return;
    void *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED) die("mmap");
    madvise(memory, size, MADV_NOHUGEPAGE);
    memset(memory, 1, size);
}

static void measure_fork(bool print) {
    uint64_t begin = now_ns();
    pid_t child = fork();
    if (child == 0) _exit(0);
    uint64_t forked = now_ns();
    if (child < 0) die("fork");
    int status;
    if (waitpid(child, &status, 0) != child || status != 0) die("the child did not end well");
    uint64_t waited = now_ns();
    if (print) printf("%" PRIu64 " %" PRIu64 "\n", forked - begin, waited - begin);
}

static void measure_forks(int count) {
    for (int i = 0; i < WARM_UP; i++) measure_fork(false);
    for (int i = 0; i < count; i++) measure_fork(true);
}

int main(int argc, char **argv) {
    if (argc == 5 && strcmp(argv[1], "idle") == 0) {
        use_memory((size_t)atoi(argv[3]));
        start_idle_threads(atoi(argv[2]));
        measure_forks(atoi(argv[4]));
    } else if (argc == 4 && strcmp(argv[1], "busy") == 0) {
        struct hammering hammering;
        pthread_t hammers[HAMMERS];
        start_hammering(&hammering, hammers, HAMMERS, measured_call(argv[2]));
        measure_forks(atoi(argv[3]));
        stop_hammering(&hammering, hammers, HAMMERS);
    } else {
        die("usage: forks idle THREADS MB COUNT | forks busy CALL COUNT");
    }
    return fflush(stdout) == 0 ? 0 : 1;
}
