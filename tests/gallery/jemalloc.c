// name: jemalloc
// kind: C, an allocator with fork handlers of its own
// need: /usr/include/jemalloc/jemalloc.h libjemalloc-dev
// need: pkg-config pkg-config
// flags: `echo -DVERSION='"'$(pkg-config --modversion jemalloc | sed s/[-_].*//)'"' -ljemalloc`
// forks: 400
// bare: works
#include "allocator.h"

int main(int argc, char **argv) { return play(argv, VERSION, allocates, allocate, HAMMERS); }
