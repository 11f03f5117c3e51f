// loading.c: a child is forked while a thread is in the constructor of a library that it loads.
//
//   loading LIBRARY USE    the child calls exit(0) if USE is `exit`, or loads the library if it is `dlopen`,
//                          which musl refuses there
//
// LIBRARY is built of this file with -DLIBRARY; its constructor does not end before the fork is over.
#include "../storm.h"

#include <dlfcn.h>

#ifdef LIBRARY
extern atomic_bool in_constructor, over;

__attribute__((constructor)) static void construct(void) {
    atomic_store(&in_constructor, true);
    while (!atomic_load(&over)) usleep(1000);
}
#else
atomic_bool in_constructor, over;
static const char *library, *use;

static void *load(void *unused) {
    if (dlopen(library, RTLD_NOW) == NULL) die("dlopen: %s", dlerror());
    return unused;
}

static void child(void) {
    if (strcmp(use, "exit") == 0) exit(0);
    _exit(dlopen(library, RTLD_NOW) != NULL);
}

int main(int argc, char **argv) {
    if (argc != 3) die("usage: loading LIBRARY exit|dlopen");
    library = argv[1];
    use = argv[2];
    pthread_t thread;
    start_thread(&thread, load, NULL);
    while (!atomic_load(&in_constructor)) sched_yield();
    struct tally tally = {0};
    count(&tally, fork_once(NULL, child));
    atomic_store(&over, true);
    pthread_join(thread, NULL);
    return report(tally);
}
#endif
