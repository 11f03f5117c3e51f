// lock_random.c: many threads make calls of locks by chance, the same ones for the same seed.
//
//   lock_random SEED THREADS STEPS FORKS
//
// Each thread has locks of its own, which it treats as badly as is defined: what they answer depends on the seed
// alone, and a hash of it is printed. And it adds to counters, each behind a lock that all threads share: their
// sums depend on the seed alone too, if the locks exclude. The main thread forks meanwhile.
#define _GNU_SOURCE
#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <threads.h>
#include <time.h>
#include <unistd.h>

enum { MUTEXES = 4, DEADLINE_S = 100 };

static const struct timespec PAST = {.tv_sec = 1};

// What threads share.
static pthread_mutex_t mutexes[MUTEXES] = {PTHREAD_MUTEX_INITIALIZER, PTHREAD_RECURSIVE_MUTEX_INITIALIZER_NP,
                                           PTHREAD_ERRORCHECK_MUTEX_INITIALIZER_NP,
                                           PTHREAD_ADAPTIVE_MUTEX_INITIALIZER_NP};
static pthread_rwlock_t rwlock = PTHREAD_RWLOCK_INITIALIZER;
static pthread_spinlock_t spinlock;
static mtx_t c11;
static sem_t binary;
static uint64_t sums[MUTEXES + 4];

// What a thread has for itself.
struct thread {
    pthread_t id;
    uint64_t state, hash;
    int steps;
    bool failed;
    pthread_mutex_t recursive, errorcheck;
    pthread_rwlock_t rwlock;
    pthread_spinlock_t spinlock;
    pthread_cond_t cond;
    sem_t binary, counting;
    int depth, readers;
    bool writes, spins;
};

// xorshift64*: the same numbers everywhere.
static uint64_t chance(struct thread *me, uint64_t below) {
    me->state ^= me->state >> 12;
    me->state ^= me->state << 25;
    me->state ^= me->state >> 27;
    return (me->state * UINT64_C(2685821657736338717) >> 32) % below;
}

static void note(struct thread *me, int result) {
    // FNV-1a.
    me->hash = (me->hash ^ (uint64_t)(unsigned)result) * UINT64_C(1099511628211);
}

static int sem(int result) {
    return result == 0 ? 0 : errno;
}

// One call of a lock of its own, wherever its answer is defined.
static void treat_own(struct thread *me) {
    int result = -1;
    bool rwlock_free = me->readers == 0 && !me->writes;
    switch (chance(me, 24)) {
    case 0: result = pthread_mutex_lock(&me->errorcheck); break;
    case 1: result = pthread_mutex_trylock(&me->errorcheck); break;
    case 2: result = pthread_mutex_timedlock(&me->errorcheck, &PAST); break;
    case 3: case 4: result = pthread_mutex_unlock(&me->errorcheck); break;
    case 5: result = pthread_mutex_lock(&me->recursive); break;
    case 6: result = pthread_mutex_trylock(&me->recursive); break;
    case 7: case 8: case 9: result = pthread_mutex_unlock(&me->recursive); break;
    case 10: if (!me->writes) me->readers += (result = pthread_rwlock_rdlock(&me->rwlock)) == 0; break;
    case 11: me->readers += (result = pthread_rwlock_tryrdlock(&me->rwlock)) == 0; break;
    case 12: me->writes |= (result = pthread_rwlock_trywrlock(&me->rwlock)) == 0; break;
    case 13: me->writes |= (result = pthread_rwlock_timedwrlock(&me->rwlock, &PAST)) == 0; break;
    case 14: case 15:
        if (rwlock_free) break;
        result = pthread_rwlock_unlock(&me->rwlock);
        if (me->writes) me->writes = false;
        else me->readers--;
        break;
    case 16: me->spins |= (result = pthread_spin_trylock(&me->spinlock)) == 0; break;
    case 17: if (me->spins) me->spins = (result = pthread_spin_unlock(&me->spinlock)) != 0; break;
    case 18: result = sem(sem_trywait(&me->binary)); break;
    case 19: result = sem(sem_post(&me->binary)); break;
    case 20: result = sem(sem_timedwait(&me->counting, &PAST)); break;
    case 21: result = sem(sem_post(&me->counting)); break;
    case 22: result = pthread_cond_timedwait(&me->cond, &me->errorcheck, &PAST); break;
    case 23: result = pthread_cond_broadcast(&me->cond); break;
    }
    note(me, result);
}

