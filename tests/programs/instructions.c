// instructions.c: calls functions by name, so that callgrind counts the instructions of each.
//
//   instructions COUNT NAME...      calls each COUNT times, found as a program would find it
//
// For each, callgrind writes a file about these calls alone, whose trigger is the name. Behind the library
// stands another one, in which every function does what `nothing` does: what is counted is what comes
// before it.
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <valgrind/callgrind.h>

typedef long function(void *, void *, void *, void *, void *, void *, void *, void *, void *);

static void measure(const char *name, int count) {
    function *call = (function *)dlsym(RTLD_DEFAULT, name);
    if (call == NULL) {
        write(2, name, strlen(name));
        _exit(1);
    }
    // The first calls may find something out.
    for (int i = 0; i < 3; i++) call(0, 0, 0, 0, 0, 0, 0, 0, 0);
    CALLGRIND_ZERO_STATS;
    for (int i = 0; i < count; i++) call(0, 0, 0, 0, 0, 0, 0, 0, 0);
    CALLGRIND_DUMP_STATS_AT(name);
}

int main(int argc, char **argv) {
    if (argc < 3) return 2;
    measure("nothing", atoi(argv[1]));
    for (char **name = argv + 2; *name != NULL; name++) measure(*name, atoi(argv[1]));
    // No handler of exit(): it may be one that does nothing.
    _exit(0);
}
