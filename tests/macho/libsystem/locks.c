// locks.c: the locks of the model. Threads have tokens that are never given twice, and the thread
// that forks keeps its own in the child; so a waiter can tell whether the owner still exists, and a
// hang is proved instead of guessed from the time it takes.
#define _GNU_SOURCE
#include <linux/futex.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "../loader/loader.h"
#include "libsystem.h"

static atomic_int newest_token;
static __thread int token;
// In a forked child: tokens up to `last_lost` are of threads that are gone, but for the survivor's.
static int last_lost, survivor;

int own_token(void) {
    if (token == 0) token = atomic_fetch_add(&newest_token, 1) + 1;
    return token;
}

bool is_alive(int other) {
    return other > last_lost || other == survivor;
}

void forget_threads(void) {
    survivor = own_token();
    last_lost = atomic_load(&newest_token);
}

int futex_wait(atomic_int *word, int value, const struct timespec *relative) {
    return syscall(SYS_futex, word, FUTEX_WAIT, value, relative, NULL, 0) == 0 ? 0 : errno;
}

int futex_wake(atomic_int *word, int count) {
    return syscall(SYS_futex, word, FUTEX_WAKE, count, NULL, NULL, 0);
}

void hopeless(const char *what) {
    say("process %d waits for ever for %s, whose owner is not in it", getpid(), what);
    if (options.hang_status >= 0) _exit(options.hang_status);
    for (;;) pause();
}

bool lock_is_mine(const struct lock *lock) {
    return atomic_load(&lock->owner) == own_token();
}

bool lock_try(struct lock *lock) {
    int owner = 0;
    if (!lock_is_mine(lock) && !atomic_compare_exchange_strong(&lock->owner, &owner, own_token()))
        return false;
    lock->depth++;
    return true;
}

void lock_take(struct lock *lock, const char *name) {
    while (!lock_try(lock)) {
        int owner = atomic_load(&lock->owner);
        if (owner == 0) continue;
        if (!is_alive(owner)) hopeless(name);
        atomic_fetch_add(&lock->waiters, 1);
        futex_wait(&lock->owner, owner, NULL);
        atomic_fetch_sub(&lock->waiters, 1);
    }
}

void lock_leave(struct lock *lock) {
    if (!lock_is_mine(lock) || --lock->depth > 0) return;
    atomic_store(&lock->owner, 0);
    if (atomic_load(&lock->waiters) > 0) futex_wake(&lock->owner, 1);
}

void be_busy(int microseconds) {
    for (volatile int i = 0; i < microseconds * 500; i++) continue;
}

void model_enter(struct model_lock *lock) {
    lock_take(&lock->lock, lock->name);
    be_busy(10);
}

void model_leave(struct model_lock *lock) {
    lock_leave(&lock->lock);
}
