// image.c: maps a Mach-O file into memory and finds its parts.
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "loader.h"

#ifdef __x86_64__
enum { OWN_CPU = CPU_X86_64 };
#else
enum { OWN_CPU = CPU_ARM64 };
#endif

enum { PAGE = 16384 };

struct image *images[MAX_IMAGES];
int image_count;

// Maps the file; `*size` is 0 if it cannot be read.
static const char *map_file(const char *path, size_t *size) {
    *size = 0;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return NULL;
    struct stat status;
    void *file = MAP_FAILED;
    if (fstat(fd, &status) == 0 && status.st_size >= (off_t)sizeof(struct mach_header))
        file = mmap(NULL, status.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
    close(fd);
    if (file == MAP_FAILED) return NULL;
    *size = status.st_size;
    return file;
}

// The slice for this machine, as dyld chooses it from a universal file.
static const char *slice(const char *file, size_t *size) {
    const struct fat_header *fat = (const void *)file;
    if (__builtin_bswap32(fat->magic) != MAGIC_FAT) return file;
    const struct fat_arch *arch = (const void *)(fat + 1);
    for (uint32_t i = 0; i < __builtin_bswap32(fat->count); i++) {
        if (__builtin_bswap32(arch[i].cpu) != OWN_CPU) continue;
        *size = __builtin_bswap32(arch[i].size);
        return file + __builtin_bswap32(arch[i].offset);
    }
    return NULL;
}

int image_type(const char *path) {
    size_t size;
    const char *file = map_file(path, &size);
    if (file == NULL) return 0;
    size_t slice_size = size;
    const struct mach_header *header = (const void *)slice(file, &slice_size);
    int type = header != NULL && header->magic == MAGIC_64 ? (int)header->type : 0;
    munmap((void *)file, size);
    return type;
}

static void add_dependency(struct image *image, const struct dylib_command *command) {
    if (image->dependency_count == MAX_DEPENDENCIES)
        refuse("%s: more than %d dependencies", image->path, MAX_DEPENDENCIES);
    int i = image->dependency_count++;
    image->dependencies[i] = (const char *)command + command->name_offset;
    image->weak_dependency[i] = command->command == LC_LOAD_WEAK_DYLIB;
}

static void read_command(struct image *image, const struct load_command *command) {
    switch (command->command) {
    case LC_SEGMENT_64:
        if (image->segment_count == MAX_SEGMENTS)
            refuse("%s: more than %d segments", image->path, MAX_SEGMENTS);
        image->segments[image->segment_count++] = (const void *)command;
        break;
    case LC_SYMTAB: image->symtab = (const void *)command; break;
    case LC_DYLD_INFO_ONLY: image->dyld_info = (const void *)command; break;
    case LC_DYLD_CHAINED_FIXUPS: image->chained = (const void *)command; break;
    case LC_DYLD_EXPORTS_TRIE: image->exports = (const void *)command; break;
    case LC_MAIN: image->main = (const void *)command; break;
    case LC_LOAD_DYLIB:
    case LC_LOAD_WEAK_DYLIB: add_dependency(image, (const void *)command); break;
    case LC_BUILD_VERSION:
        if (((const struct build_version_command *)command)->platform != PLATFORM_MACOS)
            refuse("%s is not built for macOS", image->path);
        break;
    case LC_DYSYMTAB:
    case LC_ID_DYLIB:
    case LC_LOAD_DYLINKER:
    case LC_UUID:
    case LC_CODE_SIGNATURE:
    case LC_SEGMENT_SPLIT_INFO:
    case LC_FUNCTION_STARTS:
    case LC_DATA_IN_CODE:
    case LC_SOURCE_VERSION: break; // nothing that running the code needs
    default: refuse("%s: load command %#x is not implemented", image->path, command->command);
    }
}

static void read_commands(struct image *image) {
    const char *at = (const char *)(image->header + 1);
    for (uint32_t i = 0; i < image->header->command_count; i++) {
        const struct load_command *command = (const void *)at;
        if (command->size < sizeof *command) refuse("%s: a broken load command", image->path);
        read_command(image, command);
        at += command->size;
    }
    if (image->dyld_info == NULL && image->chained == NULL)
        refuse("%s has neither LC_DYLD_INFO_ONLY nor LC_DYLD_CHAINED_FIXUPS", image->path);
}

// Copies the segments into one piece of memory. Copied and not mapped: the file's pages may be
// smaller than this machine's.
static void map_segments(struct image *image) {
    uint64_t low = UINT64_MAX, high = 0, header = 0;
    for (int i = 0; i < image->segment_count; i++) {
        const struct segment_command *segment = image->segments[i];
        if (segment->protection == 0 && segment->file_size == 0) continue; // __PAGEZERO
        if (segment->address < low) low = segment->address;
        if (segment->address + segment->memory_size > high)
            high = segment->address + segment->memory_size;
        if (segment->file_offset == 0 && segment->file_size != 0) header = segment->address;
    }
    image->size = (high - low + PAGE - 1) / PAGE * PAGE;
    char *memory = mmap(NULL, image->size + PAGE, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED) refuse("%s: no memory", image->path);
    memory = (char *)(((uintptr_t)memory + PAGE - 1) / PAGE * PAGE);
    image->slide = (intptr_t)memory - (intptr_t)low;
    image->base = (char *)(header + image->slide);
    for (int i = 0; i < image->segment_count; i++) {
        const struct segment_command *segment = image->segments[i];
        if (segment->file_size == 0) continue;
        if (segment->file_offset + segment->file_size > image->file_size)
            refuse("%s is shorter than its segment %.16s", image->path, segment->name);
        memcpy((char *)(segment->address + image->slide), image->file + segment->file_offset,
               segment->file_size);
    }
}

void image_protect(struct image *image) {
    for (int i = 0; i < image->segment_count; i++) {
        const struct segment_command *segment = image->segments[i];
        if (segment->protection == 0 && segment->file_size == 0) continue;
        char *start = (char *)(segment->address + image->slide);
        // 1, 2 and 4 mean read, write and execute here as there.
        int protection = segment->protection;
        if (strncmp(segment->name, "__DATA_CONST", 16) == 0) protection = PROT_READ;
        if (segment->memory_size == 0) continue;
        if (mprotect(start, segment->memory_size, protection) != 0)
            refuse("%s: segment %.16s cannot be protected", image->path, segment->name);
        if (protection & PROT_EXEC) __builtin___clear_cache(start, start + segment->memory_size);
    }
}

struct image *image_load(const char *path, const char *label) {
    if (image_count == MAX_IMAGES) refuse("more than %d images", MAX_IMAGES);
    struct image *image = calloc(1, sizeof *image);
    if (realpath(path, image->path) == NULL) refuse("%s is not there", path);
    image->label = label;
    image->file = map_file(path, &image->file_size);
    if (image->file == NULL) refuse("%s cannot be read", path);
    image->file = slice(image->file, &image->file_size);
    if (image->file == NULL) refuse("%s has no slice for this architecture", path);
    image->header = (const void *)image->file;
    if (image->header->magic != MAGIC_64) refuse("%s is no Mach-O file of 64 bits", path);
    if (image->header->cpu != OWN_CPU) refuse("%s is for another architecture", path);
    image->index = image_count;
    images[image_count++] = image;
    read_commands(image);
    map_segments(image);
    fix_up(image);
    read_tuples(image);
    tlv_set_up(image);
    image_protect(image);
    return image;
}

void image_sections(struct image *image, section_fn *visit, void *context) {
    for (int i = 0; i < image->segment_count; i++) {
        const struct section *section = (const void *)(image->segments[i] + 1);
        for (uint32_t j = 0; j < image->segments[i]->section_count; j++)
            visit(image, &section[j], context);
    }
}

struct initialising {
    int argc;
    char **argv, **envp, **apple;
};

// The fifth argument of initialisers, dyld's struct ProgramVars.
static struct program_variables {
    const void *header;
    int *argc;
    char ***argv, ***envp;
    const char **name;
} variables;

typedef void initialiser(int, char **, char **, char **, const struct program_variables *);

static void initialise_section(struct image *image, const struct section *section, void *context) {
    const struct initialising *with = context;
    int type = section->flags & 0xff;
    size_t step = type == S_INIT_FUNCTION_OFFSETS ? sizeof(uint32_t) : sizeof(void *);
    if (type != S_MOD_INIT_FUNCTIONS && type != S_INIT_FUNCTION_OFFSETS) return;
    for (size_t at = 0; at + step <= section->size; at += step) {
        char *entry = (char *)(section->address + image->slide) + at;
        initialiser *function = type == S_INIT_FUNCTION_OFFSETS
                                    ? (initialiser *)(image->base + *(uint32_t *)entry)
                                    : *(initialiser **)entry;
        function(with->argc, with->argv, with->envp, with->apple, &variables);
    }
}

void image_initialise(struct image *image, int argc, char **argv, char **envp, char **apple) {
    struct initialising with = {argc, argv, envp, apple};
    variables.header = image->base;
    image_sections(image, initialise_section, &with);
}

static void terminate_section(struct image *image, const struct section *section, void *context) {
    (void)context;
    if ((section->flags & 0xff) != S_MOD_TERM_FUNCTIONS) return;
    void (**functions)(void) = (void *)(section->address + image->slide);
    for (size_t i = section->size / sizeof *functions; i-- > 0;) functions[i]();
}

void image_terminate(struct image *image) {
    image_sections(image, terminate_section, NULL);
}

struct image *image_at(const void *address) {
    for (int i = 0; i < image_count; i++) {
        const char *base = images[i]->base;
        if ((const char *)address >= base && (const char *)address < base + images[i]->size)
            return images[i];
    }
    return NULL;
}

const char *image_symbol_near(const struct image *image, const void *address, uintptr_t *start) {
    const char *best = NULL;
    *start = 0;
    if (image->symtab == NULL) return NULL;
    const struct symbol_entry *entry = (const void *)(image->file + image->symtab->symbol_offset);
    for (uint32_t i = 0; i < image->symtab->symbol_count; i++) {
        uintptr_t value = entry[i].value + image->slide;
        bool defined = (entry[i].type & SYMBOL_DEBUG) == 0 &&
                       (entry[i].type & SYMBOL_TYPE) == SYMBOL_IN_SECTION;
        if (!defined || value > (uintptr_t)address || value < *start) continue;
        *start = value;
        best = image->file + image->symtab->string_offset + entry[i].string;
    }
    return best;
}
