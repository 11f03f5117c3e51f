// parts_plugin.c: needs librt, libresolv, libanl and libutil where they are apart from libc.
#define _GNU_SOURCE
#include <netdb.h>
#include <resolv.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <utmp.h>

// The name that it has in all versions; headers since 2.34 use another one.
int __res_mkquery(int, const char *, int, int, const unsigned char *, int, const unsigned char *, unsigned char *, int);

int call_parts(void) {
    timer_t timer;
    struct sigevent event = {.sigev_notify = SIGEV_NONE};
    printf("timer_create: %d\n", timer_create(CLOCK_MONOTONIC, &event, &timer));
    printf("timer_delete: %d\n", timer_delete(timer));
    unsigned char query[512];
    int length = __res_mkquery(ns_o_query, "localhost", ns_c_in, ns_t_a, NULL, 0, NULL, query, sizeof query);
    printf("res_mkquery: %d bytes\n", length);
    printf("gai_cancel: %s\n", gai_cancel(NULL) == EAI_ALLDONE ? "all done" : "?");
    // Who is not logged in cannot log out.
    printf("logout: %d\n", logout("no such line"));
    return 0;
}
