/* Variadic functions of glibc in terms of their fixed-argument forms.
 *
 * Rust 1.95 cannot define C-variadic functions. Each of these is reached by a jump from the exported
 * symbol of the real name, so the arguments are the caller's. They call the hooks through the dynamic
 * symbol table, as any code of the program would. */
#include <stdarg.h>
#include <stddef.h>
#include <syslog.h>
#include <unistd.h>

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

#define EXECV execv
#define EXECVP execvp
#define EXECVE execve
#include "execl.h"
