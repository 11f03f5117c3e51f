// timing.h: a clock, and the calls that are measured.
#ifndef TIMING_H
#define TIMING_H

#include "../../tests/programs/calls.h"

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

static inline call_fn *measured_call(const char *name) {
    if (strcmp(name, "getpwnam_r") == 0) return call_getpwnam_r;
    const struct call *call = find_call(name);
    return call->child != NULL ? call->child : call->hammer;
}

#endif
