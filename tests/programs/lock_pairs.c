// lock_pairs.c: uses each kind of lock, so that callgrind counts the instructions of one use.
//
//   lock_pairs COUNT      uses each COUNT times
//
// For each, callgrind writes a file about these uses alone, whose trigger is the name. The locks are free.
#include "lock_pairs.h"

#include <stdlib.h>
#include <unistd.h>
#include <valgrind/callgrind.h>

int main(int argc, char **argv) {
    if (argc != 2) return 2;
    int count = atoi(argv[1]);
    make_locks();
    for (size_t i = 0; i < sizeof pairs / sizeof pairs[0]; i++) {
        // The first uses may find something out.
        for (int warm = 0; warm < 3; warm++) pairs[i].use();
        CALLGRIND_ZERO_STATS;
        for (int j = 0; j < count; j++) pairs[i].use();
        CALLGRIND_DUMP_STATS_AT(pairs[i].name);
    }
    _exit(0);
}
