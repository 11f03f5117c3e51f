// sync.c: mutexes, condition variables, read-write locks and once. Apple's objects are a signature
// word and opaque room, and may be initialised by that word alone. The state lies in the object, so
// that a fork copies it as it is. There is no process-shared kind.
#define _GNU_SOURCE
#include <pthread.h>
#include <semaphore.h>
#include <stdlib.h>

#include "../loader/loader.h"
#include "libsystem.h"

enum { MUTEX_ERRORCHECK = 1, MUTEX_RECURSIVE = 2 };
enum { RECURSIVE_INITIALIZER = 0x32AAABA2, ERRORCHECK_INITIALIZER = 0x32AAABA1 };

struct mutex {
    long signature;
    struct lock lock;
    int type;
};

struct mutex_attributes {
    long signature;
    int type;
};

_Static_assert(sizeof(struct mutex) <= 64, "Apple's size");
_Static_assert(sizeof(struct mutex_attributes) <= 16, "Apple's size");

static int attr_init(struct mutex_attributes *attributes) {
    *attributes = (struct mutex_attributes){0x4D545841, 0};
    return 0;
}
EXPORT("_pthread_mutexattr_init", attr_init)

static int attr_settype(struct mutex_attributes *attributes, int type) {
    attributes->type = type;
    return 0;
}
EXPORT("_pthread_mutexattr_settype", attr_settype)

static int attr_destroy(struct mutex_attributes *attributes) {
    attributes->signature = 0;
    return 0;
}
EXPORT("_pthread_mutexattr_destroy", attr_destroy)

static int mutex_init(struct mutex *mutex, const struct mutex_attributes *attributes) {
    *mutex = (struct mutex){.signature = 0x4D555458};
    if (attributes != NULL) mutex->type = attributes->type;
    return 0;
}
EXPORT("_pthread_mutex_init", mutex_init)

static int mutex_destroy(struct mutex *mutex) {
    if (atomic_load(&mutex->lock.owner) != 0) return EBUSY;
    mutex->signature = 0;
    return 0;
}
EXPORT("_pthread_mutex_destroy", mutex_destroy)

static int mutex_type(const struct mutex *mutex) {
    if (mutex->signature == RECURSIVE_INITIALIZER) return MUTEX_RECURSIVE;
    return mutex->signature == ERRORCHECK_INITIALIZER ? MUTEX_ERRORCHECK : mutex->type;
}

static int mutex_lock(struct mutex *mutex) {
    int type = mutex_type(mutex);
    if (type != MUTEX_RECURSIVE && lock_is_mine(&mutex->lock)) {
        if (type == MUTEX_ERRORCHECK) return APPLE_EDEADLK;
        hopeless("a mutex of its own");
    }
    lock_take(&mutex->lock, "a mutex of the program");
    return 0;
}
EXPORT("_pthread_mutex_lock", mutex_lock)

static int mutex_trylock(struct mutex *mutex) {
    if (mutex_type(mutex) != MUTEX_RECURSIVE && lock_is_mine(&mutex->lock)) return EBUSY;
    return lock_try(&mutex->lock) ? 0 : EBUSY;
}
EXPORT("_pthread_mutex_trylock", mutex_trylock)

static int mutex_unlock(struct mutex *mutex) {
    if (!lock_is_mine(&mutex->lock)) return EPERM;
    lock_leave(&mutex->lock);
    return 0;
}
EXPORT("_pthread_mutex_unlock", mutex_unlock)

struct cond {
    long signature;
    atomic_int sequence;
};

static int cond_init(struct cond *cond, const void *attributes) {
    (void)attributes;
    *cond = (struct cond){.signature = 0x434F4E44};
    return 0;
}
EXPORT("_pthread_cond_init", cond_init)

static int cond_destroy(struct cond *cond) {
    cond->signature = 0;
    return 0;
}
EXPORT("_pthread_cond_destroy", cond_destroy)

static int cond_wake(struct cond *cond, int count) {
    atomic_fetch_add(&cond->sequence, 1);
    futex_wake(&cond->sequence, count);
    return 0;
}

static int cond_signal(struct cond *cond) {
    return cond_wake(cond, 1);
}
EXPORT("_pthread_cond_signal", cond_signal)

