// A child that hangs, for one reason: a thread called "keeper" is at `keep` when the main thread forks, and the
// child calls `need`. The parent ends when its child does.

#ifndef KEEPER_H
#define KEEPER_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#ifdef __cplusplus
extern "C" {
#endif

// Takes the lock, calls `kept`, and never comes back.
void keep(void);
// Takes it too.
void need(void);

static int pipe_kept[2], pipe_started[2];

// Says that the lock is taken, and keeps it for ever.
static inline void kept(void) {
    if (write(pipe_kept[1], "k", 1) != 1) abort();
    for (;;) pause();
}

static void *keeper(void *unused) {
    pid_t self = gettid();
    (void)unused;
    if (write(pipe_started[1], &self, sizeof self) != sizeof self) abort();
    keep();
    return NULL;
}

static int fork_and_wait(void) {
    pid_t child = fork(); // FORK
    if (child == 0) {
        need();
        _exit(0);
    }
    int status = 0;
    if (waitpid(child, &status, 0) != child) return 2;
    return 0;
}

// Starts the thread; returns its id, or 0.
static inline pid_t start_keeper(void) {
    pthread_t thread;
    pid_t tid;
    if (pipe(pipe_kept) || pipe(pipe_started) || pthread_create(&thread, NULL, keeper, NULL)) return 0;
    if (pthread_setname_np(thread, "keeper")) return 0;
    return read(pipe_started[0], &tid, sizeof tid) == sizeof tid ? tid : 0;
}

// Until the thread sleeps in a system call: nobody can tell where one that runs is.
static inline void until_asleep(pid_t tid) {
    char path[64], state = 0;
    snprintf(path, sizeof path, "/proc/self/task/%d/syscall", tid);
    while (state < '0' || state > '9') {
        int file = open(path, O_RDONLY);
        if (read(file, &state, 1) != 1) abort();
        close(file);
    }
}

static inline int run_keeper(void) {
    char byte;
    pid_t tid = start_keeper();
    if (tid == 0 || read(pipe_kept[0], &byte, 1) != 1) return 2;
    until_asleep(tid);
    return fork_and_wait();
}

#ifdef __cplusplus
}
#endif

#endif
