// lock_shared.c: locks that are none of forkfix's business, because another process may hold them or libc itself
// tells the next holder. Prints what a child finds that is forked while a thread holds them, and what becomes
// of them; with the library that is what it is without.
#include "locks.h"

#include <semaphore.h>
#include <sys/mman.h>

// In memory that parent and child share.
static struct shared {
    pthread_mutex_t mutex, robust_shared, unmarked;
    pthread_rwlock_t rwlock;
    pthread_spinlock_t spin;
    pthread_cond_t cond;
    sem_t semaphore;
    atomic_bool held, found; // a thread holds the lock; the child has found that out
    bool called;             // guarded by `mutex`
} *shared;

// A lock that is not in shared memory, but robust.
static pthread_mutex_t robust_here;

static int lock_mutex(void) { return pthread_mutex_lock(&shared->mutex); }
static int try_mutex(void) { return pthread_mutex_trylock(&shared->mutex); }
static int give_mutex(void) { return pthread_mutex_unlock(&shared->mutex); }
static int write_lock(void) { return pthread_rwlock_wrlock(&shared->rwlock); }
static int read_lock(void) { return pthread_rwlock_rdlock(&shared->rwlock); }
static int try_to_write(void) { return pthread_rwlock_trywrlock(&shared->rwlock); }
static int give_rwlock(void) { return pthread_rwlock_unlock(&shared->rwlock); }
static int take_spin(void) { return pthread_spin_lock(&shared->spin); }
static int try_spin(void) { return pthread_spin_trylock(&shared->spin); }
static int give_spin(void) { return pthread_spin_unlock(&shared->spin); }
static int wait_semaphore(void) { return sem_wait(&shared->semaphore) == 0 ? 0 : errno; }
static int try_semaphore(void) { return sem_trywait(&shared->semaphore) == 0 ? 0 : errno; }
static int post(void) { return sem_post(&shared->semaphore) == 0 ? 0 : errno; }
static int lock_robust(void) { return pthread_mutex_lock(&shared->robust_shared); }
static int try_robust(void) { return pthread_mutex_trylock(&shared->robust_shared); }
static int give_robust(void) {
    int result = pthread_mutex_consistent(&shared->robust_shared);
    return result != 0 ? result : pthread_mutex_unlock(&shared->robust_shared);
}
// For this process alone, as far as it knows; so nobody in another one is woken up.
static int lock_unmarked(void) { return pthread_mutex_lock(&shared->unmarked); }
static int try_unmarked(void) { return pthread_mutex_trylock(&shared->unmarked); }
static int spin_for_unmarked(void) {
    while (try_unmarked() != 0) sched_yield();
    return 0;
}
static int give_unmarked(void) { return pthread_mutex_unlock(&shared->unmarked); }
static int nothing(void) { return 0; }

static const struct lock {
    const char *name;
    int (*hold)(void), (*let_go)(void);            // the parent's thread
    int (*attempt)(void), (*take)(void), (*give)(void); // the child
} locks[] = {
    {"shared mutex", lock_mutex, give_mutex, try_mutex, lock_mutex, give_mutex},
    {"shared read-write lock, written", write_lock, give_rwlock, try_to_write, write_lock, give_rwlock},
    {"shared read-write lock, read", read_lock, give_rwlock, try_to_write, write_lock, give_rwlock},
    {"shared spinlock", take_spin, give_spin, try_spin, take_spin, give_spin},
    {"shared semaphore", wait_semaphore, post, try_semaphore, wait_semaphore, post},
    {"unmarked mutex", lock_unmarked, give_unmarked, try_unmarked, spin_for_unmarked, give_unmarked},
    {"shared robust mutex", lock_robust, nothing, try_robust, lock_robust, give_robust},
};
enum { LOCKS = sizeof locks / sizeof locks[0] };

static void *hold(void *argument) {
    const struct lock *lock = argument;
    must(lock->hold());
    atomic_store(&shared->held, true);
    await(&shared->found);
    must(lock->let_go());
    return NULL;
}

// The child finds the lock held, and gets it from the thread of its parent.
static void share(const struct lock *lock) {
    atomic_store(&shared->held, false);
    atomic_store(&shared->found, false);
    pthread_t holder;
    start_thread(&holder, hold, (void *)lock);
    await(&shared->held);
    pid_t pid = fork();
    if (pid < 0) die("fork");
    if (pid == 0) {
        int found = lock->attempt();
        atomic_store(&shared->found, true);
        int taken = lock->take();
        dprintf(1, "%s: found %s, taken %s, given %s\n", lock->name, strerrorname_np(found),
                strerrorname_np(taken), strerrorname_np(lock->give()));
        _exit(0);
    }
    if (watch(pid) != FINISHED) die("%s: the child hung or crashed", lock->name);
    must(pthread_join(holder, NULL));
    dprintf(1, "%s: afterwards %s, ", lock->name, strerrorname_np(lock->attempt()));
    dprintf(1, "given %s\n", strerrorname_np(lock->let_go == nothing ? nothing() : lock->give()));
}

