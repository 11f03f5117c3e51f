// environment.c: the environment as Apple's libc has it (stdlib/FreeBSD/getenv.c, setenv.c): one
// lock, which the child makes anew without asking whether a thread had it. What a vanished thread
// was changing stays half-changed, and a search through it spins (docker/for-mac#6951); that is
// modelled by a mark on the array, not by wrong pointers.
#define _GNU_SOURCE
#include <stdlib.h>

#include "libsystem.h"

enum { ROOM = 4096 };

extern char **environ;
static char **environment; // what the image's `environ` is
EXPORT_DATA("_environ", environment)

static char *array[ROOM];
static struct lock environment_lock;
static atomic_int changing; // the token of the thread that is; 0: none

void start_environment(void) {
    size_t count = 0;
    for (; environ[count] != NULL && count < ROOM - 1; count++) array[count] = environ[count];
    environment = array;
}

char **standin_environ(void) {
    return environment;
}

static char ***get_environ(void) {
    return &environment;
}
EXPORT("__NSGetEnviron", get_environ)

void environment_fork_child(void) {
    environment_lock = (struct lock){0};
}

static void enter(void) {
    lock_take(&environment_lock, "the environment");
    int by = atomic_load(&changing);
    if (by != 0 && by != own_token()) hopeless("the end of a change of the environment");
    be_busy(5);
}

static void leave(void) {
    lock_leave(&environment_lock);
}

static char **find(const char *name, size_t length) {
    for (char **at = environment; at != NULL && *at != NULL; at++)
        if (strncmp(*at, name, length) == 0 && (*at)[length] == '=') return at;
    return NULL;
}

char *environment_lookup(const char *name) {
    enter();
    size_t length = strcspn(name, "=");
    char **entry = find(name, length);
    char *value = entry != NULL ? *entry + length + 1 : NULL;
    leave();
    return value;
}
EXPORT("_getenv", environment_lookup)

static bool put(char *entry) {
    size_t length = strcspn(entry, "="), count = 0;
    char **old = find(entry, length);
    if (old != NULL) {
        *old = entry;
        return true;
    }
    while (environment != NULL && environment[count] != NULL) count++;
    // The program may have pointed `environ` at an array of its own: take it over.
    if (count + 2 > ROOM) return false;
    if (environment != array) memcpy(array, environment, count * sizeof *array);
    array[count] = entry;
    array[count + 1] = NULL;
    environment = array;
    return true;
}

static void change_begins(void) {
    enter();
    atomic_store(&changing, own_token());
    be_busy(10);
}

static void change_ends(void) {
    atomic_store(&changing, 0);
    leave();
}

static bool bad_name(const char *name) {
    return name == NULL || *name == '\0' || strchr(name, '=') != NULL;
}

static int standin_setenv(const char *name, const char *value, int overwrite) {
    if (bad_name(name)) return FAIL(EINVAL, -1);
    change_begins();
    int result = 0;
    if (overwrite || find(name, strlen(name)) == NULL) {
        size_t length = strlen(name);
        char *entry = malloc(length + strlen(value) + 2);
        memcpy(entry, name, length);
        entry[length] = '=';
        strcpy(entry + length + 1, value);
        result = put(entry) ? 0 : FAIL(ENOMEM, -1);
    }
    change_ends();
    return result;
}
EXPORT("_setenv", standin_setenv)

static int standin_putenv(char *entry) {
    if (strchr(entry, '=') == NULL || *entry == '=') return FAIL(EINVAL, -1);
    change_begins();
    int result = put(entry) ? 0 : FAIL(ENOMEM, -1);
    change_ends();
    return result;
}
EXPORT("_putenv", standin_putenv)

static int standin_unsetenv(const char *name) {
    if (bad_name(name)) return FAIL(EINVAL, -1);
    change_begins();
    for (char **at; (at = find(name, strlen(name))) != NULL;)
        do at[0] = at[1];
        while (*at++ != NULL);
    change_ends();
    return 0;
}
EXPORT("_unsetenv", standin_unsetenv)

static int environ_lock(void) {
    lock_take(&environment_lock, "the environment");
    return 0;
}
EXPORT("_environ_lock_np", environ_lock)
EXPORT("_environ_unlock_np", leave)
