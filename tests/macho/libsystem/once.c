// once.c: one-time initialisation. Apple's os_once (libplatform src/os/lock.c) keeps the owner's
// thread port in the gate; in a child the kernel does not find that port, and the waiter aborts.
#include <stdlib.h>

#include "../loader/loader.h"
#include "libsystem.h"

enum { DONE = -1 };

void os_once(struct once *once, void (*function)(void *), void *context) {
    for (;;) {
        int state = 0;
        if (atomic_compare_exchange_strong(&once->state, &state, own_token())) {
            function(context);
            atomic_store(&once->state, DONE);
            futex_wake(&once->state, 1 << 30);
            return;
        }
        if (state == DONE) return;
        if (!is_alive(state)) {
            say("BUG IN CLIENT OF LIBPLATFORM: os_once_t is corrupt");
            abort();
        }
        futex_wait(&once->state, state, NULL);
    }
}
