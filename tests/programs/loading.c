// loading.c: calls of the dynamic loader that depend on who makes them.
//
//   loading tell DIRECTORY                  what they find, in lines that do not depend on addresses
//   loading STORM DIRECTORY FORKS MAX_HANGS children that load, or list what is loaded, while threads do
//
// DIRECTORY has the libraries of loading_part.c. The program's own search path is DIRECTORY/program; that
// of the plugin is DIRECTORY/plugin/private.
#include "storm.h"

#include <dlfcn.h>
#include <libgen.h>
#include <limits.h>
#include <link.h>

typedef int number_fn(void);
typedef int callback_fn(struct dl_phdr_info *, size_t, void *);

static const char *directory;
// What the plugin makes for us.
static void *(*plugin_open)(const char *, int);
static void *(*plugin_open_in)(Lmid_t, const char *);
static void *(*plugin_symbol)(void *, const char *);
static int (*plugin_iterate)(callback_fn *, void *);
static size_t (*plugin_lazily)(const char *);

__attribute__((visibility("default"))) int who(void) { return 1; }

static const char *path(const char *name) {
    static char full[PATH_MAX];
    snprintf(full, sizeof full, "%s/%s", directory, name);
    return full;
}

static void *must(void *found) {
    if (found == NULL) die("%s", dlerror());
    return found;
}

static void use_plugin(void *handle) {
    plugin_open = must(dlsym(handle, "plugin_open"));
    plugin_open_in = must(dlsym(handle, "plugin_open_in"));
    plugin_symbol = must(dlsym(handle, "plugin_symbol"));
    plugin_iterate = must(dlsym(handle, "plugin_iterate"));
    plugin_lazily = must(dlsym(handle, "plugin_lazily"));
}

// What a load gave; `close` it.
static void tell(const char *what, void *handle, bool close) {
    const char *error = dlerror();
    int number = -1;
    Lmid_t space = -1;
    if (handle != NULL) {
        number_fn *answer = (number_fn *)dlsym(handle, "answer");
        if (answer != NULL) number = answer();
        dlerror();
        dlinfo(handle, RTLD_DI_LMID, &space);
    }
    printf("%s: %s answer=%d space=%ld error=%s\n", what, handle != NULL ? "loaded" : "not loaded", number,
           space, error == NULL ? "none" : error);
    if (close && handle != NULL) printf("closed: %d\n", dlclose(handle));
}

static void tell_symbol(const char *what, void *address) {
    const char *error = dlerror();
    Dl_info where = {0};
    if (address != NULL) dladdr(address, &where);
    const char *file = where.dli_fname == NULL ? "nothing" : strrchr(where.dli_fname, '/');
    printf("%s: in %s error=%s\n", what, file == NULL ? where.dli_fname : file, error == NULL ? "none" : error);
}

// One line for each object but those that come with the library.
static int list(struct dl_phdr_info *object, size_t size, void *count) {
    const char *name = strrchr(object->dlpi_name, '/');
    bool ours = strstr(object->dlpi_name, "libforkfix") || strstr(object->dlpi_name, "libgcc_s");
    if (!ours) printf("  object %s size=%zu\n", name == NULL ? object->dlpi_name : name, size);
    return ++*(int *)count == 1000 ? 7 : 0;
}
static int stop(struct dl_phdr_info *object, size_t size, void *data) { return 42; }

static void tell_objects(const char *what, int (*iterate)(callback_fn *, void *)) {
    int count = 0;
    printf("%s:\n", what);
    int result = iterate(list, &count);
    printf("  result=%d, stopped by a callback: %d\n", result, iterate(stop, NULL));
}

