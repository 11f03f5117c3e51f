/* Variadic functions of glibc in terms of their fixed-argument forms.
 *
 * Rust 1.95 cannot define C-variadic functions. Each of these is reached by a jump from the exported
 * symbol of the real name, so the arguments are the caller's. They call the hooks through the dynamic
 * symbol table, as any code of the program would. */
#include <stdarg.h>
#include <stddef.h>
#include <syslog.h>
#include <unistd.h>

#include "collect.h"

#pragma GCC visibility push(hidden)

extern void __vsyslog_chk(int priority, int flag, const char *format, va_list args)
    __attribute__((visibility("default")));

void forkfix_syslog(int priority, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsyslog(priority, format, args);
    va_end(args);
}

void forkfix_syslog_chk(int priority, int flag, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    __vsyslog_chk(priority, flag, format, args);
    va_end(args);
}

int forkfix_execl(const char *path, const char *first, ...)
{
    va_list args;
    va_start(args, first);
    COLLECT(argv, first, args);
    va_end(args);
    return execv(path, argv);
}

int forkfix_execlp(const char *file, const char *first, ...)
{
    va_list args;
    va_start(args, first);
    COLLECT(argv, first, args);
    va_end(args);
    return execvp(file, argv);
}

int forkfix_execle(const char *path, const char *first, ...)
{
    va_list args;
    va_start(args, first);
    COLLECT(argv, first, args);
    char *const *env = va_arg(args, char *const *);
    va_end(args);
    return execve(path, argv, env);
}