static int cond_broadcast(struct cond *cond) {
    return cond_wake(cond, 1 << 30);
}
EXPORT("_pthread_cond_broadcast", cond_broadcast)

static int cond_timedwait_relative(struct cond *cond, struct mutex *mutex,
                                   const struct timespec *relative) {
    int sequence = atomic_load(&cond->sequence);
    mutex_unlock(mutex);
    int error = futex_wait(&cond->sequence, sequence, relative);
    mutex_lock(mutex);
    return error == ETIMEDOUT ? APPLE_ETIMEDOUT : 0;
}
EXPORT("_pthread_cond_timedwait_relative_np", cond_timedwait_relative)

static int cond_wait(struct cond *cond, struct mutex *mutex) {
    return cond_timedwait_relative(cond, mutex, NULL);
}
EXPORT("_pthread_cond_wait", cond_wait)

static int cond_timedwait(struct cond *cond, struct mutex *mutex, const struct timespec *until) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    long long left = (until->tv_sec - now.tv_sec) * 1000000000ll + until->tv_nsec - now.tv_nsec;
    if (left < 0) return APPLE_ETIMEDOUT;
    struct timespec relative = {left / 1000000000, left % 1000000000};
    return cond_timedwait_relative(cond, mutex, &relative);
}
EXPORT("_pthread_cond_timedwait", cond_timedwait)

// glibc's lock in Apple's room; all zeroes is free in both.
struct rwlock {
    long signature;
    pthread_rwlock_t lock;
};

_Static_assert(sizeof(struct rwlock) <= 200, "Apple's size");

static int rwlock_init(struct rwlock *rwlock, const void *attributes) {
    (void)attributes;
    rwlock->signature = 0x52574C4B;
    return pthread_rwlock_init(&rwlock->lock, NULL);
}
EXPORT("_pthread_rwlock_init", rwlock_init)

#define RWLOCK(name)                                                                               \
    static int standin_##name(struct rwlock *rwlock) {                                             \
        return apple_error(pthread_##name(&rwlock->lock));                                         \
    }                                                                                              \
    EXPORT("_pthread_" #name, standin_##name)
RWLOCK(rwlock_rdlock)
RWLOCK(rwlock_wrlock)
RWLOCK(rwlock_tryrdlock)
RWLOCK(rwlock_trywrlock)
RWLOCK(rwlock_unlock)
RWLOCK(rwlock_destroy)

struct once_control {
    long signature;
    struct once once;
};

static void call_it(void *function) {
    ((void (*)(void))function)();
}

static int standin_pthread_once(struct once_control *control, void (*function)(void)) {
    os_once(&control->once, call_it, (void *)function);
    return 0;
}
EXPORT("_pthread_once", standin_pthread_once)

// libdispatch's semaphores, with which Rust's threads wait.
static sem_t *semaphore_create(long value) {
    sem_t *semaphore = malloc(sizeof *semaphore);
    sem_init(semaphore, 0, value);
    return semaphore;
}
EXPORT("_dispatch_semaphore_create", semaphore_create)
EXPORT("_dispatch_release", free)

static long semaphore_signal(sem_t *semaphore) {
    sem_post(semaphore);
    return 0;
}
EXPORT("_dispatch_semaphore_signal", semaphore_signal)

enum { NSEC_PER_SEC = 1000000000 };

// The time of the real-time clock in ns; opaque to callers.
static uint64_t dispatch_time(uint64_t from, int64_t delta) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    uint64_t base = from != 0 ? from : (uint64_t)now.tv_sec * NSEC_PER_SEC + now.tv_nsec;
    return base + delta;
}
EXPORT("_dispatch_time", dispatch_time)

static long semaphore_wait(sem_t *semaphore, uint64_t until) {
    struct timespec time = {until / NSEC_PER_SEC, until % NSEC_PER_SEC};
    int result;
    do result = until == UINT64_MAX ? sem_wait(semaphore) : sem_timedwait(semaphore, &time);
    while (result != 0 && errno == EINTR);
    return result == 0 ? 0 : 49; // KERN_OPERATION_TIMED_OUT
}
EXPORT("_dispatch_semaphore_wait", semaphore_wait)
