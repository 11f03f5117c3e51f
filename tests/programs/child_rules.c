// child_rules.c: nothing allocates in a child before fork has returned in it.
//
// The program brings its own malloc. It ends the process if that is called in the child between the
// application's last prepare handler and its first child handler, which is where forkfix runs.
// Bare, the same must hold of libc.
#include "storm.h"

#include <sys/mman.h>

static atomic_int forbidden; // the process that forks; anybody else must not allocate

static void *take(size_t size) {
    int forker = atomic_load(&forbidden);
    if (forker != 0 && forker != getpid()) {
        static const char sorry[] = "somebody allocates in the child before fork returns\n";
        if (write(2, sorry, sizeof sorry - 1) < 0) _exit(98);
        _exit(97);
    }
    // Nothing is given back, so a slow machine takes more.
    static _Alignas(16) char arena[1 << 29];
    static atomic_size_t used;
    size_t rounded = (size + 16 + 15) & ~(size_t)15;
    size_t start = atomic_fetch_add(&used, rounded);
    if (start + rounded > sizeof arena) _exit(96);
    char *block = arena + start;
    *(size_t *)block = size;
    return block + 16;
}

void *malloc(size_t size) { return take(size); }
void free(void *memory) { (void)memory; }
void *calloc(size_t count, size_t size) { return take(count * size); }
void *realloc(void *old, size_t size) {
    void *new = take(size);
    size_t before = old == NULL ? 0 : *(size_t *)((char *)old - 16);
    if (old != NULL) memcpy(new, old, before < size ? before : size);
    return new;
}

static void forbid(void) { atomic_store(&forbidden, getpid()); }
static void allow(void) { atomic_store(&forbidden, 0); }

static void hammer(void) { localtime(&(time_t){0}); }

int main(int argc, char **argv) {
    if (argc != 2) die("usage: child_rules FORKS");
    pthread_atfork(forbid, allow, allow);
    return report(storm((struct storm){atoi(argv[1]), 1, 2, hammer, hammer, NULL}));
}
