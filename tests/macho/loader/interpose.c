// interpose.c: the pairs {replacement, replacee} of an image's __interpose section.
#include <stdio.h>
#include <string.h>

#include "loader.h"

struct tuple tuples[1024];
int tuple_count;

static void read_section(struct image *image, const struct section *section, void *context) {
    (void)context;
    int type = section->flags & 0xff;
    // macOS 11 takes the section's type, or its full name.
    bool named = strncmp(section->name, "__interpose", 16) == 0 &&
                 strncmp(section->segment, "__DATA", 16) == 0;
    if (type != S_INTERPOSING && !named) return;
    void *(*pair)[2] = (void *)(section->address + image->slide);
    for (size_t i = 0; i < section->size / sizeof *pair; i++) {
        if (tuple_count == sizeof tuples / sizeof *tuples) refuse("too many tuples");
        struct tuple *tuple = &tuples[tuple_count++];
        *tuple = (struct tuple){image, NULL, pair[i][0], type};
        if (pair[i][1] == NULL) continue;
        tuple->symbol = trampoline_symbol(pair[i][1]);
        if (tuple->symbol == NULL)
            refuse("%s: the replacee of tuple %zu is not an import", image->path, i);
        if (image_at(pair[i][0]) != image)
            refuse("%s: the replacement of %s is not its own", image->path, tuple->symbol);
    }
}

void read_tuples(struct image *image) {
    // Those of the executable, and of what is loaded later, have no effect.
    if (image->header->type != TYPE_DYLIB || strcmp(image->label, "plugin") == 0) return;
    image_sections(image, read_section, NULL);
}

void print_tuples(void) {
    for (int i = 0; i < tuple_count; i++) {
        const char *symbol = tuples[i].symbol != NULL ? tuples[i].symbol : "(missing)";
        printf("%s %#x\n", symbol, tuples[i].section_type);
    }
}
