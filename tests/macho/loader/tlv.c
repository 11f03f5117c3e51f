// tlv.c: thread-local variables. A descriptor {thunk, key, offset} in __thread_vars stands for a
// variable; calling the thunk with it gives the variable's address in the calling thread. The
// thunk, in machine.S, must keep every register but the result's (and x16, x17); it calls
// `tlv_allocate` when a thread uses an image's variables for the first time.
#define _GNU_SOURCE
#include <stdlib.h>
#include <string.h>

#include "loader.h"

struct descriptor {
    void (*thunk)(void);
    uint64_t key; // the image's index
    uint64_t offset;
};

// Blocks are never freed: variables with destructors outlive every hook at a thread's end.
__thread void *tlv_blocks[MAX_IMAGES];

extern void tlv_thunk(void);

void *tlv_allocate(const struct descriptor *descriptor) {
    const struct image *image = images[descriptor->key];
    void *block;
    if (posix_memalign(&block, 64, image->tlv_size) != 0) refuse("no memory for a thread");
    memcpy(block, image->tlv_template, image->tlv_size);
    tlv_blocks[descriptor->key] = block;
    return block;
}

struct span {
    uint64_t start, end;
};

static void find_contents(struct image *image, const struct section *section, void *context) {
    (void)image;
    struct span *span = context;
    int type = section->flags & 0xff;
    if (type != S_THREAD_LOCAL_REGULAR && type != S_THREAD_LOCAL_ZEROFILL) return;
    if (section->address < span->start) span->start = section->address;
    if (section->address + section->size > span->end) span->end = section->address + section->size;
}

static void set_thunks(struct image *image, const struct section *section, void *context) {
    const struct span *span = context;
    if ((section->flags & 0xff) != S_THREAD_LOCAL_VARIABLES) return;
    struct descriptor *descriptor = (void *)(section->address + image->slide);
    for (size_t i = 0; i < section->size / sizeof *descriptor; i++) {
        if (descriptor[i].offset >= span->end - span->start)
            refuse("%s: a thread-local variable outside of its section", image->path);
        descriptor[i].thunk = tlv_thunk;
        descriptor[i].key = image->index;
    }
}

void tlv_set_up(struct image *image) {
    struct span span = {UINT64_MAX, 0};
    image_sections(image, find_contents, &span);
    if (span.end == 0) return;
    image->tlv_size = span.end - span.start;
    // A copy: the program may not change it, and does not see that it exists.
    void *template = malloc(image->tlv_size);
    memcpy(template, (char *)(span.start + image->slide), image->tlv_size);
    image->tlv_template = template;
    image_sections(image, set_thunks, &span);
}
