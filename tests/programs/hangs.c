// hangs.c: libc calls whose internal lock a vanished thread holds in a forked child.
//
//   hangs CALL FORKS MAX_HANGS     two threads make CALL all the time, each child once
//   hangs list                     every call of calls.h, one a line, after its family
//
// Bare, the child waits for ever for a lock of libc that nobody holds any more.
#include "calls.h"

int main(int argc, char **argv) {
    if (argc == 2 && strcmp(argv[1], "list") == 0) return list_calls();
    if (argc != 4) die("usage: hangs CALL FORKS MAX_HANGS | hangs list");
    const struct call *call = find_call(argv[1]);
    call_fn *child = call->child != NULL ? call->child : call->hammer;
    return report(storm((struct storm){atoi(argv[2]), atoi(argv[3]), 2, call->hammer, child, NULL}));
}
