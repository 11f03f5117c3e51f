/* exec*l* in terms of exec*v*: what these are called says whoever includes this, as EXECV, EXECVP and
 * EXECVE. */
#include <stdarg.h>
#include <stddef.h>

/* The arguments up to the null pointer that ends them, which is counted too. */
static size_t count(va_list args)
{
    size_t n = 1;
    va_list rest;
    va_copy(rest, args);
    while (va_arg(rest, char *) != NULL)
        n++;
    va_end(rest);
    return n;
}

/* exec*l* with `first` as argv[0]: fills `argv` and leaves `args` behind the null pointer. */
#define COLLECT(argv, first, args)                       \
    char *argv[1 + ((first) == NULL ? 0 : count(args))]; \
    argv[0] = (char *)(first);                           \
    for (size_t i = 0; argv[i] != NULL; i++)             \
        argv[i + 1] = va_arg(args, char *)

int forkfix_execl(const char *path, const char *first, ...)
{
    va_list args;
    va_start(args, first);
    COLLECT(argv, first, args);
    va_end(args);
    return EXECV(path, argv);
}

int forkfix_execlp(const char *file, const char *first, ...)
{
    va_list args;
    va_start(args, first);
    COLLECT(argv, first, args);
    va_end(args);
    return EXECVP(file, argv);
}

int forkfix_execle(const char *path, const char *first, ...)
{
    va_list args;
    va_start(args, first);
    COLLECT(argv, first, args);
    char *const *env = va_arg(args, char *const *);
    va_end(args);
    return EXECVE(path, argv, env);
}
