// loader.h: what the files of the loader share.
#ifndef LOADER_H
#define LOADER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "macho.h"

enum { MAX_IMAGES = 16, MAX_SEGMENTS = 16, MAX_DEPENDENCIES = 16 };

// A Mach-O image in memory.
struct image {
    char path[4096];
    const char *label;        // in the output: dylib, app, plugin
    int index;                // in `images`
    const char *file;         // the slice for this machine
    size_t file_size;
    const struct mach_header *header; // in `file`
    char *base;               // where the segment with the header is mapped
    size_t size;
    intptr_t slide;           // what is added to addresses in the file
    const struct segment_command *segments[MAX_SEGMENTS];
    int segment_count;
    const char *dependencies[MAX_DEPENDENCIES];
    bool weak_dependency[MAX_DEPENDENCIES];
    int dependency_count;
    const struct symtab_command *symtab;
    const struct dyld_info_command *dyld_info;
    const struct data_command *chained, *exports;
    const struct main_command *main;
    const void *tlv_template; // what each thread's block starts as
    size_t tlv_size;
};

extern struct image *images[MAX_IMAGES];
extern int image_count;

// A pair of the section __DATA,__interpose, and who has it.
struct tuple {
    const struct image *owner;
    const char *symbol; // NULL: a weak import that is missing
    void *replacement;
    int section_type;
};

extern struct tuple tuples[1024];
extern int tuple_count;

// image.c
struct image *image_load(const char *path, const char *label);
int image_type(const char *path); // TYPE_EXECUTE, TYPE_DYLIB, or 0 if it is no Mach-O file
void image_protect(struct image *image);
void image_initialise(struct image *image, int argc, char **argv, char **envp, char **apple);
void image_terminate(struct image *image);
struct image *image_at(const void *address);
typedef void section_fn(struct image *image, const struct section *section, void *context);
void image_sections(struct image *image, section_fn *visit, void *context);
const char *image_symbol_near(const struct image *image, const void *address, uintptr_t *start);

// fixups.c, chained.c
void fix_up(struct image *image);
void fix_up_chained(struct image *image);

// bind.c: the address for the import `symbol` of `image`. 0 for a weak import that is missing.
void *bind(struct image *image, int ordinal, const char *symbol, bool weak);
// Under the name it has in C; what the program's own call of `dlsym` gives.
void *find_for_dlsym(const char *name);
// What a call from one library of libSystem to another reaches: a replacement, if there is one.
void *interposed(const char *symbol, void *original);
void hide_symbol(const char *symbol);

// exports.c: NULL if the image does not export it.
void *image_export(struct image *image, const char *symbol);
uint64_t read_uleb(const uint8_t **at, const uint8_t *end);
int64_t read_sleb(const uint8_t **at, const uint8_t *end);

// interpose.c
void read_tuples(struct image *image);
void print_tuples(void);

// tlv.c
void tlv_set_up(struct image *image);

// trampolines.c: one for each import of each image.
void *trampoline_for(const struct image *image, const char *symbol, void *target);
const char *trampoline_symbol(const void *address);
void trace_symbols(const char *list);
bool traced(const char *name);
void trace(const char *origin, const char *what);
void write_counts(const char *path);
void print_unknown(void);

// report.c
__attribute__((noreturn, format(printf, 1, 2))) void refuse(const char *format, ...);
__attribute__((format(printf, 1, 2))) void say(const char *format, ...);
void report_crashes(void);

// main.c
extern struct options {
    const char *calls;   // where the counts go
    const char *again;   // the command to run another Mach-O program with
    int hang_status;     // >= 0: a thread that would wait for ever ends the process with it
} options;
struct image *load_later(const char *path);
void first_process_ends(void);

#endif
