/* Variadic functions in terms of their fixed-argument forms.
 *
 * Rust 1.95 cannot define C-variadic functions. Each of these is reached by a jump from the exported
 * symbol of the real name, so the arguments are the caller's. They call the hooks through the dynamic
 * symbol table, as any code of the program would. */
#include <stdarg.h>

/* `forkfix_NAME`: the arguments after `last` go to `call`, which takes `args`. */
#define VARIADIC(name, parameters, last, call) \
    int forkfix_##name parameters              \
    {                                          \
        va_list args;                          \
        va_start(args, last);                  \
        int result = call;                     \
        va_end(args);                          \
        return result;                         \
    }

/* The same for functions without a result. */
#define VARIADIC_VOID(name, parameters, last, call) \
    void forkfix_##name parameters                  \
    {                                               \
        va_list args;                               \
        va_start(args, last);                       \
        call;                                       \
        va_end(args);                               \
    }
