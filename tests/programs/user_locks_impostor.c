// user_locks_impostor.c: mutexes (-DMUTEXES) or semaphores of another libc, which keeps them in another shape.
//
// What is in use is where this machine's libc has nothing. The program dies if anybody writes there.
#define _GNU_SOURCE
#include <linux/futex.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

#ifdef MUTEXES
enum { OF_LIBC = 24 };
#else
enum { OF_LIBC = 16 };
#endif

typedef struct {
    char of_libc[OF_LIBC];
    atomic_int state;
    int untouched;
} shape;

_Static_assert(sizeof(shape) <= sizeof(sem_t) && sizeof(shape) <= sizeof(pthread_mutex_t), "");

enum { FREE, TAKEN, WAITED_FOR };

static int take(shape *lock, int untouched) {
    if (lock->untouched != untouched) abort();
    int seen = FREE;
    if (atomic_compare_exchange_strong(&lock->state, &seen, TAKEN)) return 0;
    while (atomic_exchange(&lock->state, WAITED_FOR) != FREE)
        syscall(SYS_futex, &lock->state, FUTEX_WAIT_PRIVATE, WAITED_FOR, NULL);
    return 0;
}

static int give(shape *lock, int untouched) {
    if (lock->untouched != untouched) abort();
    if (atomic_exchange(&lock->state, FREE) == WAITED_FOR)
        syscall(SYS_futex, &lock->state, FUTEX_WAKE_PRIVATE, 1);
    return 0;
}

#ifdef MUTEXES

// Mutexes begin with zeroes, and may never see a function that initialises them. Whoever tries one instead of
// taking it finds libc's `pthread_mutex_trylock`, which has them all free.
int pthread_mutex_lock(pthread_mutex_t *mutex) { return take((shape *)mutex, 0); }
int pthread_mutex_unlock(pthread_mutex_t *mutex) { return give((shape *)mutex, 0); }

#else

enum { SEED = 0x5eed };

int sem_init(sem_t *semaphore, int shared, unsigned value) {
    *(shape *)semaphore = (shape){{shared}, value == 0 ? TAKEN : FREE, SEED};
    return 0;
}

int sem_wait(sem_t *semaphore) { return take((shape *)semaphore, SEED); }
int sem_post(sem_t *semaphore) { return give((shape *)semaphore, SEED); }

#endif
