// storm.h: fork many times while other threads hammer a function, and count
// what becomes of the children.
//
// Shown with it: a child that calls the hammered function waits for ever, because
// the thread that held the lock does not exist in the child. Such a hang is proved
// and not guessed: every thread of the child sits in futex() without a time-out, at two
// looks in the same place, so that nobody is left who could wake one. (There is one thread,
// and under an emulator one more of its own.) A child that is merely slow gets ten seconds.
#ifndef STORM_H
#define STORM_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
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

#ifndef DEADLINE_MS
#define DEADLINE_MS 10000
#endif
enum { LOOK_EVERY_MS = 100, MAX_HAMMERS = 16 };

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

// _Fork, which came with glibc 2.34.
static inline pid_t fork_without_handlers(void) {
    pid_t (*found)(void) = (pid_t(*)(void))dlsym(RTLD_DEFAULT, "_Fork");
    if (found == NULL) die("this libc has no _Fork");
    return found();
}

static inline void start_thread(pthread_t *thread, void *(*body)(void *), void *argument) {
    errno = pthread_create(thread, NULL, body, argument);
    if (errno != 0) die("pthread_create");
}

// The first bytes of a file, for async-signal-safe use.
static inline ssize_t read_file(const char *path, char *into, size_t size) {
    int fd = syscall(SYS_openat, AT_FDCWD, path, O_RDONLY);
    if (fd < 0) return -1;
    ssize_t got = syscall(SYS_read, fd, into, size - 1);
    syscall(SYS_close, fd);
    into[got > 0 ? got : 0] = '\0';
    return got;
}

static inline ssize_t read_proc(pid_t pid, const char *name, char *into, size_t size) {
    char path[256];
    snprintf(path, sizeof path, "/proc/%d/%.200s", pid, name);
    return read_file(path, into, size);
}

// How /proc/PID/syscall begins for a thread in futex(). Under an emulator that is the number of the
// machine it runs on, which is told by the number of our own read().
static inline const char *futex_in_proc(void) {
    char own[256];
    if (read_file("/proc/thread-self/syscall", own, sizeof own) <= 0) die("no /proc");
    return strncmp(own, "0 ", 2) == 0 ? "202 " : "98 "; // x86-64, arm64
}

// True if the thread whose system call `line` describes waits in futex() without a time-out, which is
// the fourth argument, or in x86-64's pause(), where musl's exit() waits for the end of the process.
static inline bool waits_for_ever(const char *line, const char *futex) {
    char timeout[32] = "";
    if (strcmp(futex, "202 ") == 0 && strncmp(line, "34 ", 3) == 0) return true;
    return strncmp(line, futex, strlen(futex)) == 0 &&
           sscanf(line, "%*s %*s %*s %*s %31s", timeout) == 1 && strcmp(timeout, "0x0") == 0;
}

// Puts the system calls of all threads of `pid` into `calls`; nothing unless each waits for ever.
static inline void endless_waits(pid_t pid, char *calls, size_t size) {
    char entries[1024], path[128];
    size_t used = calls[0] = '\0';
    snprintf(path, sizeof path, "/proc/%d/task", pid);
    const char *futex = futex_in_proc();
    int fd = syscall(SYS_openat, AT_FDCWD, path, O_RDONLY | O_DIRECTORY);
    ssize_t got = fd < 0 ? 0 : syscall(SYS_getdents64, fd, entries, sizeof entries);
    if (fd >= 0) syscall(SYS_close, fd);
    for (ssize_t at = 0; at < got;) {
        const struct dirent64 *entry = (const struct dirent64 *)&entries[at];
        at += entry->d_reclen;
        if (entry->d_name[0] == '.') continue;
        snprintf(path, sizeof path, "task/%.20s/syscall", entry->d_name);
        ssize_t length = read_proc(pid, path, &calls[used], size - used);
        if (length <= 0 || !waits_for_ever(&calls[used], futex)) {
            calls[0] = '\0';
            return;
        }
        used += length;
    }
}

static inline long now_ms(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

// Waits for a child of ours and tells how it ended. False if it hung and was killed.
static inline bool ends_in_time(pid_t child, int *status) {
    bool hung = false;
    char before[1024] = "", now[1024];
    int fd = syscall(SYS_pidfd_open, child, 0);
    if (fd < 0) die("pidfd_open");
    struct pollfd end = {.fd = fd, .events = POLLIN};
    long start = now_ms(), looked = start;
    // Signals may end any of these waits early.
    while (!hung && poll(&end, 1, LOOK_EVERY_MS) != 1) {
        if (now_ms() - looked < LOOK_EVERY_MS) continue;
        looked = now_ms();
        endless_waits(child, now, sizeof now);
        hung = looked - start >= DEADLINE_MS || (now[0] != '\0' && strcmp(before, now) == 0);
        strcpy(before, now);
    }
    close(fd);
    if (hung) kill(child, SIGKILL);
    while (waitpid(child, status, 0) < 0)
        if (errno != EINTR) die("waitpid");
    return !hung;
}

// The same for a child that must exit with 0.
static inline enum verdict watch(pid_t child) {
    int status;
    if (!ends_in_time(child, &status)) return HUNG;
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
