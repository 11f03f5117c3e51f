// locks.h: what the programs share that take locks of their own while they fork.
#ifndef LOCKS_H
#define LOCKS_H

#include "storm.h"

// A call that returns an error number, and must not.
#define must(call)                                                                                 \
    do {                                                                                           \
        errno = (call);                                                                            \
        if (errno != 0) die("%s", #call);                                                          \
    } while (0)

// A call that must return this error number.
#define must_fail(call, error)                                                                     \
    do {                                                                                           \
        int result = (call);                                                                       \
        if (result != (error)) die("%s returns %d instead of %s", #call, result, #error);          \
    } while (0)

// What a lock guards: two numbers that are the same whenever it is free.
static volatile unsigned long left, right;

static inline void change(void) {
    left++;
    for (volatile int i = 0; i < 50; i++) continue;
    right++;
}

static inline void check(void) {
    if (left != right) die("torn: %lu %lu", left, right);
}

// Waits so that storm.h sees that it is for ever.
__attribute__((noreturn)) static inline void hang(void) {
    int word = 0;
    for (;;) syscall(SYS_futex, &word, 128 | 0 /* FUTEX_WAIT_PRIVATE */, 0, NULL, NULL, 0);
}

// An absolute time that no test lasts until.
static inline const struct timespec *in_an_hour(clockid_t clock) {
    static _Thread_local struct timespec time;
    clock_gettime(clock, &time);
    time.tv_sec += 3600;
    return &time;
}

static inline void init_mutex(pthread_mutex_t *mutex, int type, int protocol) {
    pthread_mutexattr_t attributes;
    must(pthread_mutexattr_init(&attributes));
    must(pthread_mutexattr_settype(&attributes, type));
    must(pthread_mutexattr_setprotocol(&attributes, protocol));
    must(pthread_mutex_init(mutex, &attributes));
    must(pthread_mutexattr_destroy(&attributes));
}

// A flag that threads wait for without a lock.
static inline void await(atomic_bool *flag) {
    while (!atomic_load(flag)) sched_yield();
}

#endif
