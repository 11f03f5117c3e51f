// lock_semantics.cc: what mutexes, read-write locks and spinlocks answer, in each state that POSIX, or C11,
// says something about.
#include "lock_semantics.h"

#include <threads.h>

// The other names, which no header declares, and which only programs that were linked long ago have.
#ifdef __x86_64__
#define OLD(name) __asm__(".symver " #name ", " #name "@GLIBC_2.2.5")
#else
#define OLD(name) __asm__(".symver " #name ", " #name "@GLIBC_2.17")
#endif
extern "C" {
int __pthread_mutex_lock(pthread_mutex_t *), __pthread_mutex_trylock(pthread_mutex_t *);
int __pthread_mutex_unlock(pthread_mutex_t *), __pthread_mutex_destroy(pthread_mutex_t *);
int __pthread_mutex_init(pthread_mutex_t *, const pthread_mutexattr_t *);
int __pthread_rwlock_rdlock(pthread_rwlock_t *), __pthread_rwlock_tryrdlock(pthread_rwlock_t *);
int __pthread_rwlock_wrlock(pthread_rwlock_t *), __pthread_rwlock_trywrlock(pthread_rwlock_t *);
int __pthread_rwlock_unlock(pthread_rwlock_t *), __pthread_rwlock_destroy(pthread_rwlock_t *);
int __pthread_rwlock_init(pthread_rwlock_t *, const pthread_rwlockattr_t *);
}
OLD(__pthread_mutex_lock);
OLD(__pthread_mutex_trylock);
OLD(__pthread_mutex_unlock);
OLD(__pthread_mutex_init);
OLD(__pthread_mutex_destroy);
OLD(__pthread_rwlock_rdlock);
OLD(__pthread_rwlock_tryrdlock);
OLD(__pthread_rwlock_wrlock);
OLD(__pthread_rwlock_trywrlock);
OLD(__pthread_rwlock_unlock);
OLD(__pthread_rwlock_init);
OLD(__pthread_rwlock_destroy);

static pthread_mutex_t m;
static pthread_rwlock_t rw;
static pthread_spinlock_t spin;
static mtx_t c11;

static void init_mutex(pthread_mutex_t *mutex, int type, int protocol, int shared, int robust) {
    pthread_mutexattr_t attributes;
    pthread_mutexattr_init(&attributes);
    CALL(pthread_mutexattr_settype(&attributes, type));
    CALL(pthread_mutexattr_setprotocol(&attributes, protocol));
    CALL(pthread_mutexattr_setpshared(&attributes, shared));
    CALL(pthread_mutexattr_setrobust(&attributes, robust));
    CALL(pthread_mutex_init(mutex, &attributes));
    pthread_mutexattr_destroy(&attributes);
}

// What holds for a mutex of any kind that the calling thread holds.
static void held(int robust) {
    OTHER(pthread_mutex_trylock(&m));
    OTHER(pthread_mutex_timedlock(&m, &PAST));
    OTHER(pthread_mutex_timedlock(&m, &BAD));
    OTHER(pthread_mutex_clocklock(&m, CLOCK_MONOTONIC, &PAST));
    OTHER(pthread_mutex_clocklock(&m, CLOCK_REALTIME, &BAD));
    OTHER(pthread_mutex_clocklock(&m, CLOCK_PROCESS_CPUTIME_ID, &PAST));
    // glibc destroys robust ones.
    if (!robust) CALL(pthread_mutex_destroy(&m));
}

