// allocator.h: children allocate while threads of the parent do.
#include "gallery.h"

// Blocks of many sizes keep what is written to them.
static bool allocates(void) {
    bool kept = true;
    char *blocks[200];
    for (int i = 0; i < 200; i++) {
        blocks[i] = (char *)malloc(8 + 4 * i);
        memset(blocks[i], i, 8 + 4 * i);
    }
    for (int i = 0; i < 200; i++) {
        kept = kept && (unsigned char)blocks[i][7 + 4 * i] == i;
        free(blocks[i]);
    }
    return kept;
}

static void allocate(void) { allocates(); }
