// dyld.c: what programs ask dyld: images, symbols, arguments.
#define _GNU_SOURCE
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "../loader/loader.h"
#include "libsystem.h"

struct model_lock dlopen_lock = {.name = "the lock of dlopen"};

static int program_argc;
static char **program_argv;
static char libsystem_handle, foundation_handle;
static __thread char last_error[512];

extern void load_foundation(void);

void start_dyld(int argc, char **argv) {
    program_argc = argc;
    program_argv = argv;
}

static int *get_argc(void) {
    return &program_argc;
}
EXPORT("__NSGetArgc", get_argc)

static char ***get_argv(void) {
    return &program_argv;
}
EXPORT("__NSGetArgv", get_argv)

static const char *getprogname_(void) {
    const char *slash = strrchr(program_argv[0], '/');
    return slash != NULL ? slash + 1 : program_argv[0];
}
EXPORT("_getprogname", getprogname_)

static const struct image *executable(void) {
    for (int i = 0; i < image_count; i++)
        if (images[i]->header->type == TYPE_EXECUTE) return images[i];
    refuse("no executable is loaded");
}

static int get_executable_path(char *to, uint32_t *size) {
    const char *path = executable()->path;
    uint32_t room = *size;
    *size = strlen(path) + 1;
    if (*size > room) return -1;
    strcpy(to, path);
    return 0;
}
EXPORT("__NSGetExecutablePath", get_executable_path)

// Of the own process only.
static int proc_pidpath(int pid, char *to, uint32_t size) {
    if (pid != getpid()) return FAIL(ESRCH, 0);
    return snprintf(to, size, "%s", executable()->path);
}
EXPORT("_proc_pidpath", proc_pidpath)

// Frameworks and libraries of the system are in no file; these are modelled.
static void *system_library(const char *path) {
    if (strstr(path, "/Foundation.framework/") != NULL) {
        load_foundation();
        return &foundation_handle;
    }
    bool system = strncmp(path, "/usr/lib/libSystem", 18) == 0 ||
                  strncmp(path, "/usr/lib/libobjc", 16) == 0 ||
                  strncmp(path, "/usr/lib/system/", 16) == 0;
    return system ? &libsystem_handle : NULL;
}

static void *standin_dlopen(const char *path, int mode) {
    if (path == NULL) return &libsystem_handle;
    model_enter(&dlopen_lock);
    void *handle = system_library(path);
    for (int i = 0; i < image_count && handle == NULL; i++)
        if (strcmp(images[i]->path, path) == 0) handle = images[i];
    bool only_loaded = mode & 0x10; // RTLD_NOLOAD
    if (handle == NULL && !only_loaded && image_type(path) == TYPE_DYLIB) handle = load_later(path);
    model_leave(&dlopen_lock);
    if (handle == NULL) snprintf(last_error, sizeof last_error, "dlopen(%s): not found", path);
    return handle;
}
EXPORT("_dlopen", standin_dlopen)

static void *standin_dlsym(void *handle, const char *name) {
    void *address = NULL;
    for (int i = 0; i < image_count; i++) {
        char symbol[256];
        if (handle != images[i]) continue;
        snprintf(symbol, sizeof symbol, "_%s", name);
        address = image_export(images[i], symbol);
    }
    if (address == NULL) address = find_for_dlsym(name);
    if (address == NULL) snprintf(last_error, sizeof last_error, "dlsym(%s): not found", name);
    return address;
}
EXPORT("_dlsym", standin_dlsym)

static char *standin_dlerror(void) {
    static __thread char text[sizeof last_error];
    if (*last_error == '\0') return NULL;
    strcpy(text, last_error);
    *last_error = '\0';
    return text;
}
EXPORT("_dlerror", standin_dlerror)

// Images stay, as those with thread-local variables do on a Mac.
static int standin_dlclose(void *handle) {
    (void)handle;
    return 0;
}
EXPORT("_dlclose", standin_dlclose)

struct information {
    const char *path;
    void *base;
    const char *symbol;
    void *start;
};

static int standin_dladdr(const void *address, struct information *to) {
    const struct image *image = image_at(address);
    if (image == NULL) {
        const char *symbol = trampoline_symbol(address);
        if (symbol == NULL) return 0;
        *to = (struct information){"/usr/lib/libSystem.B.dylib", &libsystem_handle, symbol + 1,
                                   (void *)address};
        return 1;
    }
    uintptr_t start;
    const char *symbol = image_symbol_near(image, address, &start);
    *to = (struct information){image->path, image->base, NULL, NULL};
    if (symbol != NULL) {
        to->symbol = symbol + (*symbol == '_');
        to->start = (void *)start;
    }
    return 1;
}
EXPORT("_dladdr", standin_dladdr)

static uint32_t standin_image_count(void) {
    return image_count;
}
EXPORT("__dyld_image_count", standin_image_count)

static const void *get_image_header(uint32_t index) {
    return index < (uint32_t)image_count ? images[index]->base : NULL;
}
EXPORT("__dyld_get_image_header", get_image_header)

static const char *get_image_name(uint32_t index) {
    return index < (uint32_t)image_count ? images[index]->path : NULL;
}
EXPORT("__dyld_get_image_name", get_image_name)

static intptr_t get_image_vmaddr_slide(uint32_t index) {
    return index < (uint32_t)image_count ? images[index]->slide : 0;
}
EXPORT("__dyld_get_image_vmaddr_slide", get_image_vmaddr_slide)