static void use(int type, int robust) {
    CALL(pthread_mutex_lock(&m));
    held(robust);
    CALL(pthread_mutex_trylock(&m));
    if (type == PTHREAD_MUTEX_RECURSIVE) CALL(pthread_mutex_unlock(&m));
    if (type == PTHREAD_MUTEX_RECURSIVE || type == PTHREAD_MUTEX_ERRORCHECK) {
        CALL(pthread_mutex_lock(&m));
        CALL(pthread_mutex_timedlock(&m, &PAST));
        OTHER(pthread_mutex_unlock(&m));
    }
    if (type == PTHREAD_MUTEX_RECURSIVE) {
        CALL(pthread_mutex_unlock(&m));
        CALL(pthread_mutex_unlock(&m));
        // As often as it can be held (`__count` is glibc's).
        m.__data.__count = UINT_MAX;
        CALL(pthread_mutex_lock(&m));
        CALL(pthread_mutex_trylock(&m));
        m.__data.__count = 1;
        held(robust);
    }
    CALL(pthread_mutex_unlock(&m));
    if (type == PTHREAD_MUTEX_RECURSIVE || type == PTHREAD_MUTEX_ERRORCHECK) CALL(pthread_mutex_unlock(&m));
    // Free, the times do not matter.
    CALL(pthread_mutex_timedlock(&m, &PAST));
    CALL(pthread_mutex_unlock(&m));
    CALL(pthread_mutex_clocklock(&m, CLOCK_MONOTONIC, &PAST));
    CALL(pthread_mutex_unlock(&m));
    CALL(pthread_mutex_consistent(&m));
    CALL(pthread_mutex_destroy(&m));
}

static void every_kind_of_mutex(void) {
    static const int types[] = {PTHREAD_MUTEX_NORMAL, PTHREAD_MUTEX_RECURSIVE, PTHREAD_MUTEX_ERRORCHECK,
                                PTHREAD_MUTEX_ADAPTIVE_NP, PTHREAD_MUTEX_DEFAULT};
    static const int protocols[] = {PTHREAD_PRIO_NONE, PTHREAD_PRIO_INHERIT};
    for (size_t type = 0; type < sizeof types / sizeof types[0]; type++)
        for (int protocol = 0; protocol < 2; protocol++)
            for (int shared = 0; shared < 2; shared++)
                for (int robust = 0; robust < 2; robust++) {
                    printf("type %zu, protocol %d, shared %d, robust %d:\n", type, protocol, shared, robust);
                    init_mutex(&m, types[type], protocols[protocol], shared, robust);
                    use(types[type], robust);
                }
}

// An owner that ends without giving it back.
static void robust_mutexes(void) {
    for (int protocol = 0; protocol < 2; protocol++) {
        init_mutex(&m, PTHREAD_MUTEX_NORMAL, protocol ? PTHREAD_PRIO_INHERIT : PTHREAD_PRIO_NONE,
                   PTHREAD_PROCESS_PRIVATE, PTHREAD_MUTEX_ROBUST);
        OTHER(pthread_mutex_lock(&m));
        CALL(pthread_mutex_lock(&m));
        CALL(pthread_mutex_consistent(&m));
        CALL(pthread_mutex_unlock(&m));
        OTHER(pthread_mutex_lock(&m));
        CALL(pthread_mutex_trylock(&m));
        CALL(pthread_mutex_unlock(&m));
        CALL(pthread_mutex_lock(&m));
        CALL(pthread_mutex_timedlock(&m, &PAST));
        CALL(pthread_mutex_trylock(&m));
        CALL(pthread_mutex_destroy(&m));
    }
}

// The ceiling is that of real-time threads, which none here is; whether one may become one, the system says.
static void ceilings(void) {
    pthread_mutexattr_t attributes;
    pthread_mutexattr_init(&attributes);
    CALL(pthread_mutexattr_setprotocol(&attributes, PTHREAD_PRIO_PROTECT));
    CALL(pthread_mutexattr_setprioceiling(&attributes, 0));
    CALL(pthread_mutexattr_setprioceiling(&attributes, 5));
    CALL(pthread_mutex_init(&m, &attributes));
    int ceiling = 0;
    CALL(pthread_mutex_getprioceiling(&m, &ceiling));
    CALL(pthread_mutex_setprioceiling(&m, 200, &ceiling));
    CALL(pthread_mutex_setprioceiling(&m, 6, &ceiling));
    VALUE(ceiling);
    CALL(pthread_mutex_lock(&m));
    CALL(pthread_mutex_unlock(&m));
    CALL(pthread_mutex_trylock(&m));
    CALL(pthread_mutex_unlock(&m));
    CALL(pthread_mutex_timedlock(&m, &PAST));
    CALL(pthread_mutex_unlock(&m));
    struct sched_param above = {.sched_priority = 10}, usual = {0};
    CALL(pthread_setschedparam(pthread_self(), SCHED_FIFO, &above));
    CALL(pthread_mutex_lock(&m));
    CALL(pthread_mutex_unlock(&m));
    CALL(pthread_setschedparam(pthread_self(), SCHED_OTHER, &usual));
    CALL(pthread_mutex_destroy(&m));
}

