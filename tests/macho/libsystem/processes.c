// processes.c: other programs. posix_spawn is one system call on macOS, without locks or handlers;
// here a bare fork and exec. A Mach-O program is run by this loader again, which takes the library
// to insert from the new environment, as dyld does.
#define _GNU_SOURCE
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../loader/loader.h"
#include "libsystem.h"

enum { MAX_ARGUMENTS = 1024, MAX_ACTIONS = 16, SPAWN_SETEXEC = 0x40, SPAWN_KNOWN_FLAGS = 0x404e };

static struct model_lock system_lock = {.name = "the mutex of system"};
static struct model_lock popen_lock = {.name = "the mutex of popen's list"};

static void record(const char *path, char *const env[]) {
    char line[1024];
    const char *inserted = "without DYLD_INSERT_LIBRARIES";
    for (int i = 0; env != NULL && env[i] != NULL; i++)
        if (strncmp(env[i], "DYLD_INSERT_LIBRARIES=", 22) == 0) inserted = env[i];
    snprintf(line, sizeof line, "%s %s", path, inserted);
    trace("exec", line);
}

// Becomes the program; gives Linux's error number if that fails. Allocates nothing.
static int become(const char *path, char *const argv[], char *const env[]) {
    if (traced("@exec")) record(path, env);
    if (image_type(path) != TYPE_EXECUTE) {
        execve(path, argv, env);
        return errno;
    }
    char words[4096], *arguments[MAX_ARGUMENTS], *rest;
    int count = 0;
    if (options.again == NULL) {
        arguments[count++] = "/proc/self/exe";
    } else {
        snprintf(words, sizeof words, "%s", options.again);
        char *word = strtok_r(words, " ", &rest);
        for (; word != NULL; word = strtok_r(NULL, " ", &rest)) arguments[count++] = word;
    }
    arguments[count++] = (char *)path;
    for (int i = 1; argv[0] != NULL && argv[i] != NULL && count < MAX_ARGUMENTS - 1; i++)
        arguments[count++] = argv[i];
    arguments[count] = NULL;
    execve(arguments[0], arguments, env);
    return errno;
}

// Where a name without a slash is in PATH; `to` has PATH_MAX bytes.
static const char *search(const char *file, char *to) {
    if (strchr(file, '/') != NULL) return file;
    const char *path = environment_lookup("PATH");
    for (path = path != NULL ? path : "/usr/bin:/bin"; *path != '\0';) {
        int length = strcspn(path, ":");
        snprintf(to, PATH_MAX, "%.*s/%s", length, path, file);
        if (access(to, X_OK) == 0) return to;
        path += length + (path[length] == ':');
    }
    return file;
}

struct action {
    int fd, to; // to < 0: close
};

struct actions {
    int count;
    struct action action[MAX_ACTIONS];
};

static int actions_init(struct actions **actions) {
    *actions = calloc(1, sizeof **actions);
    return 0;
}
EXPORT("_posix_spawn_file_actions_init", actions_init)

static int actions_destroy(struct actions **actions) {
    free(*actions);
    *actions = NULL;
    return 0;
}
EXPORT("_posix_spawn_file_actions_destroy", actions_destroy)

static int actions_adddup2(struct actions **actions, int fd, int to) {
    if ((*actions)->count == MAX_ACTIONS) return ENOMEM;
    (*actions)->action[(*actions)->count++] = (struct action){fd, to};
    return 0;
}
EXPORT("_posix_spawn_file_actions_adddup2", actions_adddup2)

static int actions_addclose(struct actions **actions, int fd) {
    return actions_adddup2(actions, fd, -1);
}
EXPORT("_posix_spawn_file_actions_addclose", actions_addclose)

// A spawn's attributes are a pointer to these flags.
static int attributes_init(short **attributes) {
    *attributes = calloc(1, sizeof **attributes);
    return 0;
}
EXPORT("_posix_spawnattr_init", attributes_init)

