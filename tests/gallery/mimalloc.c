// name: mimalloc
// kind: C, an allocator without locks
// need: /usr/include/mimalloc.h libmimalloc-dev
// flags: -lmimalloc
// forks: 400
// bare: works
#include "allocator.h"

#include <mimalloc.h>

int main(int argc, char **argv) {
    char version[99];
    snprintf(version, sizeof version, "%d.%d.%d", mi_version() / 100, mi_version() / 10 % 10, mi_version() % 10);
    return play(argv, version, allocates, allocate, HAMMERS);
}