// Adds to a counter under its lock, perhaps while the locks before are held too.
static void add(struct thread *me) {
    uint64_t what = chance(me, 8), amount = chance(me, 1000);
    uint64_t first = what < MUTEXES ? chance(me, what + 1) : 0;
    int failures = 0;
    switch (what) {
    default:
        for (uint64_t i = first; i <= what; i++) failures += pthread_mutex_lock(&mutexes[i]) != 0;
        sums[what] += amount;
        // In the order in which they were taken, or the other way round.
        for (uint64_t i = 0, count = what - first; i <= count; i++)
            failures += pthread_mutex_unlock(&mutexes[amount % 2 ? what - i : first + i]) != 0;
        break;
    case MUTEXES:
        failures += pthread_rwlock_rdlock(&rwlock) != 0 || pthread_rwlock_unlock(&rwlock) != 0;
        failures += pthread_rwlock_wrlock(&rwlock) != 0;
        sums[what] += amount;
        failures += pthread_rwlock_unlock(&rwlock) != 0;
        break;
    case MUTEXES + 1:
        failures += pthread_spin_lock(&spinlock) != 0;
        sums[what] += amount;
        failures += pthread_spin_unlock(&spinlock) != 0;
        break;
    case MUTEXES + 2:
        failures += mtx_lock(&c11) != thrd_success;
        sums[what] += amount;
        failures += mtx_unlock(&c11) != thrd_success;
        break;
    case MUTEXES + 3:
        failures += sem_wait(&binary) != 0;
        sums[what] += amount;
        failures += sem_post(&binary) != 0;
        break;
    }
    me->failed |= failures > 0;
}

static void *live(void *argument) {
    struct thread *me = argument;
    for (int i = 0; i < me->steps; i++) {
        if (chance(me, 4) == 0) add(me);
        else treat_own(me);
    }
    return NULL;
}

static void make(struct thread *thread, uint64_t seed, int steps) {
    *thread = (struct thread){.state = seed, .hash = UINT64_C(14695981039346656037), .steps = steps};
    pthread_mutexattr_t attributes;
    pthread_mutexattr_init(&attributes);
    pthread_mutexattr_settype(&attributes, PTHREAD_MUTEX_RECURSIVE);
    pthread_mutex_init(&thread->recursive, &attributes);
    pthread_mutexattr_settype(&attributes, PTHREAD_MUTEX_ERRORCHECK);
    pthread_mutex_init(&thread->errorcheck, &attributes);
    pthread_rwlock_init(&thread->rwlock, NULL);
    pthread_spin_init(&thread->spinlock, PTHREAD_PROCESS_PRIVATE);
    pthread_cond_init(&thread->cond, NULL);
    sem_init(&thread->binary, 0, 1);
    sem_init(&thread->counting, 0, 3);
}

int main(int argc, char **argv) {
    if (argc != 5) return 2;
    uint64_t seed = strtoull(argv[1], NULL, 10);
    int count = atoi(argv[2]), steps = atoi(argv[3]), forks = atoi(argv[4]);
    alarm(DEADLINE_S);
    pthread_spin_init(&spinlock, PTHREAD_PROCESS_PRIVATE);
    mtx_init(&c11, mtx_plain);
    sem_init(&binary, 0, 1);
    struct thread *threads = calloc((size_t)count, sizeof *threads);
    for (int i = 0; i < count; i++) {
        // No two alike, and none zero, where the generator would stay.
        make(&threads[i], (seed + (uint64_t)i) * UINT64_C(0x9e3779b97f4a7c15) | 1, steps);
        if (pthread_create(&threads[i].id, NULL, live, &threads[i]) != 0) return 1;
    }
    for (int i = 0; i < forks; i++) {
        pid_t child = fork();
        if (child == 0) _exit(0);
        int status;
        if (child < 0 || waitpid(child, &status, 0) != child || status != 0) return 1;
    }
    for (int i = 0; i < count; i++) {
        pthread_join(threads[i].id, NULL);
        printf("thread %d: %016" PRIx64 "%s\n", i, threads[i].hash, threads[i].failed ? ", a lock failed" : "");
    }
    for (int i = 0; i < MUTEXES + 4; i++) printf("sum %d: %" PRIu64 "\n", i, sums[i]);
    return 0;
}