static int attributes_destroy(short **attributes) {
    free(*attributes);
    *attributes = NULL;
    return 0;
}
EXPORT("_posix_spawnattr_destroy", attributes_destroy)

static int attributes_setflags(short **attributes, short flags) {
    if (flags & ~SPAWN_KNOWN_FLAGS) refuse("posix_spawn: flags %#x are not implemented", flags);
    **attributes = flags;
    return 0;
}
EXPORT("_posix_spawnattr_setflags", attributes_setflags)

static int attributes_getflags(short *const *attributes, short *flags) {
    *flags = **attributes;
    return 0;
}
EXPORT("_posix_spawnattr_getflags", attributes_getflags)

static void perform(const struct actions *actions) {
    for (int i = 0; actions != NULL && i < actions->count; i++) {
        struct action action = actions->action[i];
        if (action.to < 0) close(action.fd);
        else if (action.to == action.fd) fcntl(action.fd, F_SETFD, 0);
        else dup2(action.fd, action.to);
    }
}

int standin_posix_spawn(pid_t *pid, const char *path, const void *actions, const void *attributes,
                        char *const argv[], char *const env[]) {
    const struct actions *to_do = actions != NULL ? *(struct actions *const *)actions : NULL;
    short flags = attributes != NULL ? **(short *const *)attributes : 0;
    if (env == NULL) env = standin_environ(); // posix_spawn(2)
    if (flags & SPAWN_SETEXEC) {
        perform(to_do);
        return apple_error(become(path, argv, env));
    }
    int report[2], error = 0;
    if (pipe2(report, O_CLOEXEC) != 0) return apple_error(errno);
    pid_t child = _Fork();
    if (child == 0) {
        perform(to_do);
        error = become(path, argv, env);
        if (write(report[1], &error, sizeof error) != sizeof error) _exit(126);
        _exit(127);
    }
    close(report[1]);
    if (child < 0) error = errno;
    else if (read(report[0], &error, sizeof error) == sizeof error) waitpid(child, NULL, 0);
    close(report[0]);
    if (error == 0 && pid != NULL) *pid = child;
    return apple_error(error);
}
EXPORT("_posix_spawn", standin_posix_spawn)

static int standin_posix_spawnp(pid_t *pid, const char *file, const void *actions,
                                const void *attributes, char *const argv[], char *const env[]) {
    char path[PATH_MAX];
    return standin_posix_spawn(pid, search(file, path), actions, attributes, argv, env);
}
EXPORT("_posix_spawnp", standin_posix_spawnp)

static int standin_execve(const char *path, char *const argv[], char *const env[]) {
    return FAIL(apple_error(become(path, argv, env)), -1);
}
EXPORT("_execve", standin_execve)

static int standin_execv(const char *path, char *const argv[]) {
    return standin_execve(path, argv, standin_environ());
}
EXPORT("_execv", standin_execv)

static int standin_execvp(const char *file, char *const argv[]) {
    char path[PATH_MAX];
    return standin_execve(search(file, path), argv, standin_environ());
}
EXPORT("_execvp", standin_execvp)

static int standin_execvP(const char *file, const char *where, char *const argv[]) {
    (void)where;
    return standin_execvp(file, argv);
}
EXPORT("_execvP", standin_execvP)

// The arguments behind the first, up to NULL.
static void gather(char *first, va_list list, char *argv[MAX_ARGUMENTS]) {
    argv[0] = first;
    for (int i = 1; i < MAX_ARGUMENTS && argv[i - 1] != NULL; i++) argv[i] = va_arg(list, char *);
    argv[MAX_ARGUMENTS - 1] = NULL;
}

int standin_execl(const char *path, char *first, REST) {
    OPEN_REST(list, first);
    char *argv[MAX_ARGUMENTS];
    gather(first, list, argv);
    return standin_execv(path, argv);
}
EXPORT_VARIADIC("_execl", standin_execl, 2)