// A mutex in memory that two processes share.
static void processes(void) {
    auto *shared = (pthread_mutex_t *)mmap(NULL, sizeof m, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    init_mutex(shared, PTHREAD_MUTEX_NORMAL, PTHREAD_PRIO_NONE, PTHREAD_PROCESS_SHARED, PTHREAD_MUTEX_ROBUST);
    CALL(pthread_mutex_lock(shared));
    pid_t child = fork();
    if (child == 0) _exit(pthread_mutex_trylock(shared) == EBUSY ? 0 : 1);
    VALUE(child_status(child));
    CALL(pthread_mutex_unlock(shared));
    child = fork();
    if (child == 0) _exit(pthread_mutex_lock(shared));
    VALUE(child_status(child));
    CALL(pthread_mutex_lock(shared));
    CALL(pthread_mutex_consistent(shared));
    CALL(pthread_mutex_unlock(shared));
    CALL(pthread_mutex_destroy(shared));
    munmap(shared, sizeof m);
}

static void read_write_lock(void) {
    CALL(pthread_rwlock_rdlock(&rw));
    CALL(pthread_rwlock_rdlock(&rw));
    OTHER((pthread_rwlock_tryrdlock(&rw) || pthread_rwlock_unlock(&rw)));
    OTHER((pthread_rwlock_timedrdlock(&rw, &PAST) || pthread_rwlock_unlock(&rw)));
    OTHER((pthread_rwlock_clockrdlock(&rw, CLOCK_MONOTONIC, &PAST) || pthread_rwlock_unlock(&rw)));
    OTHER(pthread_rwlock_trywrlock(&rw));
    OTHER(pthread_rwlock_timedwrlock(&rw, &PAST));
    OTHER(pthread_rwlock_timedwrlock(&rw, &BAD));
    OTHER(pthread_rwlock_clockwrlock(&rw, CLOCK_REALTIME, &PAST));
    OTHER(pthread_rwlock_clockwrlock(&rw, CLOCK_THREAD_CPUTIME_ID, &PAST));
    CALL(pthread_rwlock_trywrlock(&rw));
    CALL(pthread_rwlock_unlock(&rw));
    CALL(pthread_rwlock_unlock(&rw));
    CALL(pthread_rwlock_wrlock(&rw));
    CALL(pthread_rwlock_rdlock(&rw));
    CALL(pthread_rwlock_wrlock(&rw));
    CALL(pthread_rwlock_tryrdlock(&rw));
    CALL(pthread_rwlock_trywrlock(&rw));
    CALL(pthread_rwlock_timedwrlock(&rw, &PAST));
    OTHER(pthread_rwlock_tryrdlock(&rw));
    OTHER(pthread_rwlock_timedrdlock(&rw, &PAST));
    OTHER(pthread_rwlock_timedrdlock(&rw, &BAD));
    OTHER(pthread_rwlock_clockrdlock(&rw, CLOCK_MONOTONIC, &PAST));
    CALL(pthread_rwlock_unlock(&rw));
    CALL(pthread_rwlock_clockwrlock(&rw, CLOCK_MONOTONIC, &PAST));
    CALL(pthread_rwlock_unlock(&rw));
}

static void *write_it(void *unused) {
    pthread_rwlock_wrlock(&rw);
    pthread_rwlock_unlock(&rw);
    return unused;
}

// Whether a reader goes before a writer that waits, which is what the kinds are about.
static void preferences(void) {
    static const int kinds[] = {PTHREAD_RWLOCK_PREFER_READER_NP, PTHREAD_RWLOCK_PREFER_WRITER_NP,
                                PTHREAD_RWLOCK_PREFER_WRITER_NONRECURSIVE_NP};
    for (size_t i = 0; i < 6; i++) {
        pthread_rwlockattr_t attributes;
        pthread_rwlockattr_init(&attributes);
        CALL(pthread_rwlockattr_setkind_np(&attributes, kinds[i / 2]));
        CALL(pthread_rwlockattr_setpshared(&attributes, i % 2));
        CALL(pthread_rwlock_init(&rw, &attributes));
        read_write_lock();
        CALL(pthread_rwlock_rdlock(&rw));
        pthread_t writer;
        if (pthread_create(&writer, NULL, write_it, NULL) != 0) abort();
        // Until it is next: a bit of glibc's says so.
        while ((__atomic_load_n(&rw.__data.__readers, __ATOMIC_RELAXED) & 2) == 0) sched_yield();
        OTHER_VALUE(pthread_rwlock_tryrdlock(&rw) == EBUSY || pthread_rwlock_unlock(&rw));
        CALL(pthread_rwlock_unlock(&rw));
        pthread_join(writer, NULL);
        CALL(pthread_rwlock_destroy(&rw));
    }
}

static void spinlocks(void) {
    for (int shared = 0; shared < 2; shared++) {
        CALL(pthread_spin_init(&spin, shared));
        CALL(pthread_spin_lock(&spin));
        CALL(pthread_spin_trylock(&spin));
        OTHER(pthread_spin_trylock(&spin));
        CALL(pthread_spin_unlock(&spin));
        CALL(pthread_spin_trylock(&spin));
        CALL(pthread_spin_unlock(&spin));
        CALL(pthread_spin_destroy(&spin));
    }
}

static void other_names(void) {
    CALL(__pthread_mutex_init(&m, NULL));
    CALL(__pthread_mutex_lock(&m));
    OTHER(__pthread_mutex_trylock(&m));
    CALL(__pthread_mutex_unlock(&m));
    CALL(__pthread_mutex_trylock(&m));
    CALL(pthread_mutex_unlock(&m));
    CALL(__pthread_mutex_destroy(&m));
    CALL(__pthread_rwlock_init(&rw, NULL));
    CALL(__pthread_rwlock_rdlock(&rw));
    OTHER(__pthread_rwlock_trywrlock(&rw));
    CALL(__pthread_rwlock_unlock(&rw));
    CALL(__pthread_rwlock_wrlock(&rw));
    OTHER(__pthread_rwlock_tryrdlock(&rw));
    CALL(pthread_rwlock_unlock(&rw));
    CALL(__pthread_rwlock_destroy(&rw));
}

// Given back by another thread than took it: not what POSIX wants, but what glibc does, and some programs.
static void handed_over(void) {
    CALL(pthread_mutex_init(&m, NULL));
    CALL(pthread_mutex_lock(&m));
    OTHER(pthread_mutex_unlock(&m));
    OTHER((pthread_mutex_trylock(&m) || pthread_mutex_unlock(&m)));
    CALL(pthread_rwlock_init(&rw, NULL));
    CALL(pthread_rwlock_rdlock(&rw));
    OTHER(pthread_rwlock_unlock(&rw));
    OTHER((pthread_rwlock_trywrlock(&rw) || pthread_rwlock_unlock(&rw)));
}

// Its codes are its own: `thrd_success` is 0, `thrd_busy` 1, `thrd_error` 2, `thrd_timedout` 4.
static void c11_mutexes(void) {
    static const int kinds[] = {mtx_plain, mtx_timed, mtx_plain | mtx_recursive, mtx_timed | mtx_recursive};
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        VALUE(mtx_init(&c11, kinds[i]));
        VALUE(mtx_lock(&c11));
        OTHER_VALUE(mtx_trylock(&c11));
        OTHER_VALUE(mtx_timedlock(&c11, &PAST));
        OTHER_VALUE(mtx_timedlock(&c11, &BAD));
        VALUE(mtx_trylock(&c11));
        if (kinds[i] & mtx_recursive) VALUE(mtx_unlock(&c11));
        VALUE(mtx_unlock(&c11));
        VALUE(mtx_timedlock(&c11, &PAST));
        VALUE(mtx_unlock(&c11));
        mtx_destroy(&c11);
    }
    VALUE(mtx_init(&c11, 99));
}

int main(void) {
    static group *const all[] = {every_kind_of_mutex, robust_mutexes, ceilings,    processes,
                                 preferences,         spinlocks,      other_names, c11_mutexes,
                                 handed_over};
    run_groups(all, sizeof all / sizeof all[0]);
    return 0;
}
