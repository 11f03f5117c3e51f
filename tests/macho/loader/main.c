// main.c: macho-run [options] [DYLIB] APP [argument...]; see README.md.
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../libsystem/libsystem.h"
#include "loader.h"

struct options options = {.hang_status = -1};

static pid_t first_process;
static int program_argc;
static char **program_argv, *apple_strings[4];

static const char usage[] =
    "usage: macho-run [options] [DYLIB] APP [argument...]\n"
    "  --missing SYMBOL  as if the system did not have it\n"
    "  --tuples          print the tuples of DYLIB, and end\n"
    "  --unknown         print the imports of DYLIB that have no stand-in, and end\n"
    "  --calls FILE      write how often each import was called\n"
    "  --trace SYMBOLS   report each call of these; @fork: the steps of a fork,\n"
    "                    @exec: the library to insert that a new program is given\n"
    "  --hang-status N   a thread that waits for a lost one ends its process with N\n"
    "  --again COMMAND   how to run macho-run again for a Mach-O program that is executed\n";

static const char *value_of(char ***at) {
    if (*++*at == NULL) refuse("%s needs a value", (*at)[-1]);
    return **at;
}

typedef void print_fn(void);

// Reads the options; returns the first argument that is none.
static char **read_options(char **at, print_fn **only_print) {
    for (; *at != NULL && strncmp(*at, "--", 2) == 0; at++) {
        if (strcmp(*at, "--missing") == 0) hide_symbol(value_of(&at));
        else if (strcmp(*at, "--tuples") == 0) *only_print = print_tuples;
        else if (strcmp(*at, "--unknown") == 0) *only_print = print_unknown;
        else if (strcmp(*at, "--calls") == 0) options.calls = value_of(&at);
        else if (strcmp(*at, "--trace") == 0) trace_symbols(value_of(&at));
        else if (strcmp(*at, "--again") == 0) options.again = value_of(&at);
        else if (strcmp(*at, "--hang-status") == 0) options.hang_status = atoi(value_of(&at));
        else refuse("unknown option %s\n%s", *at, usage);
    }
    return at;
}

// The library to insert: an argument, or as dyld does it, the environment's. An argument is made
// known to the program in the variable, which it would be in on macOS.
static struct image *insert(char ***at) {
    static const char variable[] = "DYLD_INSERT_LIBRARIES";
    if (**at != NULL && image_type(**at) == TYPE_DYLIB) {
        setenv(variable, **at, 1);
        ++*at;
    }
    const char *path = getenv(variable);
    if (path == NULL || *path == '\0') return NULL;
    if (strchr(path, ':') != NULL) refuse("more than one library to insert: %s", path);
    if (image_type(path) != TYPE_DYLIB)
        refuse("dyld: terminating because inserted dylib '%s' could not be loaded", path);
    return image_load(path, "dylib");
}

static void initialise(struct image *image) {
    image_initialise(image, program_argc, program_argv, standin_environ(), apple_strings);
}

struct image *load_later(const char *path) {
    struct image *image = image_load(path, "plugin");
    initialise(image);
    return image;
}

void first_process_ends(void) {
    if (getpid() == first_process && options.calls != NULL) write_counts(options.calls);
}

int main(int argc, char **argv) {
    print_fn *only_print = NULL;
    char **at = read_options(argv + 1, &only_print);
    first_process = getpid();
    report_crashes();
    struct image *dylib = insert(&at);
    if (only_print != NULL) {
        only_print();
        return 0;
    }
    if (*at == NULL) refuse("no program\n%s", usage);
    if (image_type(*at) != TYPE_EXECUTE) refuse("%s is no program for this architecture", *at);
    program_argv = at;
    program_argc = argc - (int)(at - argv);
    struct image *app = image_load(*at, "app");
    if (app->main == NULL) refuse("%s has no LC_MAIN", *at);
    static char apple[4200];
    snprintf(apple, sizeof apple, "executable_path=%s", app->path);
    apple_strings[0] = apple;
    libsystem_start(program_argc, program_argv);
    if (dylib != NULL) initialise(dylib);
    initialise(app);
    int (*entry)(int, char **, char **, char **) =
        (int (*)(int, char **, char **, char **))(app->base + app->main->entry_offset);
    standin_exit(entry(program_argc, program_argv, standin_environ(), apple_strings));
}
