// programs.c: starts another program.
//
//   programs HOW ENVIRONMENT PROGRAM [argument...]
//
// HOW: spawn, spawnp, execve, execv, execvp, execvP, execl, execlp, execle, system
// ENVIRONMENT: own, or entries with commas between them; only for what takes one
#include <spawn.h>

#include "storm.h"

extern char **environ;

enum { MAX_ENTRIES = 16 };

static int start(const char *how, char **env, char **argv) {
    pid_t pid = -1;
    int status = 0;
    if (strcmp(how, "execve") == 0) execve(argv[0], argv, env);
    if (strcmp(how, "execv") == 0) execv(argv[0], argv);
    if (strcmp(how, "execvp") == 0) execvp(argv[0], argv);
    if (strcmp(how, "execvP") == 0) execvP(argv[0], getenv("PATH"), argv);
    if (strcmp(how, "execl") == 0) execl(argv[0], argv[0], NULL);
    if (strcmp(how, "execlp") == 0) execlp(argv[0], argv[0], NULL);
    if (strcmp(how, "execle") == 0) execle(argv[0], argv[0], NULL, env);
    if (strcmp(how, "system") == 0) return system(argv[0]) >> 8;
    if (strcmp(how, "spawn") == 0) errno = posix_spawn(&pid, argv[0], NULL, NULL, argv, env);
    else if (strcmp(how, "spawnp") == 0) errno = posix_spawnp(&pid, argv[0], NULL, NULL, argv, env);
    else fail(how);
    if (errno != 0) fail(how);
    if (waitpid(pid, &status, 0) != pid) fail("waitpid");
    return WIFEXITED(status) ? WEXITSTATUS(status) : 99;
}

int main(int argc, char **argv) {
    char *entries[MAX_ENTRIES] = {NULL};
    if (argc < 4) return 99;
    if (strcmp(argv[2], "own") == 0) return start(argv[1], environ, argv + 3);
    char *rest = argv[2];
    for (int i = 0; i < MAX_ENTRIES - 1 && (entries[i] = strsep(&rest, ",")) != NULL;) i++;
    return start(argv[1], entries, argv + 3);
}
