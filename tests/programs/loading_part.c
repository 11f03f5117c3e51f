// loading_part.c: the libraries of loading.c, each built with -DPART_...
//
//   PART_ANSWER   a function whose answer, ANSWER, tells which of several files of one name was loaded
//   PART_NESTED   the same, and its constructor loads another library by its own search path
//   PART_PLUGIN   makes the calls that depend on who makes them
//   PART_WRAPPER  stands before libc's strerror and dlopen, and calls what comes next
#define _GNU_SOURCE
#include <dlfcn.h>
#include <link.h>
#include <stdio.h>
#include <string.h>

#if defined PART_ANSWER || defined PART_NESTED
int answer(void) { return ANSWER; }
__attribute__((destructor)) static void leave(void) { printf("destructor of %d\n", ANSWER); }
#endif

#ifdef PART_NESTED
__attribute__((constructor)) static void load_more(void) {
    void *more = dlopen("libanswer.so", RTLD_NOW);
    int (*function)(void) = more == NULL ? NULL : (int (*)(void))dlsym(more, "answer");
    printf("constructor found %d\n", function == NULL ? -1 : function());
    if (more != NULL) dlclose(more);
}
#endif

#ifdef PART_PLUGIN
void *plugin_open(const char *name, int flags) { return dlopen(name, flags); }
void *plugin_open_in(long space, const char *name) { return dlmopen(space, name, RTLD_NOW); }
void *plugin_symbol(void *where, const char *name) { return dlsym(where, name); }
int plugin_iterate(int (*callback)(struct dl_phdr_info *, size_t, void *), void *data) {
    return dl_iterate_phdr(callback, data);
}
// Not bound before it is called.
size_t plugin_lazily(const char *text) { return strspn(text, "a"); }
int who(void) { return 2; }
#endif

#ifdef PART_WRAPPER
static int calls;
int wrapper_calls(void) { return calls; }
char *strerror(int number) {
    calls++;
    char *(*next)(int) = (char *(*)(int))dlsym(RTLD_NEXT, "strerror");
    return next(number);
}
#endif
