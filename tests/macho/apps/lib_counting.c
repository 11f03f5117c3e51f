// lib_counting.c: a small library with interpose tuples, for the tests of the loader itself. It
// counts what passes through it and says so at the end.
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static int forks, texts;

static pid_t counting_fork(void) {
    forks++;
    return fork();
}

static char *counting_getenv(const char *name) {
    texts++;
    return getenv(name);
}

// A weak import of something that the stand-in for libSystem lacks: the tuple has no effect.
extern void *notify_suspend(void) __attribute__((weak_import));

static void *never(void) {
    return NULL;
}

#define TUPLE(replacement, replacee)                                                               \
    { (const void *)(replacement), (const void *)(replacee) }

__attribute__((used, section("__DATA,__interpose,interposing"))) static const struct {
    const void *replacement, *replacee;
} pairs[] = {
    TUPLE(counting_fork, fork),
    TUPLE(counting_getenv, getenv),
    TUPLE(never, notify_suspend),
};

// What the library itself calls is never replaced.
__attribute__((constructor)) static void load(int argc, char **argv, char **envp, char **apple) {
    if (argc < 1 || argv[0] == NULL || envp == NULL || apple[0] == NULL) abort();
    if (getenv("COUNTING") == NULL) return;
    dprintf(2, "dylib loads\n");
}

__attribute__((destructor)) static void unload(void) {
    if (getenv("COUNTING") == NULL) return;
    dprintf(2, "dylib ends: %d forks, %d look-ups\n", forks, texts);
}