int standin_execlp(const char *file, char *first, REST) {
    OPEN_REST(list, first);
    char *argv[MAX_ARGUMENTS];
    gather(first, list, argv);
    return standin_execvp(file, argv);
}
EXPORT_VARIADIC("_execlp", standin_execlp, 2)

int standin_execle(const char *path, char *first, REST) {
    OPEN_REST(list, first);
    char *argv[MAX_ARGUMENTS];
    argv[0] = first;
    int i = 0;
    while (i < MAX_ARGUMENTS - 1 && argv[i] != NULL) argv[++i] = va_arg(list, char *);
    return standin_execve(path, argv, va_arg(list, char **));
}
EXPORT_VARIADIC("_execle", standin_execle, 2)

typedef int spawn_fn(pid_t *, const char *, const void *, const void *, char *const[],
                     char *const[]);

// A shell for system and popen, by the posix_spawn that everybody sees.
static pid_t shell(const char *command, const void *actions) {
    char *argv[] = {"sh", "-c", (char *)command, NULL};
    spawn_fn *spawn = (spawn_fn *)interposed("_posix_spawn", (void *)standin_posix_spawn);
    pid_t pid;
    return spawn(&pid, "/bin/sh", actions, NULL, argv, standin_environ()) == 0 ? pid : -1;
}

int status_to_apple(int status) {
    if (WIFSIGNALED(status)) return (status & ~0x7f) | signal_to_apple(WTERMSIG(status));
    if (WIFSTOPPED(status)) return signal_to_apple(WSTOPSIG(status)) << 8 | 0x7f;
    return status;
}

static pid_t standin_waitpid(pid_t pid, int *status, int flags) {
    int host = 0;
    pid_t result = CALL(waitpid(pid, &host, flags & 3)); // WNOHANG, WUNTRACED
    if (status != NULL && result > 0) *status = status_to_apple(host);
    return result;
}
EXPORT("_waitpid", standin_waitpid)

static pid_t standin_wait(int *status) {
    return standin_waitpid(-1, status, 0);
}
EXPORT("_wait", standin_wait)

static int standin_system(const char *command) {
    if (command == NULL) return 1;
    model_enter(&system_lock);
    int status = -1;
    pid_t pid = shell(command, NULL);
    if (pid > 0)
        while (standin_waitpid(pid, &status, 0) < 0 && *standin_error() == EINTR) continue;
    model_leave(&system_lock);
    return status;
}
EXPORT("_system", standin_system)

static struct {
    FILE *file;
    pid_t pid;
} children[64];

static FILE *standin_popen(const char *command, const char *mode) {
    int fds[2], own = *mode == 'r' ? 0 : 1;
    if (pipe2(fds, O_CLOEXEC) != 0) return FAIL(apple_error(errno), NULL);
    model_enter(&popen_lock);
    struct actions to_do = {1, {{fds[!own], !own}}}, *actions = &to_do;
    pid_t pid = shell(command, &actions);
    close(fds[!own]);
    FILE *file = pid > 0 ? enlist_file(fdopen(fds[own], own == 0 ? "r" : "w")) : NULL;
    for (size_t i = 0; file != NULL && i < sizeof children / sizeof *children; i++) {
        if (children[i].file != NULL) continue;
        children[i].file = file;
        children[i].pid = pid;
        break;
    }
    model_leave(&popen_lock);
    return file;
}
EXPORT("_popen", standin_popen)

static int standin_pclose(FILE *file) {
    pid_t pid = -1;
    model_enter(&popen_lock);
    for (size_t i = 0; i < sizeof children / sizeof *children; i++) {
        if (children[i].file != file) continue;
        pid = children[i].pid;
        children[i].file = NULL;
    }
    model_leave(&popen_lock);
    if (pid < 0) return FAIL(10, -1); // ECHILD
    standin_fclose(file);
    int status = -1;
    while (standin_waitpid(pid, &status, 0) < 0 && *standin_error() == EINTR) continue;
    return status;
}
EXPORT("_pclose", standin_pclose)
