// timing.h: a clock, and the calls and uses of locks that are measured.
#ifndef TIMING_H
#define TIMING_H

#include "../../tests/programs/calls.h"
#include "../../tests/programs/lock_pairs.h"

#include <inttypes.h>

static inline uint64_t now_ns(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

static void call_getpwnam_r(void) {
    struct passwd entry, *result;
    char text[1024];
    getpwnam_r("root", &entry, text, sizeof text, &result);
}

// An address that needs no look-up: with a name the kernel's answers about interfaces are read,
// and what that takes differs from run to run.
static void call_getaddrinfo_numeric(void) {
    struct addrinfo hints = {.ai_flags = AI_NUMERICHOST, .ai_socktype = SOCK_STREAM}, *list;
    if (getaddrinfo("127.0.0.1", NULL, &hints, &list) == 0) freeaddrinfo(list);
}

static inline call_fn *measured_call(const char *name) {
    if (strcmp(name, "getpwnam_r") == 0) return call_getpwnam_r;
    if (strcmp(name, "getaddrinfo_numeric") == 0) return call_getaddrinfo_numeric;
    const struct pair *pair = find_pair(name);
    if (pair != NULL) {
        make_locks();
        return pair->use;
    }
    const struct call *call = find_call(name);
    return call->child != NULL ? call->child : call->hammer;
}

#endif
