// lock_gate.c: a preload library whose gate is a pthread_rwlock_t: who takes a mutex is a reader until it gives it
// back. The obvious way to keep a fork out of critical sections, for mutexes alone.
#define _GNU_SOURCE
#include <dlfcn.h>
#include <pthread.h>

static pthread_rwlock_t gate = PTHREAD_RWLOCK_INITIALIZER;
static int (*next_lock)(pthread_mutex_t *), (*next_unlock)(pthread_mutex_t *);

__attribute__((constructor)) static void look_up(void) {
    *(void **)&next_lock = dlsym(RTLD_NEXT, "pthread_mutex_lock");
    *(void **)&next_unlock = dlsym(RTLD_NEXT, "pthread_mutex_unlock");
}

int pthread_mutex_lock(pthread_mutex_t *mutex) {
    pthread_rwlock_rdlock(&gate);
    int result = next_lock(mutex);
    if (result != 0) pthread_rwlock_unlock(&gate);
    return result;
}

int pthread_mutex_unlock(pthread_mutex_t *mutex) {
    int result = next_unlock(mutex);
    if (result == 0) pthread_rwlock_unlock(&gate);
    return result;
}
