// trampolines.c: every import of an image that is a function is bound to a trampoline of its own,
// which counts the call and goes on to the target. So calls can be told apart by who made them,
// a traced one says so, and one of an unknown function ends the process with its name.
#define _GNU_SOURCE
#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "loader.h"

enum { MAX_TRAMPOLINES = 4096, CODE_SIZE = 32, CODE_ADDRESS = 1 };

// The first three words are known to machine.S.
struct entry {
    atomic_ulong *count;
    void (*go)(void);
    void *target;
    const char *symbol;
    const char *label; // of the image
};

static struct entry entries[MAX_TRAMPOLINES];
static int entry_count;
static atomic_ulong *counts; // shared, so that calls in children count
static unsigned char *code;
static const char *trace_list;

extern void count_and_go(void), trace_and_go(void), trap(void);

static void allocate(void) {
    size_t size = MAX_TRAMPOLINES * sizeof *counts;
    counts = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    code = mmap(NULL, MAX_TRAMPOLINES * CODE_SIZE, PROT_READ | PROT_WRITE | PROT_EXEC,
                MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (counts == MAP_FAILED || code == MAP_FAILED) refuse("no memory for trampolines");
}

static void write_code(unsigned char *at, const struct entry *entry) {
    uint64_t words[2] = {(uint64_t)entry, (uint64_t)entry->go};
#ifdef __x86_64__
    // movabs entry, %r11; movabs go, %r10; jmp *%r10
    memcpy(at, "\x49\xbb", 2);
    memcpy(at + 2, &words[0], 8);
    memcpy(at + 10, "\x49\xba", 2);
    memcpy(at + 12, &words[1], 8);
    memcpy(at + 20, "\x41\xff\xe2", 3);
#else
    // ldr x16, .+16; ldr x17, .+20; br x17; nop; entry; go
    const uint32_t instructions[] = {0x58000090, 0x580000b1, 0xd61f0220, 0xd503201f};
    memcpy(at, instructions, sizeof instructions);
    memcpy(at + 16, words, sizeof words);
#endif
    __builtin___clear_cache((char *)at, (char *)at + CODE_SIZE);
}

void *trampoline_for(const struct image *image, const char *symbol, void *target) {
    if (code == NULL) allocate();
    for (int i = 0; i < entry_count; i++)
        if (entries[i].label == image->label && strcmp(entries[i].symbol, symbol) == 0)
            return code + i * CODE_SIZE;
    if (entry_count == MAX_TRAMPOLINES) refuse("more than %d imports", MAX_TRAMPOLINES);
    struct entry *entry = &entries[entry_count];
    *entry = (struct entry){&counts[entry_count], count_and_go, target, symbol, image->label};
    if (traced(symbol + (*symbol == '_'))) entry->go = trace_and_go;
    if (target == NULL) entry->go = trap;
    unsigned char *at = code + entry_count++ * CODE_SIZE;
    write_code(at, entry);
    return at;
}

const char *trampoline_symbol(const void *address) {
    ptrdiff_t offset = (const unsigned char *)address - code;
    bool own = code != NULL && offset >= 0 && offset < (ptrdiff_t)entry_count * CODE_SIZE;
    return own ? entries[offset / CODE_SIZE].symbol : NULL;
}

void trace_symbols(const char *list) {
    trace_list = list;
}

bool traced(const char *name) {
    size_t length = strlen(name);
    for (const char *at = trace_list; at != NULL && *at != '\0';) {
        size_t word = strcspn(at, ",");
        if (word == length && strncmp(at, name, length) == 0) return true;
        at += word;
        at += *at == ',';
    }
    return false;
}

void trace(const char *origin, const char *what) {
    char line[1200];
    int error = errno;
    int length = snprintf(line, sizeof line, "trace: %d %s %s\n", getpid(), origin, what);
    if (write(2, line, length) != length) _exit(98);
    errno = error;
}

void trace_call(const struct entry *entry) {
    trace(entry->label, entry->symbol + (*entry->symbol == '_'));
}

__attribute__((noreturn)) void trap_call(const struct entry *entry) {
    say("process %d: %s calls %s, for which there is no stand-in", getpid(), entry->label,
        entry->symbol);
    abort();
}

void write_counts(const char *path) {
    FILE *file = fopen(path, "w");
    if (file == NULL) refuse("%s cannot be written", path);
    for (int i = 0; i < entry_count; i++) {
        unsigned long count = atomic_load(entries[i].count);
        if (count > 0)
            fprintf(file, "%s %s %lu\n", entries[i].label, entries[i].symbol, count);
    }
    if (fclose(file) != 0) refuse("%s cannot be written", path);
}

void print_unknown(void) {
    for (int i = 0; i < entry_count; i++)
        if (entries[i].target == NULL) printf("%s\n", entries[i].symbol);
}
