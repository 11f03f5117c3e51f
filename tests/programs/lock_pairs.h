// lock_pairs.h: one use of each kind of lock of a program, by name: what `tests/instructions` counts and
// the benches time.
#ifndef LOCK_PAIRS_H
#define LOCK_PAIRS_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <pthread.h>
#include <semaphore.h>
#include <stddef.h>
#include <string.h>
#include <threads.h>

static pthread_mutex_t normal = PTHREAD_MUTEX_INITIALIZER;
static pthread_mutex_t outer = PTHREAD_MUTEX_INITIALIZER;
static pthread_mutex_t recursive = PTHREAD_RECURSIVE_MUTEX_INITIALIZER_NP;
static pthread_mutex_t errorcheck = PTHREAD_ERRORCHECK_MUTEX_INITIALIZER_NP;
static pthread_mutex_t adaptive = PTHREAD_ADAPTIVE_MUTEX_INITIALIZER_NP;
static pthread_mutex_t inheriting, shared;
static pthread_rwlock_t rwlock = PTHREAD_RWLOCK_INITIALIZER;
static pthread_spinlock_t spinlock;
static pthread_cond_t cond = PTHREAD_COND_INITIALIZER;
static pthread_once_t once = PTHREAD_ONCE_INIT;
static sem_t binary, counting;
static mtx_t c11;

static void use(pthread_mutex_t *mutex) {
    pthread_mutex_lock(mutex);
    pthread_mutex_unlock(mutex);
}

static void use_mutex(void) { use(&normal); }
static void use_recursive(void) { use(&recursive); }
// Twice at a time.
static void use_again(void) {
    pthread_mutex_lock(&recursive);
    use(&recursive);
    pthread_mutex_unlock(&recursive);
}
static void use_errorcheck(void) { use(&errorcheck); }
static void use_adaptive(void) { use(&adaptive); }
static void use_inheriting(void) { use(&inheriting); }
static void use_shared(void) { use(&shared); }
static void use_c11(void) {
    mtx_lock(&c11);
    mtx_unlock(&c11);
}
static void use_trylock(void) {
    pthread_mutex_trylock(&normal);
    pthread_mutex_unlock(&normal);
}
// Taken and given back in the same order, as with lock coupling.
static void use_crosswise(void) {
    pthread_mutex_lock(&outer);
    pthread_mutex_lock(&normal);
    pthread_mutex_unlock(&outer);
    pthread_mutex_unlock(&normal);
}
static void use_read(void) {
    pthread_rwlock_rdlock(&rwlock);
    pthread_rwlock_unlock(&rwlock);
}
static void use_write(void) {
    pthread_rwlock_wrlock(&rwlock);
    pthread_rwlock_unlock(&rwlock);
}
static void use_spin(void) {
    pthread_spin_lock(&spinlock);
    pthread_spin_unlock(&spinlock);
}
static void use_binary(void) {
    sem_wait(&binary);
    sem_post(&binary);
}
static void use_counting(void) {
    sem_wait(&counting);
    sem_post(&counting);
}
// What a producer does. It is the consumer's wait that costs more, and that sleeps.
static void use_signal(void) {
    pthread_mutex_lock(&normal);
    pthread_cond_signal(&cond);
    pthread_mutex_unlock(&normal);
}
// A wait whose time has passed: gives the mutex back and takes it again, and does not sleep.
static void use_wait(void) {
    static const struct timespec past = {0};
    pthread_mutex_lock(&normal);
    pthread_cond_timedwait(&cond, &normal, &past);
    pthread_mutex_unlock(&normal);
}
static void do_nothing(void) {}
static void use_once(void) { pthread_once(&once, do_nothing); }

static const struct pair {
    const char *name;
    void (*use)(void);
} pairs[] = {
    {"mutex", use_mutex},           {"trylock", use_trylock},     {"recursive", use_recursive},
    {"again", use_again},           {"errorcheck", use_errorcheck}, {"adaptive", use_adaptive},
    {"inheriting", use_inheriting}, {"shared", use_shared},       {"c11", use_c11},
    {"crosswise", use_crosswise},   {"read", use_read},           {"write", use_write},
    {"spin", use_spin},             {"binary", use_binary},       {"counting", use_counting},
    {"signal", use_signal},         {"wait", use_wait},           {"once", use_once},
};

// All that is not initialised by being there.
static void make_locks(void) {
    pthread_mutexattr_t attributes;
    pthread_mutexattr_init(&attributes);
    pthread_mutexattr_setprotocol(&attributes, PTHREAD_PRIO_INHERIT);
    pthread_mutex_init(&inheriting, &attributes);
    pthread_mutexattr_setprotocol(&attributes, PTHREAD_PRIO_NONE);
    pthread_mutexattr_setpshared(&attributes, PTHREAD_PROCESS_SHARED);
    pthread_mutex_init(&shared, &attributes);
    pthread_spin_init(&spinlock, PTHREAD_PROCESS_PRIVATE);
    mtx_init(&c11, mtx_plain);
    sem_init(&binary, 0, 1);
    sem_init(&counting, 0, 2);
}

// NULL if there is none.
static inline const struct pair *find_pair(const char *name) {
    for (size_t i = 0; i < sizeof pairs / sizeof pairs[0]; i++)
        if (strcmp(pairs[i].name, name) == 0) return &pairs[i];
    return NULL;
}

#endif
