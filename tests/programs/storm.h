// storm.h: fork many times while other threads hammer a function, and count
// what becomes of the children.
//
// Shown with it: a child that calls the hammered function waits for ever, because
// the thread that held the lock does not exist in the child. Such a hang is proved
// and not guessed: the child has one thread, and that thread sits in futex(); only
// another thread could wake it. A child that is merely slow gets ten seconds.
#ifndef STORM_H
#define STORM_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <sched.h>
#include <stdarg.h>
#ifdef __cplusplus
#include <atomic>
using namespace std; // Under <stdatomic.h>'s names, which C++ has only since 2023.
#else
#include <stdatomic.h>
#endif
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { LOOK_EVERY_MS = 100, DEADLINE_MS = 10000, MAX_HAMMERS = 16 };

typedef void call_fn(void);

enum verdict { FINISHED, HUNG, CRASHED };

struct tally {
    int forks, hangs, crashes;
};

struct storm {
    int forks;          // how many children
    int max_hangs;      // stop after that many hangs; 0: never
    int hammers;        // how many threads call `hammer` all the time
    call_fn *hammer;
    call_fn *child;     // what each child calls once
    pid_t (*fork)(void); // NULL: fork itself
};

__attribute__((noreturn, format(printf, 1, 2))) static inline void die(const char *format, ...) {
    int error = errno;
    va_list arguments;
    va_start(arguments, format);
    vdprintf(2, format, arguments);
    va_end(arguments);
    dprintf(2, " (errno %d)\n", error);
    exit(99);
}

static inline void start_thread(pthread_t *thread, void *(*body)(void *), void *argument) {
    errno = pthread_create(thread, NULL, body, argument);
    if (errno != 0) die("pthread_create");
}

// The first bytes of /proc/PID/NAME, for async-signal-safe use.
static inline ssize_t read_proc(pid_t pid, const char *name, char *into, size_t size) {
    char path[128];
    snprintf(path, sizeof path, "/proc/%d/%s", pid, name);
    int fd = syscall(SYS_open, path, 0);
    if (fd < 0) return -1;
    ssize_t got = syscall(SYS_read, fd, into, size - 1);
    syscall(SYS_close, fd);
    into[got > 0 ? got : 0] = '\0';
    return got;
}

// True if `pid` has one thread and that thread waits in futex().
static inline bool waits_for_nobody(pid_t pid) {
    char text[4096];
    if (read_proc(pid, "status", text, sizeof text) <= 0) return false;
    if (strstr(text, "\nThreads:\t1\n") == NULL) return false;
    if (read_proc(pid, "syscall", text, sizeof text) <= 0) return false;
    return strncmp(text, "202 ", 4) == 0;
}

static inline long now_ms(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

// Waits for a child of ours; a child that hangs is killed.
static inline enum verdict watch(pid_t child) {
    bool hung = false;
    int fd = syscall(SYS_pidfd_open, child, 0);
    if (fd < 0) die("pidfd_open");
    struct pollfd end = {.fd = fd, .events = POLLIN};
    long start = now_ms();
    // Signals may end any of these waits early.
    while (!hung && poll(&end, 1, LOOK_EVERY_MS) != 1) {
        long waited = now_ms() - start;
        hung = waited >= DEADLINE_MS || (waited >= LOOK_EVERY_MS && waits_for_nobody(child));
    }
    close(fd);
    if (hung) kill(child, SIGKILL);
    int status;
    while (waitpid(child, &status, 0) < 0)
        if (errno != EINTR) die("waitpid");
    if (hung) return HUNG;
    return WIFEXITED(status) && WEXITSTATUS(status) == 0 ? FINISHED : CRASHED;
}

static inline void count(struct tally *tally, enum verdict verdict) {
    tally->forks++;
    tally->hangs += verdict == HUNG;
    tally->crashes += verdict == CRASHED;
}

// Forks once; the child calls `child` and ends. Nothing is counted if fork fails: that
// is an error of the machine.
static inline enum verdict fork_once(pid_t (*how)(void), call_fn *child) {
    pid_t pid = how != NULL ? how() : fork();
    if (pid < 0) die("fork");
    if (pid == 0) {
        child();
        _exit(0);
    }
    return watch(pid);
}

struct hammering {
    call_fn *call;
    atomic_bool stop;
    atomic_int running;
};

static inline void *hammer_thread(void *argument) {
    struct hammering *hammering = (struct hammering *)argument;
    hammering->call();
    atomic_fetch_add(&hammering->running, 1);
    while (!atomic_load_explicit(&hammering->stop, memory_order_relaxed)) hammering->call();
    return NULL;
}

// Starts `count` threads that call `call` until `stop_hammering`. Returns when each has
// called it once.
static inline void start_hammering(struct hammering *hammering, pthread_t *threads, int count,
                                   call_fn *call) {
    hammering->call = call;
    atomic_init(&hammering->stop, false);
    atomic_init(&hammering->running, 0);
    for (int i = 0; i < count; i++) start_thread(&threads[i], hammer_thread, hammering);
    while (atomic_load(&hammering->running) < count) sched_yield();
}

static inline void stop_hammering(struct hammering *hammering, pthread_t *threads, int count) {
    atomic_store(&hammering->stop, true);
    for (int i = 0; i < count; i++) pthread_join(threads[i], NULL);
}

static inline struct tally storm(struct storm storm) {
    struct tally tally = {0};
    struct hammering hammering;
    pthread_t threads[MAX_HAMMERS];
    if (storm.hammers > MAX_HAMMERS) die("at most %d threads", MAX_HAMMERS);
    start_hammering(&hammering, threads, storm.hammers, storm.hammer);
    while (tally.forks < storm.forks && (storm.max_hangs == 0 || tally.hangs < storm.max_hangs))
        count(&tally, fork_once(storm.fork, storm.child));
    stop_hammering(&hammering, threads, storm.hammers);
    return tally;
}

// The last line of every program that storms.
static inline int report(struct tally tally) {
    printf("forks=%d hangs=%d crashes=%d\n", tally.forks, tally.hangs, tally.crashes);
    return fflush(stdout) == 0 ? 0 : 1;
}

#endif
