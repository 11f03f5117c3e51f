// handlers_plugin.c: a library that is opened, registers handlers for fork, and is closed again.
// Should one of them run after that, the process crashes.
#include <pthread.h>
#include <stddef.h>

static void (*note)(const char *);

static void prepare(void) { note("p(plugin)"); }
static void parent(void) { note("P(plugin)"); }
static void child(void) { note("c(plugin)"); }

void plugin_enroll(void (*to)(const char *)) {
    note = to;
    pthread_atfork(prepare, parent, child);
}
