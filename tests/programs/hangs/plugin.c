// A library with a lock of its own, for mutex.c; with HANDLER it takes it in the child of each fork, too.

#include <pthread.h>

static struct {
    long entries[4];
    pthread_mutex_t lock;
} table = {{0}, PTHREAD_MUTEX_INITIALIZER};

static pthread_mutex_t plugin_lock = PTHREAD_MUTEX_INITIALIZER;

void plugin_hold(void (*meanwhile)(void)) {
    pthread_mutex_lock(&plugin_lock);
    pthread_mutex_lock(&table.lock);
    meanwhile();
    pthread_mutex_unlock(&table.lock);
    pthread_mutex_unlock(&plugin_lock);
}

void plugin_use(void) {
    pthread_mutex_lock(&plugin_lock);
    pthread_mutex_unlock(&plugin_lock);
}

#ifdef HANDLER
static void plugin_in_child(void) {
    pthread_mutex_lock(&table.lock);
    pthread_mutex_unlock(&table.lock);
}

__attribute__((constructor)) static void plugin_begin(void) {
    pthread_atfork(NULL, NULL, plugin_in_child);
}
#endif
