// cancellation.c: a thread is cancelled while it makes libc calls.
//
//   cancellation CALL     prints whether the cancellation took effect; forks afterwards
//   cancellation list     every call of calls.h, one a line, after its family
//
// With and without the library it must print the same, and no later fork may wait for the
// thread that is gone.
#include "calls.h"

#include <dlfcn.h>

static atomic_bool called, cancel_sent;

// Makes the call until it is cancelled, but no more than some thousand times: libc itself reaches
// a cancellation point in some of these calls only now and then.
static void *call_many_times(void *argument) {
    call_fn *call = *(call_fn **)argument;
    while (!atomic_load(&cancel_sent)) {
        call();
        atomic_store(&called, true);
    }
    for (int i = 0; i < 3000; i++) call();
    return NULL;
}

static void end(void) {}

int main(int argc, char **argv) {
    if (argc != 2) die("usage: cancellation CALL | cancellation list");
    if (strcmp(argv[1], "list") == 0) return list_calls();
    const struct call *row = find_call(argv[1]);
    // What cancels a thread is loaded first: a set-up may hide the loader's files.
    if (dlopen("libgcc_s.so.1", RTLD_NOW) == NULL) die("%s", dlerror());
    set_up(row);
    call_fn *call = row->child != NULL ? row->child : row->hammer;
    pthread_t thread;
    start_thread(&thread, call_many_times, &call);
    while (!atomic_load(&called)) sched_yield();
    pthread_cancel(thread);
    atomic_store(&cancel_sent, true);
    void *result;
    pthread_join(thread, &result);
    printf("%s\n", result == PTHREAD_CANCELED ? "cancelled" : "not cancelled");
    return report(storm((struct storm){.forks = 20, .child = end}));
}
