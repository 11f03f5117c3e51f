// locks.c: locks of the program that a vanished thread holds in a forked child.
//
//   locks KIND FORKS MAX_HANGS     two threads take and release a lock of that kind all the time, each child once
//
// Bare, the child waits for ever for a lock that nobody holds any more. What the lock guards must be whole.
#include "locks.h"

#include <threads.h>

typedef int call_of_lock(void);

// How a lock is taken and given back; children take it by `in_child`, all NULL as threads do.
struct kind {
    const char *name;
    void (*set_up)(void);
    call_of_lock *take, *give, *in_child;
    bool reads;
};

static const struct kind *kind;

static void hammer(void) {
    if (kind->take() != 0) return;
    if (kind->reads) check();
    else change();
    must(kind->give());
}

static void child(void) {
    must((kind->in_child != NULL ? kind->in_child : kind->take)());
    check();
    change();
    must(kind->give());
}

// --- mutexes

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;

static void plain(void) {}
static void recursive(void) { init_mutex(&mutex, PTHREAD_MUTEX_RECURSIVE, PTHREAD_PRIO_NONE); }
static void errorcheck(void) { init_mutex(&mutex, PTHREAD_MUTEX_ERRORCHECK, PTHREAD_PRIO_NONE); }
static void adaptive(void) { init_mutex(&mutex, PTHREAD_MUTEX_ADAPTIVE_NP, PTHREAD_PRIO_NONE); }
static void inherit(void) { init_mutex(&mutex, PTHREAD_MUTEX_NORMAL, PTHREAD_PRIO_INHERIT); }
static void inherit_recursive(void) {
    init_mutex(&mutex, PTHREAD_MUTEX_RECURSIVE, PTHREAD_PRIO_INHERIT);
}

static int take(void) { return pthread_mutex_lock(&mutex); }
static int give(void) { return pthread_mutex_unlock(&mutex); }
static int take_twice(void) {
    int result = take();
    return result != 0 ? result : take();
}
static int give_twice(void) {
    must(give());
    return give();
}
static int try(void) { return pthread_mutex_trylock(&mutex); }
static int take_timed(void) { return pthread_mutex_timedlock(&mutex, in_an_hour(CLOCK_REALTIME)); }
static int take_by_clock(void) {
    return pthread_mutex_clocklock(&mutex, CLOCK_MONOTONIC, in_an_hour(CLOCK_MONOTONIC));
}

// The priority of who takes it is raised, which the kernel allows for threads that have one.
static void protect(void) {
    struct sched_param one = {.sched_priority = 1};
    if (pthread_setschedparam(pthread_self(), SCHED_RR, &one) != 0) die("no right to a priority");
    init_mutex(&mutex, PTHREAD_MUTEX_NORMAL, PTHREAD_PRIO_PROTECT);
}

// --- C11

static mtx_t c11;

static void c11_plain(void) { must(mtx_init(&c11, mtx_plain)); }
static void c11_recursive(void) { must(mtx_init(&c11, mtx_recursive)); }
static void c11_timed(void) { must(mtx_init(&c11, mtx_timed)); }
static int take_c11(void) { return mtx_lock(&c11); }
static int give_c11(void) { return mtx_unlock(&c11); }
static int try_c11(void) { return mtx_trylock(&c11); }
static int take_c11_timed(void) { return mtx_timedlock(&c11, in_an_hour(CLOCK_REALTIME)); }

// --- read-write locks

static pthread_rwlock_t rwlock = PTHREAD_RWLOCK_INITIALIZER;

static void prefer_writers(void) {
    pthread_rwlockattr_t attributes;
    must(pthread_rwlockattr_init(&attributes));
    must(pthread_rwlockattr_setkind_np(&attributes, PTHREAD_RWLOCK_PREFER_WRITER_NONRECURSIVE_NP));
    must(pthread_rwlock_init(&rwlock, &attributes));
}

