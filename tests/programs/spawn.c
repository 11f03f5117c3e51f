// spawn.c: starting programs while other threads change the environment.
//
//   spawn storm FORM COUNT MOST two threads set and unset variables, two others start COUNT
//                               programs, or until MOST of them were harmed; the last line is
//                               "spawns=N failed=N incomplete=N"
//   spawn follow FORM KIND      starts `spawn show` with an environment of that kind: own, cleared,
//                               empty, null, other (has an LD_PRELOAD), off (has FORKFIX=off)
//   spawn errors DIRECTORY      what each form says about each kind of file, one line each
//
// FORM is posix_spawn, posix_spawnp, or the name of an exec function after "fork-" or "vfork-".
// Bare, the storm finds programs that could not be started, and others that miss variables.
#include "storm.h"

#include <fcntl.h>
#include <limits.h>
#include <spawn.h>
#include <sys/stat.h>

enum { FIXED = 64, ARGUMENTS = 9 };

static const char *const FORMS[] = {
    "posix_spawn",  "posix_spawnp", "fork-execve", "fork-execv",  "fork-execvp", "fork-execvpe",
    "fork-execl",   "fork-execle",  "fork-execlp", "fork-fexecve", "vfork-execve", "vfork-execv",
    "vfork-execvp",
};

static char self[PATH_MAX];

// Stands for `environ`, which is read as late as possible: at the call, in the child if it is made
// there.
static char *const OWN[] = {NULL};
#define RESOLVED(envp) ((envp) == OWN ? environ : (envp))

static void exec_form(const char *form, const char *file, char *const a[], char *const envp[]) {
    if (strcmp(form, "execve") == 0) execve(file, a, RESOLVED(envp));
    if (strcmp(form, "execv") == 0) execv(file, a);
    if (strcmp(form, "execvp") == 0) execvp(file, a);
    if (strcmp(form, "execvpe") == 0) execvpe(file, a, RESOLVED(envp));
    // More arguments than there are registers.
    if (strcmp(form, "execl") == 0)
        execl(file, a[0], a[1], a[2], a[3], a[4], a[5], a[6], a[7], a[8], NULL);
    if (strcmp(form, "execlp") == 0)
        execlp(file, a[0], a[1], a[2], a[3], a[4], a[5], a[6], a[7], a[8], NULL);
    if (strcmp(form, "execle") == 0)
        execle(file, a[0], a[1], a[2], a[3], a[4], a[5], a[6], a[7], a[8], NULL,
              RESOLVED(envp));
    if (strcmp(form, "fexecve") == 0) {
        int fd = open(file, O_RDONLY | O_CLOEXEC);
        if (fd >= 0) fexecve(fd, a, RESOLVED(envp));
    }
}

// Starts `file` with the nine arguments `a`. Returns 0 or why it could not be started.
static int start(const char *form, const char *file, char *const a[], char *const envp[],
                 pid_t *pid) {
    if (strcmp(form, "posix_spawn") == 0)
        return posix_spawn(pid, file, NULL, NULL, a, RESOLVED(envp));
    if (strcmp(form, "posix_spawnp") == 0)
        return posix_spawnp(pid, file, NULL, NULL, a, RESOLVED(envp));
    int ends[2], error = 0;
    if (pipe2(ends, O_CLOEXEC) != 0) die("pipe");
    bool shares = form[0] == 'v';
    *pid = shares ? vfork() : fork();
    if (*pid < 0) die("fork");
    if (*pid == 0) {
        exec_form(strchr(form, '-') + 1, file, a, envp);
        error = errno;
        _exit(write(ends[1], &error, sizeof error) == sizeof error ? 127 : 126);
    }
    close(ends[1]);
    while (read(ends[0], &error, sizeof error) < 0 && errno == EINTR) continue;
    close(ends[0]);
    if (error != 0) waitpid(*pid, NULL, 0);
    return error;
}

static void arguments(char *a[ARGUMENTS + 1], char *mode) {
    static char *const REST[] = {"a2", "a3", "a4", "a5", "a6", "a7", "a8", NULL};
    a[0] = "spawn";
    a[1] = mode;
    memcpy(&a[2], REST, sizeof REST);
}