static int tell_all(void) {
    tell("program by its path", dlopen("libanswer.so", RTLD_NOW), true);
    tell("program by $ORIGIN", dlopen("$ORIGIN/parts/program/libanswer.so", RTLD_NOW), true);
    tell("program, what only the plugin finds", dlopen("libhidden.so", RTLD_NOW), true);
    void *plugin = must(dlopen(path("plugin/libplugin.so"), RTLD_LAZY));
    use_plugin(plugin);
    tell("plugin by its path", plugin_open("libanswer.so", RTLD_NOW), true);
    tell("plugin by $ORIGIN", plugin_open("$ORIGIN/private/libanswer.so", RTLD_NOW), true);
    tell("plugin, what the program does not find", plugin_open("libhidden.so", RTLD_NOW), true);
    tell("constructor by its own path", dlopen(path("nested/libnested.so"), RTLD_NOW), true);
    printf("lazily bound: %zu\n", plugin_lazily("aab"));

    tell("nothing of this name", dlopen("libnone.so", RTLD_NOW), false);
    tell("nothing of this name for the plugin", plugin_open("libnone.so", RTLD_NOW), false);
    tell("no such file", dlopen("/nonexistent/libnone.so", RTLD_NOW), false);
    tell("no library", dlopen("/proc/self/maps", RTLD_NOW), false);
    tell("no mode", dlopen("libanswer.so", 0), false);
    tell("not yet loaded", dlopen("libanswer.so", RTLD_NOW | RTLD_NOLOAD), false);
    void *first = plugin_open("libanswer.so", RTLD_NOW | RTLD_GLOBAL);
    tell("already loaded", dlopen("libanswer.so", RTLD_NOW | RTLD_NOLOAD), true);
    tell_symbol("answer for all", dlsym(RTLD_DEFAULT, "answer"));
    tell("once more", first, true);

    printf("the program itself: %d\n", dlopen(NULL, RTLD_NOW) == plugin_open(NULL, RTLD_NOW));
    tell_symbol("who, by default", dlsym(RTLD_DEFAULT, "who"));
    tell_symbol("who, by default, for the plugin", plugin_symbol(RTLD_DEFAULT, "who"));
    tell_symbol("who, in the plugin", dlsym(plugin, "who"));
    tell_symbol("who, next", dlsym(RTLD_NEXT, "who"));
    tell_symbol("nobody, next for the plugin", plugin_symbol(RTLD_NEXT, "who"));
    tell_symbol("nobody", dlsym(plugin, "nobody"));
    tell_symbol("a version", dlvsym(RTLD_NEXT, "nobody", "V1"));

    tell_objects("objects for the program", dl_iterate_phdr);
    tell_objects("objects for the plugin", plugin_iterate);
    tell("same space", dlmopen(LM_ID_BASE, "libanswer.so", RTLD_NOW), true);
    tell("no such space", dlmopen(99, "libanswer.so", RTLD_NOW), false);
    tell("same space for the plugin", plugin_open_in(LM_ID_BASE, "libanswer.so"), true);
    tell("new space for the plugin", plugin_open_in(LM_ID_NEWLM, "libanswer.so"), true);
    void *apart = must(dlmopen(LM_ID_NEWLM, path("plugin/libplugin.so"), RTLD_NOW));
    use_plugin(apart);
    tell("plugin in its own space", apart, false);
    tell("from its own space", plugin_open("libanswer.so", RTLD_NOW), true);
    tell("from its own space, nothing", plugin_open("libnone.so", RTLD_NOW), false);
    tell_symbol("who, from its own space", plugin_symbol(RTLD_DEFAULT, "who"));
    tell_objects("objects in its own space", plugin_iterate);
    tell_objects("objects beside that space", dl_iterate_phdr);
    printf("closed: %d %d\n", dlclose(apart), dlclose(plugin));

    number_fn *calls = (number_fn *)must(dlsym(RTLD_DEFAULT, "wrapper_calls"));
    int before = calls();
    const char *text = strerror(2);
    printf("%s, %d more calls\n", text, calls() - before);
    return fflush(stdout);
}

// One callback for all objects, as the unwinder of older compilers makes it.
static int look(struct dl_phdr_info *object, size_t size, void *data) { return 0; }
static void iterate(void) { dl_iterate_phdr(look, NULL); }
static void load(void) {
    void *handle = dlopen("libanswer.so", RTLD_NOW);
    if (handle == NULL || ((number_fn *)must(dlsym(handle, "answer")))() != 1) die("dlopen");
    dlclose(handle);
}
static void load_and_list(void) {
    load();
    iterate();
}
static void nothing(void) { sched_yield(); }

static int fork_here(struct dl_phdr_info *object, size_t size, void *pid) {
    *(pid_t *)pid = fork();
    return 1;
}
// The child goes on behind the callback that it was made in.
static pid_t fork_in_callback(void) {
    pid_t pid;
    dl_iterate_phdr(fork_here, &pid);
    return pid;
}

static const struct {
    const char *name;
    call_fn *hammer, *child;
    pid_t (*fork)(void);
} STORMS[] = {
    {"list", iterate, iterate, NULL},
    {"load", load, load_and_list, NULL},
    {"load-beside-list", iterate, load, NULL},
    {"callback", nothing, load_and_list, fork_in_callback},
    {"callback-beside-list", iterate, load_and_list, fork_in_callback},
};

int main(int argc, char **argv) {
    if (argc < 3) die("usage: loading tell|STORM DIRECTORY ...");
    directory = argv[2];
    if (strcmp(argv[1], "tell") == 0) return tell_all();
    if (argc != 5) die("usage: loading STORM DIRECTORY FORKS MAX_HANGS");
    // Destructors of libraries say that they ran.
    setvbuf(stdout, NULL, _IOFBF, 1 << 20);
    for (size_t i = 0; i < sizeof STORMS / sizeof STORMS[0]; i++)
        if (strcmp(STORMS[i].name, argv[1]) == 0)
            return report(storm((struct storm){atoi(argv[3]), atoi(argv[4]), 2, STORMS[i].hammer,
                                               STORMS[i].child, STORMS[i].fork}));
    die("no storm %s", argv[1]);
}
