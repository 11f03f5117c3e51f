// name: tcmalloc
// kind: C, an allocator with fork handlers of its own
// need: /usr/include/gperftools/tcmalloc.h libgoogle-perftools-dev
// need: pkg-config pkg-config
// flags: `echo -DVERSION='"'$(pkg-config --modversion libtcmalloc_minimal)'"' -ltcmalloc_minimal`
// forks: 400
// bare: works
#include "allocator.h"

int main(int argc, char **argv) { return play(argv, VERSION, allocates, allocate, HAMMERS); }