static void check_arguments(int argc, char **argv) {
    bool good = argc == ARGUMENTS;
    for (int i = 2; good && i < argc; i++) good = atoi(argv[i] + 1) == i;
    if (!good) die("%d arguments arrived", argc);
}

// --- storm

static atomic_int left, spawns, failed, incomplete;
static int most;
static atomic_bool stop;

static int check_environment(void) {
    char name[32], expected[32];
    for (int i = 0; i < FIXED; i++) {
        snprintf(name, sizeof name, "FIXED_%d", i);
        snprintf(expected, sizeof expected, "value %d", i);
        const char *value = getenv(name);
        if (value == NULL || strcmp(value, expected) != 0)
            die("%s is %s", name, value != NULL ? value : "missing");
    }
    return 0;
}

static void *change_environment(void *number) {
    char name[32], entry[16][48];
    while (!atomic_load(&stop)) {
        for (int i = 0; i < 16; i++) {
            snprintf(name, sizeof name, "MOVING_%ld_%d", (long)number, i);
            snprintf(entry[i], sizeof entry[i], "%s=put", name);
            if (i % 2 == 0)
                setenv(name, "set", 1);
            else
                putenv(entry[i]);
        }
        for (int i = 0; i < 16; i++) {
            snprintf(name, sizeof name, "MOVING_%ld_%d", (long)number, i);
            unsetenv(name);
        }
    }
    return NULL;
}

static void *start_programs(void *argument) {
    const char *form = argument;
    bool searches = strchr(form, 'p') != NULL && form[strlen(form) - 1] != 'n';
    char *a[ARGUMENTS + 1];
    arguments(a, "check");
    while (atomic_fetch_sub(&left, 1) > 0) {
        pid_t pid;
        int status = 0;
        int error = start(form, searches ? "spawn" : self, a, OWN, &pid);
        if (error == 0)
            waitpid(pid, &status, 0);
        else if (atomic_load(&failed) == 0)
            dprintf(2, "%s: error %d\n", form, error);
        atomic_fetch_add(&spawns, 1);
        atomic_fetch_add(&failed, error != 0);
        atomic_fetch_add(&incomplete, status != 0);
        if (atomic_load(&failed) + atomic_load(&incomplete) >= most) atomic_store(&left, 0);
    }
    return NULL;
}

static int storm_environment(char *form, int count) {
    char name[32], value[32];
    for (int i = 0; i < FIXED; i++) {
        snprintf(name, sizeof name, "FIXED_%d", i);
        snprintf(value, sizeof value, "value %d", i);
        setenv(name, value, 1);
    }
    pthread_t changers[2], starters[2];
    atomic_store(&left, count);
    for (long i = 0; i < 2; i++) start_thread(&changers[i], change_environment, (void *)i);
    for (int i = 0; i < 2; i++) start_thread(&starters[i], start_programs, form);
    for (int i = 0; i < 2; i++) pthread_join(starters[i], NULL);
    atomic_store(&stop, true);
    for (int i = 0; i < 2; i++) pthread_join(changers[i], NULL);
    printf("spawns=%d failed=%d incomplete=%d\n", spawns, failed, incomplete);
    return 0;
}

// --- follow

static int show(void) {
    char maps[64], line[8192];
    bool loaded = false;
    int variables = 0;
    snprintf(maps, sizeof maps, "/proc/%d/maps", getpid());
    FILE *file = fopen(maps, "r");
    while (file != NULL && fgets(line, sizeof line, file) != NULL)
        loaded |= strstr(line, "/libforkfix.so") != NULL;
    for (char **entry = environ; *entry != NULL; entry++) variables++;
    const char *preload = getenv("LD_PRELOAD"), *kept = getenv("KEPT");
    printf("loaded=%s\npreload=%s\nkept=%s\nvariables=%d\n", loaded ? "yes" : "no",
           preload != NULL ? preload : "none", kept != NULL ? kept : "none", variables);
    return 0;
}

