// environment.c: what setenv, putenv, unsetenv and clearenv do, step by step, corner cases included.
//
// Prints the result, errno and the whole environment after each step; the library makes these changes
// itself, and must print what libc prints.
#define _GNU_SOURCE
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

extern char **environ;

static void show(const char *step, int result) {
    int error = errno;
    printf("%s: %d, errno %d:", step, result, error);
    for (char **entry = environ; entry != NULL && *entry != NULL; entry++) printf(" [%s]", *entry);
    printf("\n");
    errno = 0;
}

#define DO(call) show(#call, call)

static void names_that_are_none(void) {
    char *volatile none = NULL;
    DO(setenv(none, "1", 1));
    DO(setenv("", "1", 1));
    DO(setenv("A=B", "1", 1));
    DO(unsetenv(none));
    DO(unsetenv(""));
    DO(unsetenv("A=B"));
}

static void values(void) {
    DO(setenv("A", "1", 0));
    DO(setenv("A", "2", 0));
    DO(setenv("A", "3", 1));
    DO(setenv("A", "", 1));
    DO(setenv("AB", "prefix of nothing", 1));
    DO(unsetenv("A"));
    DO(unsetenv("A"));
    printf("%s %s\n", getenv("AB"), getenv("A") == NULL ? "none" : "some");
}

static void strings_of_the_caller(void) {
    static char mine[32] = "MINE=1", empty[] = "=nameless", bare[] = "MINE";
    DO(putenv(mine));
    strcpy(mine, "MINE=changed");
    show("changed in place", 0);
    DO(setenv("MINE", "changed", 1));
    strcpy(mine, "MINE=no longer part of it");
    show("changed in vain", 0);
    DO(putenv(mine));
    DO(putenv(empty));
    DO(putenv(bare));
}

static void arrays_of_the_caller(void) {
    static char *mine[] = {"D=1", "E=1", "D=2", "F=1", NULL, NULL};
    environ = mine;
    DO(unsetenv("D"));
    DO(setenv("E", "2", 1));
    DO(setenv("G", "1", 1));
    printf("%s\n", environ == mine ? "still mine" : "another array");
    environ = mine;
    DO(setenv("H", "1", 1));
    environ = NULL;
    DO(unsetenv("H"));
    DO(setenv("H", "2", 1));
    DO(clearenv());
    DO(setenv("H", "3", 1));
}

static void many(void) {
    char name[16], value[16];
    for (int round = 0; round < 3; round++) {
        for (int i = 0; i < 500; i++) {
            snprintf(name, sizeof name, "N%d", i);
            snprintf(value, sizeof value, "%d", i * round);
            setenv(name, value, 1);
        }
        for (int i = 0; i < 500; i += 3) {
            snprintf(name, sizeof name, "N%d", i);
            unsetenv(name);
        }
        show("many", round);
    }
}

int main(void) {
    clearenv();
    errno = 0;
    names_that_are_none();
    values();
    strings_of_the_caller();
    arrays_of_the_caller();
    many();
    return 0;
}
