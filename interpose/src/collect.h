/* The arguments of exec*l*. */
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