static int follow(const char *form, const char *kind) {
    static char *const EMPTY[] = {NULL};
    static char *const OTHER[] = {"KEPT=1", "LD_PRELOAD=libm.so.6", NULL};
    static char *const OFF[] = {"KEPT=1", "FORKFIX=off", NULL};
    char *const *envp = EMPTY;
    if (strcmp(kind, "own") == 0) envp = OWN;
    if (strcmp(kind, "null") == 0) envp = NULL;
    if (strcmp(kind, "other") == 0) envp = OTHER;
    if (strcmp(kind, "off") == 0) envp = OFF;
    if (strcmp(kind, "cleared") == 0) {
        clearenv();
        setenv("KEPT", "1", 1);
        envp = OWN;
    }
    char *a[ARGUMENTS + 1];
    arguments(a, "show");
    pid_t pid;
    int error = start(form, self, a, envp, &pid), status;
    if (error != 0) die("%s: error %d", form, error);
    return waitpid(pid, &status, 0) == pid && status == 0 ? 0 : 1;
}

// --- errors

static void write_file(const char *directory, const char *name, const char *text, mode_t mode) {
    char path[PATH_MAX];
    snprintf(path, sizeof path, "%s/%s", directory, name);
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (fd < 0 || write(fd, text, strlen(text)) < 0) die("%s", path);
    fchmod(fd, mode);
    close(fd);
}

static void try_each_form(const char *what, const char *file) {
    char *a[ARGUMENTS + 1];
    arguments(a, "exit");
    for (size_t i = 0; i < sizeof FORMS / sizeof FORMS[0]; i++) {
        pid_t pid;
        int status = 0, error = start(FORMS[i], file, a, OWN, &pid);
        if (error == 0) waitpid(pid, &status, 0);
        printf("%s, %s: error %d, status %#x\n", what, FORMS[i], error, status);
        fflush(stdout);
    }
}

static int show_errors(char *directory) {
    char path[PATH_MAX], other[PATH_MAX];
    if (chdir(directory) != 0) die("%s", directory);
    mkdir("denied", 0755);
    mkdir("fine", 0755);
    mkdir("fine/folder", 0755);
    write_file("denied", "program", "#!/bin/sh\nexit 6\n", 0644);
    write_file("fine", "program", "#!/bin/sh\nexit 7\n", 0755);
    write_file("fine", "no-format", "exit $#\n", 0755);
    write_file("fine", "no-interpreter", "#!/nonexistent/sh\n", 0755);
    write_file(".", "here", "#!/bin/sh\nexit 8\n", 0755);
    static const char *const NAMES[] = {"program", "no-format", "no-interpreter", "folder", "here",
                                        "no-such-program", "true", "", "fine/program",
                                        "denied/program", "fine/program/below", "/nonexistent/x"};
    snprintf(path, sizeof path, "%.2000s/denied:%.2000s/fine", directory, directory);
    snprintf(other, sizeof other, "%.4000s/denied", directory);
    const char *const PATHS[] = {path, other, "/nonexistent", "", ":/nonexistent", "fine", NULL};
    for (size_t p = 0; p < sizeof PATHS / sizeof PATHS[0]; p++) {
        if (PATHS[p] != NULL)
            setenv("PATH", PATHS[p], 1);
        else
            unsetenv("PATH");
        for (size_t n = 0; n < sizeof NAMES / sizeof NAMES[0]; n++) {
            char what[64];
            snprintf(what, sizeof what, "PATH %zu, \"%s\"", p, NAMES[n]);
            try_each_form(what, NAMES[n]);
        }
    }
    char longest[5000];
    memset(longest, 'x', sizeof longest - 1);
    longest[sizeof longest - 1] = '\0';
    try_each_form("a long name", longest + sizeof longest - 300);
    try_each_form("a very long name", longest);
    return 0;
}

int main(int argc, char **argv) {
    if (readlink("/proc/self/exe", self, sizeof self - 1) <= 0) die("readlink");
    const char *mode = argc > 1 ? argv[1] : "";
    if (strcmp(mode, "check") == 0 || strcmp(mode, "show") == 0) {
        check_arguments(argc, argv);
        return mode[0] == 'c' ? check_environment() : show();
    }
    if (strcmp(mode, "storm") == 0 && argc == 5) {
        most = atoi(argv[4]);
        return storm_environment(argv[2], atoi(argv[3]));
    }
    if (strcmp(mode, "follow") == 0 && argc == 4) return follow(argv[2], argv[3]);
    if (strcmp(mode, "errors") == 0 && argc == 3) return show_errors(argv[2]);
    die("usage: spawn storm FORM COUNT MOST | follow FORM KIND | errors DIRECTORY");
}