static int read_lock(void) { return pthread_rwlock_rdlock(&rwlock); }
static int write_lock(void) { return pthread_rwlock_wrlock(&rwlock); }
static int give_rwlock(void) { return pthread_rwlock_unlock(&rwlock); }
static int try_to_read(void) { return pthread_rwlock_tryrdlock(&rwlock); }
static int try_to_write(void) { return pthread_rwlock_trywrlock(&rwlock); }
static int read_timed(void) {
    return pthread_rwlock_timedrdlock(&rwlock, in_an_hour(CLOCK_REALTIME));
}
static int write_timed(void) {
    return pthread_rwlock_timedwrlock(&rwlock, in_an_hour(CLOCK_REALTIME));
}
static int read_by_clock(void) {
    return pthread_rwlock_clockrdlock(&rwlock, CLOCK_MONOTONIC, in_an_hour(CLOCK_MONOTONIC));
}
static int write_by_clock(void) {
    return pthread_rwlock_clockwrlock(&rwlock, CLOCK_MONOTONIC, in_an_hour(CLOCK_MONOTONIC));
}
static int read_twice(void) {
    int result = read_lock();
    return result != 0 ? result : read_lock();
}
static int give_rwlock_twice(void) {
    must(give_rwlock());
    return give_rwlock();
}
// A reader and then a writer find it free.
static int read_then_write(void) {
    must(read_lock());
    must(give_rwlock());
    return write_lock();
}
static int write_then_read_twice(void) {
    must(write_lock());
    must(give_rwlock());
    return read_twice();
}

// --- spinlocks

static pthread_spinlock_t spin;

static void spinlock(void) { must(pthread_spin_init(&spin, PTHREAD_PROCESS_PRIVATE)); }
static int take_spin(void) { return pthread_spin_lock(&spin); }
static int give_spin(void) { return pthread_spin_unlock(&spin); }
static int try_spin(void) { return pthread_spin_trylock(&spin); }
// A child has one thread: a lock that is taken stays so, and spinning for it would only take longer to tell.
static int spin_in_child(void) {
    if (pthread_spin_trylock(&spin) != 0) hang();
    must(pthread_spin_unlock(&spin));
    return take_spin();
}

// --- several at once

static void nested(void) {
    recursive();
    spinlock();
}
static int take_nested(void) {
    must(take_twice());
    must(write_lock());
    return take_spin();
}
static int give_nested(void) {
    must(give_spin());
    must(give_rwlock());
    return give_twice();
}
// In the order they were taken in.
static int give_crossed(void) {
    must(give());
    must(give_rwlock());
    must(give());
    return give_spin();
}
static int take_nested_in_child(void) {
    must(take_twice());
    must(write_lock());
    return spin_in_child();
}

static const struct kind kinds[] = {
    {"normal", plain, take, give},
    {"recursive", recursive, take_twice, give_twice},
    {"errorcheck", errorcheck, take, give},
    {"adaptive", adaptive, take, give},
    {"inherit", inherit, take, give},
    {"inherit-recursive", inherit_recursive, take_twice, give_twice},
    {"protect", protect, take, give},
    {"trylock", plain, try, give, take},
    {"timedlock", plain, take_timed, give, take},
    {"clocklock", plain, take_by_clock, give, take},
    {"c11-plain", c11_plain, take_c11, give_c11},
    {"c11-recursive", c11_recursive, take_c11, give_c11},
    {"c11-trylock", c11_plain, try_c11, give_c11, take_c11},
    {"c11-timedlock", c11_timed, take_c11_timed, give_c11, take_c11},
    {"readers", plain, read_lock, give_rwlock, write_lock, true},
    {"readers-twice", plain, read_twice, give_rwlock_twice, write_then_read_twice, true},
    {"readers-preferring-writers", prefer_writers, read_lock, give_rwlock, write_lock, true},
    {"readers-try", plain, try_to_read, give_rwlock, write_lock, true},
    {"readers-timed", plain, read_timed, give_rwlock, write_lock, true},
    {"readers-clock", plain, read_by_clock, give_rwlock, write_lock, true},
    {"writers", plain, write_lock, give_rwlock, read_then_write},
    {"writers-preferred", prefer_writers, write_lock, give_rwlock, read_then_write},
    {"writers-try", plain, try_to_write, give_rwlock, write_lock},
    {"writers-timed", plain, write_timed, give_rwlock, write_lock},
    {"writers-clock", plain, write_by_clock, give_rwlock, write_lock},
    {"spin", spinlock, take_spin, give_spin, spin_in_child},
    {"spin-try", spinlock, try_spin, give_spin, spin_in_child},
    {"nested", nested, take_nested, give_nested, take_nested_in_child},
    {"crossed", nested, take_nested, give_crossed, take_nested_in_child},
};
enum { KINDS = sizeof kinds / sizeof kinds[0] };

int main(int argc, char **argv) {
    for (int i = 0; argc == 4 && i < KINDS; i++)
        if (strcmp(argv[1], kinds[i].name) == 0) kind = &kinds[i];
    if (kind == NULL) die("usage: locks KIND FORKS MAX_HANGS");
    kind->set_up();
    return report(storm((struct storm){atoi(argv[2]), atoi(argv[3]), 2, hammer, child, NULL}));
}