static void *await_call(void *unused) {
    must(lock_mutex());
    atomic_store(&shared->held, true);
    while (!shared->called) must(pthread_cond_wait(&shared->cond, &shared->mutex));
    must(give_mutex());
    return unused;
}

// The child wakes up a thread of its parent.
static void call_parent(void) {
    atomic_store(&shared->held, false);
    pthread_t waiter;
    start_thread(&waiter, await_call, NULL);
    await(&shared->held);
    pid_t pid = fork();
    if (pid < 0) die("fork");
    if (pid == 0) {
        must(lock_mutex());
        shared->called = true;
        must(pthread_cond_signal(&shared->cond));
        must(give_mutex());
        _exit(0);
    }
    if (watch(pid) != FINISHED) die("the child hung or crashed");
    must(pthread_join(waiter, NULL));
    dprintf(1, "shared condition variable: the parent's thread is awake\n");
}

// The forker's own: it stays the parent's.
static void fork_with_own(void) {
    init_mutex(&shared->unmarked, PTHREAD_MUTEX_ERRORCHECK, PTHREAD_PRIO_NONE);
    must(lock_unmarked());
    pid_t pid = fork();
    if (pid < 0) die("fork");
    if (pid == 0) {
        dprintf(1, "own mutex: the child gives it: %s\n", strerrorname_np(give_unmarked()));
        _exit(0);
    }
    if (watch(pid) != FINISHED) die("the child hung or crashed");
    dprintf(1, "own mutex: the parent gives it: %s\n", strerrorname_np(give_unmarked()));
}

static void *take_and_die(void *unused) {
    must(pthread_mutex_lock(&robust_here));
    atomic_store(&shared->held, true);
    await(&shared->found);
    return unused;
}

// A child finds it held; the next holder in the parent is told of its holder's end.
static void leave_robust(void) {
    atomic_store(&shared->held, false);
    atomic_store(&shared->found, false);
    pthread_t holder;
    start_thread(&holder, take_and_die, NULL);
    await(&shared->held);
    pid_t pid = fork();
    if (pid < 0) die("fork");
    if (pid == 0) {
        dprintf(1, "robust mutex: found %s\n", strerrorname_np(pthread_mutex_trylock(&robust_here)));
        _exit(0);
    }
    if (watch(pid) != FINISHED) die("the child hung or crashed");
    atomic_store(&shared->found, true);
    must(pthread_join(holder, NULL));
    dprintf(1, "robust mutex: afterwards %s, ", strerrorname_np(pthread_mutex_lock(&robust_here)));
    dprintf(1, "consistent %s, ", strerrorname_np(pthread_mutex_consistent(&robust_here)));
    dprintf(1, "given %s\n", strerrorname_np(pthread_mutex_unlock(&robust_here)));
}

static void make_mutex(pthread_mutex_t *mutex, int shared, int robust) {
    pthread_mutexattr_t attributes;
    must(pthread_mutexattr_init(&attributes));
    must(pthread_mutexattr_setpshared(&attributes, shared));
    must(pthread_mutexattr_setrobust(&attributes, robust));
    must(pthread_mutex_init(mutex, &attributes));
}

int main(void) {
    shared = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (shared == MAP_FAILED) die("mmap");
    make_mutex(&shared->mutex, PTHREAD_PROCESS_SHARED, PTHREAD_MUTEX_STALLED);
    make_mutex(&shared->unmarked, PTHREAD_PROCESS_PRIVATE, PTHREAD_MUTEX_STALLED);
    make_mutex(&shared->robust_shared, PTHREAD_PROCESS_SHARED, PTHREAD_MUTEX_ROBUST);
    make_mutex(&robust_here, PTHREAD_PROCESS_PRIVATE, PTHREAD_MUTEX_ROBUST);
    pthread_rwlockattr_t rwlock;
    must(pthread_rwlockattr_init(&rwlock));
    must(pthread_rwlockattr_setpshared(&rwlock, PTHREAD_PROCESS_SHARED));
    must(pthread_rwlock_init(&shared->rwlock, &rwlock));
    pthread_condattr_t cond;
    must(pthread_condattr_init(&cond));
    must(pthread_condattr_setpshared(&cond, PTHREAD_PROCESS_SHARED));
    must(pthread_cond_init(&shared->cond, &cond));
    must(pthread_spin_init(&shared->spin, PTHREAD_PROCESS_SHARED));
    if (sem_init(&shared->semaphore, true, 1) != 0) die("sem_init");
    for (int i = 0; i < LOCKS; i++) share(&locks[i]);
    call_parent();
    leave_robust();
    fork_with_own();
    return 0;
}
