// lock_conds.c: condition variables whose waiters vanish in a forked child.
//
//   lock_conds WAY FORKS MAX_HANGS       a producer and a consumer; WAY is how they wait
//   lock_conds ghosts FORKS MAX_HANGS    threads wait that are never called
//   lock_conds clock FORKS MAX_HANGS     the same for a condition variable with a clock of its own
//   lock_conds destroy FORKS MAX_HANGS   the same; the child destroys it
//
// A child starts a waiter of its own, which must get its signal. Bare, the signal goes to a waiter that is
// gone, or the mutex is held for ever.
#include "locks.h"

#include <threads.h>

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t filled = PTHREAD_COND_INITIALIZER, emptied = PTHREAD_COND_INITIALIZER;
static mtx_t c11_mutex;
static cnd_t c11_filled, c11_emptied;

static int lock(void) { return pthread_mutex_lock(&mutex); }
static int unlock(void) { return pthread_mutex_unlock(&mutex); }
static int signal_to(bool full) { return pthread_cond_signal(full ? &filled : &emptied); }
static int wake_all(bool full) { return pthread_cond_broadcast(full ? &filled : &emptied); }
static int wait_for(bool full) { return pthread_cond_wait(full ? &filled : &emptied, &mutex); }
static int wait_timed(bool full) {
    return pthread_cond_timedwait(full ? &filled : &emptied, &mutex, in_an_hour(CLOCK_REALTIME));
}
static int wait_by_clock(bool full) {
    return pthread_cond_clockwait(full ? &filled : &emptied, &mutex, CLOCK_MONOTONIC,
                                  in_an_hour(CLOCK_MONOTONIC));
}

static int lock_c11(void) { return mtx_lock(&c11_mutex); }
static int unlock_c11(void) { return mtx_unlock(&c11_mutex); }
static int signal_c11(bool full) { return cnd_signal(full ? &c11_filled : &c11_emptied); }
static int wait_c11(bool full) { return cnd_wait(full ? &c11_filled : &c11_emptied, &c11_mutex); }
static int wait_c11_timed(bool full) {
    return cnd_timedwait(full ? &c11_filled : &c11_emptied, &c11_mutex, in_an_hour(CLOCK_REALTIME));
}

static const struct way {
    const char *name;
    int (*lock)(void), (*unlock)(void), (*wait)(bool full), (*signal)(bool full);
    // Children wait without an end, so that it can be told whether they do so for ever.
    int (*wait_in_child)(bool full);
} ways[] = {
    {"wait", lock, unlock, wait_for, signal_to, wait_for},
    {"broadcast", lock, unlock, wait_for, wake_all, wait_for},
    {"timedwait", lock, unlock, wait_timed, signal_to, wait_for},
    {"clockwait", lock, unlock, wait_by_clock, signal_to, wait_for},
    {"c11", lock_c11, unlock_c11, wait_c11, signal_c11, wait_c11},
    {"c11-timedwait", lock_c11, unlock_c11, wait_c11_timed, signal_c11, wait_c11},
};
enum { WAYS = sizeof ways / sizeof ways[0], ROOM = 4 };

static const struct way *way = &ways[0];

// --- a producer and a consumer

static int items;

static void *produce(void *unused) {
    for (;;) {
        must(way->lock());
        while (items == ROOM) must(way->wait(false));
        items++;
        change();
        must(way->signal(true));
        must(way->unlock());
    }
    return unused;
}

static void *consume(void *unused) {
    for (;;) {
        must(way->lock());
        while (items == 0) must(way->wait(true));
        items--;
        change();
        must(way->signal(false));
        must(way->unlock());
    }
    return unused;
}

static bool waiting, called;

static void *wait_in_child(void *unused) {
    must(way->lock());
    waiting = true;
    while (!called) must(way->wait_in_child(true));
    must(way->unlock());
    return unused;
}

static void call_a_waiter(void) {
    pthread_t waiter;
    start_thread(&waiter, wait_in_child, NULL);
    must(way->lock());
    check();
    // Whoever has the mutex while that is set knows the waiter in its wait.
    while (!waiting) {
        must(way->unlock());
        sched_yield();
        must(way->lock());
    }
    called = true;
    must(way->signal(true));
    must(way->unlock());
    must(pthread_join(waiter, NULL));
}

// --- ghosts

static int asleep;
static bool first_is_awake;

static void *sleep_for_ever(void *unused) {
    must(lock());
    asleep++;
    for (;;) {
        must(wait_for(true));
        first_is_awake = true;
        must(signal_to(false));
    }
    return unused;
}

// Three wait. One of them is woken up, so that glibc has the other two in a group of waiters of their own, to
// whom signals go first.
static void sleep_in_other_threads(void) {
    enum { SLEEPERS = 3 };
    pthread_t threads[SLEEPERS];
    for (int i = 0; i < SLEEPERS; i++) start_thread(&threads[i], sleep_for_ever, NULL);
    must(lock());
    while (asleep < SLEEPERS) {
        must(unlock());
        sched_yield();
        must(lock());
    }
    must(signal_to(true));
    while (!first_is_awake) must(wait_for(false));
    must(unlock());
}

static void sleep_by_clock(void) {
    pthread_condattr_t attributes;
    must(pthread_condattr_init(&attributes));
    must(pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC));
    must(pthread_cond_init(&filled, &attributes));
    sleep_in_other_threads();
}

static bool is_before(const struct timespec *a, const struct timespec *b) {
    return a->tv_sec < b->tv_sec || (a->tv_sec == b->tv_sec && a->tv_nsec < b->tv_nsec);
}

// By another clock than its own, whose numbers are larger, the wait would end at once.
static void call_by_clock(void) {
    call_a_waiter();
    struct timespec until, now;
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_nsec += 2000000;
    until.tv_sec += until.tv_nsec / 1000000000;
    until.tv_nsec %= 1000000000;
    must(lock());
    must_fail(pthread_cond_timedwait(&filled, &mutex, &until), ETIMEDOUT);
    must(unlock());
    clock_gettime(CLOCK_MONOTONIC, &now);
    if (is_before(&now, &until)) die("the wait ended early");
}

static void destroy(void) {
    must(pthread_cond_destroy(&filled));
    must(pthread_mutex_destroy(&mutex));
}

int main(int argc, char **argv) {
    if (argc != 4) die("usage: lock_conds MODE FORKS MAX_HANGS");
    call_fn *child = call_a_waiter;
    const char *mode = argv[1];
    if (strcmp(mode, "ghosts") == 0) {
        sleep_in_other_threads();
    } else if (strcmp(mode, "clock") == 0) {
        sleep_by_clock();
        child = call_by_clock;
    } else if (strcmp(mode, "destroy") == 0) {
        sleep_in_other_threads();
        child = destroy;
    } else {
        int i = 0;
        while (i < WAYS && strcmp(mode, ways[i].name) != 0) i++;
        if (i == WAYS) die("no such mode: %s", mode);
        way = &ways[i];
        must(mtx_init(&c11_mutex, mtx_plain));
        must(cnd_init(&c11_filled));
        must(cnd_init(&c11_emptied));
        pthread_t threads[2];
        start_thread(&threads[0], produce, NULL);
        start_thread(&threads[1], consume, NULL);
    }
    return report(storm((struct storm){atoi(argv[2]), atoi(argv[3]), 0, NULL, child, NULL}));
}
