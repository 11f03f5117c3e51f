// exit.c: the end of a process (Libc's stdlib/FreeBSD/atexit.c). One mutex guards the list of
// functions; no fork takes it. dyld runs the images' terminators after the functions.
#define _GNU_SOURCE
#include <stdlib.h>
#include <unistd.h>

#include "../loader/loader.h"
#include "libsystem.h"

enum { MAX_FUNCTIONS = 4096 };

static struct {
    void (*function)(void *);
    void *argument;
} functions[MAX_FUNCTIONS];
static int function_count;
static struct model_lock atexit_lock = {.name = "the lock of atexit"};

static int standin___cxa_atexit(void (*function)(void *), void *argument, void *image) {
    (void)image;
    model_enter(&atexit_lock);
    int result = -1;
    if (function_count < MAX_FUNCTIONS) {
        functions[function_count].function = function;
        functions[function_count++].argument = argument;
        result = 0;
    }
    model_leave(&atexit_lock);
    return result;
}
EXPORT("___cxa_atexit", standin___cxa_atexit)

static int standin_atexit(void (*function)(void)) {
    return standin___cxa_atexit((void (*)(void *))function, NULL, NULL);
}
EXPORT("_atexit", standin_atexit)

// A block: an object whose third word is the function, to be called with the block.
static int standin_atexit_b(void **block) {
    return standin___cxa_atexit((void (*)(void *))block[2], block, NULL);
}
EXPORT("_atexit_b", standin_atexit_b)

// NULL: of all images.
static void standin___cxa_finalize(const void *image) {
    (void)image;
    lock_take(&atexit_lock.lock, atexit_lock.name);
    while (function_count > 0) {
        void (*function)(void *) = functions[--function_count].function;
        void *argument = functions[function_count].argument;
        // Free while it runs: it may register another one.
        lock_leave(&atexit_lock.lock);
        function(argument);
        lock_take(&atexit_lock.lock, atexit_lock.name);
    }
    lock_leave(&atexit_lock.lock);
}

__attribute__((noreturn)) static void standin__exit(int status) {
    first_process_ends();
    _exit(status);
}
EXPORT("__exit", standin__exit)
EXPORT("__Exit", standin__exit)

void standin_exit(int status) {
    standin___cxa_finalize(NULL);
    for (int i = image_count; i-- > 0;) image_terminate(images[i]);
    flush_at_exit();
    standin__exit(status);
}
EXPORT("_exit", standin_exit)

__attribute__((noreturn)) static void standin_abort(void) {
    first_process_ends();
    abort();
}
EXPORT("_abort", standin_abort)

extern void start_environment(void), start_threads(void), start_dyld(int argc, char **argv);

void libsystem_start(int argc, char **argv) {
    start_threads();
    start_environment();
    start_dyld(argc, argv);
}
