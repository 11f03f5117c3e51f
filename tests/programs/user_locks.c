// user_locks.c: a lock of each kind that a program may have, with any libc.
//
//   user_locks KIND FORKS MAX_HANGS   two threads take such a lock all the time, each child once
//   user_locks list                   every KIND, one a line
//
// A lock guards two counters, which a child that sees them differ ends with 1.
#include "storm.h"

#include <semaphore.h>
#include <threads.h>

static volatile int first, second;

static void count_up(void) {
    first++;
    second++;
}

// For locks that a fork waits for.
static void look_and_count(void) {
    if (first != second) _exit(1);
    count_up();
}

static pthread_mutex_t mutex;

static void make_mutex(int type) {
    pthread_mutexattr_t attributes;
    pthread_mutexattr_init(&attributes);
    pthread_mutexattr_settype(&attributes, type);
    pthread_mutex_init(&mutex, &attributes);
}

static void normal(void) { make_mutex(PTHREAD_MUTEX_NORMAL); }
static void recursive(void) { make_mutex(PTHREAD_MUTEX_RECURSIVE); }
static void errorcheck(void) { make_mutex(PTHREAD_MUTEX_ERRORCHECK); }

static void lock_mutex(void) {
    pthread_mutex_lock(&mutex);
    look_and_count();
    pthread_mutex_unlock(&mutex);
}

static void lock_twice(void) {
    pthread_mutex_lock(&mutex);
    lock_mutex();
    pthread_mutex_unlock(&mutex);
}

static mtx_t c11;

static void make_c11(void) { mtx_init(&c11, mtx_plain); }

static void lock_c11(void) {
    mtx_lock(&c11);
    look_and_count();
    mtx_unlock(&c11);
}

static pthread_rwlock_t rwlock = PTHREAD_RWLOCK_INITIALIZER;

static void write_lock(void) {
    pthread_rwlock_wrlock(&rwlock);
    look_and_count();
    pthread_rwlock_unlock(&rwlock);
}

static void read_lock(void) {
    pthread_rwlock_rdlock(&rwlock);
    pthread_rwlock_unlock(&rwlock);
}

static pthread_spinlock_t spinlock;

static void make_spinlock(void) { pthread_spin_init(&spinlock, PTHREAD_PROCESS_PRIVATE); }

static void spin(void) {
    pthread_spin_lock(&spinlock);
    look_and_count();
    pthread_spin_unlock(&spinlock);
}

// Nobody else is there who could release it. A thread that spins would have to be waited for.
static void spin_in_child(void) {
    if (pthread_spin_trylock(&spinlock) != 0) {
        sem_t never;
        sem_init(&never, 0, 0);
        sem_wait(&never);
    }
    pthread_spin_unlock(&spinlock);
    spin();
}

static sem_t semaphore;

static void make_semaphore(void) { sem_init(&semaphore, 0, 1); }

// No fork waits for a semaphore, so the counters may differ.
static void take_semaphore(void) {
    sem_wait(&semaphore);
    count_up();
    sem_post(&semaphore);
}

static pthread_cond_t cond;
static pthread_mutex_t cond_mutex = PTHREAD_MUTEX_INITIALIZER;
static int turn;

static void make_cond(void) {
    pthread_condattr_t attributes;
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&cond, &attributes);
}

// Until it is somebody else's turn; the last thread waits in vain.
static void wait_for_turn(void) {
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_nsec += 1000000;
    if (until.tv_nsec >= 1000000000) until.tv_sec++, until.tv_nsec -= 1000000000;
    pthread_mutex_lock(&cond_mutex);
    look_and_count();
    int mine = ++turn;
    pthread_cond_broadcast(&cond);
    while (turn == mine && pthread_cond_timedwait(&cond, &cond_mutex, &until) == 0) {}
    pthread_mutex_unlock(&cond_mutex);
}

static void *next_turn(void *unused) {
    pthread_mutex_lock(&cond_mutex);
    turn++;
    pthread_cond_signal(&cond);
    pthread_mutex_unlock(&cond_mutex);
    return unused;
}

// A signal reaches who waits, and the variable can be destroyed: in glibc that waits for all who wait.
static void wait_in_child(void) {
    pthread_t thread;
    wait_for_turn();
    pthread_mutex_lock(&cond_mutex);
    int before = turn;
    start_thread(&thread, next_turn, NULL);
    while (turn == before) pthread_cond_wait(&cond, &cond_mutex);
    pthread_mutex_unlock(&cond_mutex);
    pthread_join(thread, NULL);
    pthread_cond_destroy(&cond);
}

// musl has a lock in the variable that this takes though nobody waits.
static void wake(void) { pthread_cond_broadcast(&cond); }

static pthread_once_t once = PTHREAD_ONCE_INIT;
static pid_t parent;

// In the parent, for ever: its thread has nothing else to do.
static void initialise(void) {
    if (getpid() == parent)
        for (;;) pause();
}

static void *initialise_thread(void *unused) {
    pthread_once(&once, initialise);
    return unused;
}

static void begin_once(void) {
    static pthread_t thread;
    parent = getpid();
    start_thread(&thread, initialise_thread, NULL);
    // It has begun when it sleeps: `pthread_once` and the loader wait for nobody.
    while (*(volatile pthread_once_t *)&once == PTHREAD_ONCE_INIT) sched_yield();
}

static void call_once_in_child(void) { pthread_once(&once, initialise); }

static void nothing(void) {}

static const struct {
    const char *name;
    call_fn *make, *hammer, *child;
} kinds[] = {
    {"mutex", normal, lock_mutex, lock_mutex},
    {"recursive", recursive, lock_twice, lock_twice},
    {"errorcheck", errorcheck, lock_mutex, lock_mutex},
    {"c11", make_c11, lock_c11, lock_c11},
    {"write", nothing, write_lock, write_lock},
    {"read", nothing, read_lock, write_lock},
    {"spin", make_spinlock, spin, spin_in_child},
    {"cond", make_cond, wait_for_turn, wait_in_child},
    {"wake", make_cond, wake, wake},
    {"semaphore", make_semaphore, take_semaphore, take_semaphore},
    {"once", begin_once, nothing, call_once_in_child},
};

int main(int argc, char **argv) {
    bool list = argc == 2 && strcmp(argv[1], "list") == 0;
    if (argc != 4 && !list) die("usage: user_locks KIND FORKS MAX_HANGS | user_locks list");
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        if (list) puts(kinds[i].name);
        else if (strcmp(kinds[i].name, argv[1]) == 0) {
            kinds[i].make();
            return report(storm((struct storm){atoi(argv[2]), atoi(argv[3]), 2, kinds[i].hammer, kinds[i].child, NULL}));
        }
    }
    if (!list) die("no kind %s", argv[1]);
    return 0;
}
