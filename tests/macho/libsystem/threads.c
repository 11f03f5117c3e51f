// threads.c: threads, their attributes and thread-specific data. Attributes are Apple's opaque
// objects: a signature word and room behind it.
#define _GNU_SOURCE
#include <pthread.h>
#include <sched.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "../loader/loader.h"
#include "libsystem.h"

enum { MAX_THREADS = 4096 };

// Living threads and their kernel ids, which stand for Mach ports.
static struct {
    atomic_ulong thread;
    atomic_int id;
} threads[MAX_THREADS];

static atomic_bool threaded;

void be_threaded(void) {
    atomic_store(&threaded, true);
}

bool was_threaded(void) {
    return atomic_load(&threaded);
}

static void enroll(void) {
    for (int i = 0; i < MAX_THREADS; i++) {
        unsigned long free_slot = 0;
        if (!atomic_compare_exchange_strong(&threads[i].thread, &free_slot, pthread_self()))
            continue;
        atomic_store(&threads[i].id, gettid());
        return;
    }
    refuse("more than %d threads", MAX_THREADS);
}

static void leave(void *unused) {
    (void)unused;
    for (int i = 0; i < MAX_THREADS; i++) {
        unsigned long own = pthread_self();
        if (atomic_load(&threads[i].thread) != own) continue;
        atomic_store(&threads[i].id, 0);
        atomic_store(&threads[i].thread, 0);
        return;
    }
}

void start_threads(void) {
    own_token();
    enroll();
}

void threads_fork_child(void) {
    // is_threaded is 0 again (_pthread_atfork_child); objc looks at it before that.
    for (int i = 0; i < MAX_THREADS; i++) {
        atomic_store(&threads[i].thread, 0);
        atomic_store(&threads[i].id, 0);
    }
    enroll();
}

// The port of a thread: 0 if there is no such thread.
static unsigned pthread_mach_thread_np(pthread_t thread) {
    for (int i = 0; i < MAX_THREADS; i++)
        if (atomic_load(&threads[i].thread) == thread) return atomic_load(&threads[i].id);
    return 0;
}
EXPORT("_pthread_mach_thread_np", pthread_mach_thread_np)

static int pthread_threadid_np(pthread_t thread, uint64_t *id) {
    *id = thread == 0 ? (uint64_t)gettid() : pthread_mach_thread_np(thread);
    return *id != 0 ? 0 : ESRCH;
}
EXPORT("_pthread_threadid_np", pthread_threadid_np)

struct attributes {
    long signature;
    size_t stack_size;
    int detached;
};

static int attr_init(struct attributes *attributes) {
    *attributes = (struct attributes){0x54485241, 0, 0};
    return 0;
}
EXPORT("_pthread_attr_init", attr_init)

static int attr_destroy(struct attributes *attributes) {
    attributes->signature = 0;
    return 0;
}
EXPORT("_pthread_attr_destroy", attr_destroy)

static int attr_setstacksize(struct attributes *attributes, size_t size) {
    if (size < 16384) return EINVAL;
    attributes->stack_size = size;
    return 0;
}
EXPORT("_pthread_attr_setstacksize", attr_setstacksize)

static int attr_setdetachstate(struct attributes *attributes, int state) {
    attributes->detached = state == 2; // PTHREAD_CREATE_DETACHED
    return 0;
}
EXPORT("_pthread_attr_setdetachstate", attr_setdetachstate)

struct start {
    void *(*body)(void *);
    void *argument;
};

static void *run(void *argument) {
    struct start start = *(struct start *)argument;
    free(argument);
    void *result;
    enroll();
    pthread_cleanup_push(leave, NULL);
    result = start.body(start.argument);
    pthread_cleanup_pop(1);
    return result;
}

static int create(pthread_t *thread, const struct attributes *attributes, void *(*body)(void *),
                  void *argument) {
    be_threaded();
    struct start *start = malloc(sizeof *start);
    *start = (struct start){body, argument};
    pthread_attr_t host;
    pthread_attr_init(&host);
    if (attributes != NULL && attributes->stack_size > 0)
        pthread_attr_setstacksize(&host, attributes->stack_size);
    if (attributes != NULL && attributes->detached)
        pthread_attr_setdetachstate(&host, PTHREAD_CREATE_DETACHED);
    int error = pthread_create(thread, &host, run, start);
    pthread_attr_destroy(&host);
    return apple_error(error);
}
EXPORT("_pthread_create", create)

#define RETURNS_ERROR(name, parameters, arguments)                                                 \
    static int standin_##name parameters {                                                         \
        return apple_error(name arguments);                                                        \
    }                                                                                              \
    EXPORT("_" #name, standin_##name)

RETURNS_ERROR(pthread_join, (pthread_t thread, void **result), (thread, result))
RETURNS_ERROR(pthread_detach, (pthread_t thread), (thread))
RETURNS_ERROR(pthread_setspecific, (unsigned long key, const void *value), (key, value))
RETURNS_ERROR(pthread_key_delete, (unsigned long key), (key))
PASS(pthread_self)
PASS(pthread_equal)
PASS(pthread_exit)
PASS(sched_yield)

static int standin_is_threaded_np(void) {
    return was_threaded();
}
EXPORT("_pthread_is_threaded_np", standin_is_threaded_np)

static int standin_main_np(void) {
    return gettid() == getpid();
}
EXPORT("_pthread_main_np", standin_main_np)

// Apple's pthread_key_t has 64 bits.
static int key_create(unsigned long *key, void (*destructor)(void *)) {
    pthread_key_t host;
    int error = pthread_key_create(&host, destructor);
    *key = host;
    return apple_error(error);
}
EXPORT("_pthread_key_create", key_create)

static void *getspecific(unsigned long key) {
    return pthread_getspecific(key);
}
EXPORT("_pthread_getspecific", getspecific)

// The thread's own name; Linux keeps 15 characters.
static int setname_np(const char *name) {
    return prctl(PR_SET_NAME, name) == 0 ? 0 : apple_error(errno);
}
EXPORT("_pthread_setname_np", setname_np)

// One past the highest address of the stack.
static void *get_stackaddr_np(pthread_t thread) {
    pthread_attr_t attributes;
    void *low;
    size_t size;
    if (pthread_getattr_np(thread, &attributes) != 0) return NULL;
    pthread_attr_getstack(&attributes, &low, &size);
    pthread_attr_destroy(&attributes);
    return (char *)low + size;
}
EXPORT("_pthread_get_stackaddr_np", get_stackaddr_np)

static size_t get_stacksize_np(pthread_t thread) {
    pthread_attr_t attributes;
    size_t size = 0;
    if (pthread_getattr_np(thread, &attributes) != 0) return 0;
    pthread_attr_getstacksize(&attributes, &size);
    pthread_attr_destroy(&attributes);
    return size;
}
EXPORT("_pthread_get_stacksize_np", get_stacksize_np)

// Destructors of thread-local variables.
extern int __cxa_thread_atexit_impl(void (*)(void *), void *, void *);
extern void *__dso_handle;

static void tlv_atexit(void (*destructor)(void *), void *object) {
    __cxa_thread_atexit_impl(destructor, object, &__dso_handle);
}
EXPORT("__tlv_atexit", tlv_atexit)

static void never_reached(void) {
    refuse("a descriptor of a thread-local variable, or a lazy pointer, was not set up");
}
EXPORT("__tlv_bootstrap", never_reached)
EXPORT("dyld_stub_binder", never_reached)
