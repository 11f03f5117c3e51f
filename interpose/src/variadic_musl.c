/* Variadic functions of musl that use streams or the environment. Those that format in memory or write
 * to the log take no lock that its fork does not take. */
#include "variadic.h"

#include <err.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include <wchar.h>

#pragma GCC visibility push(hidden)

VARIADIC(printf, (const char *format, ...), format, vprintf(format, args))
VARIADIC(fprintf, (FILE *stream, const char *format, ...), format, vfprintf(stream, format, args))
VARIADIC(wprintf, (const wchar_t *format, ...), format, vwprintf(format, args))
VARIADIC(fwprintf, (FILE *stream, const wchar_t *format, ...), format,
         vfwprintf(stream, format, args))

/* Each under its own name and under that of glibc's headers. */
#define SCANF(suffix)                                                                               \
    VARIADIC(scanf##suffix, (const char *format, ...), format, vscanf(format, args))                \
    VARIADIC(fscanf##suffix, (FILE *stream, const char *format, ...), format,                       \
             vfscanf(stream, format, args))                                                         \
    VARIADIC(wscanf##suffix, (const wchar_t *format, ...), format, vwscanf(format, args))           \
    VARIADIC(fwscanf##suffix, (FILE *stream, const wchar_t *format, ...), format,                   \
             vfwscanf(stream, format, args))

SCANF()
SCANF(_alias)

VARIADIC_VOID(warn, (const char *format, ...), format, vwarn(format, args))
VARIADIC_VOID(warnx, (const char *format, ...), format, vwarnx(format, args))

/* libc's would call its own `exit` and not the hook. */
void forkfix_verr(int status, const char *format, va_list args)
{
    vwarn(format, args);
    exit(status);
}

void forkfix_verrx(int status, const char *format, va_list args)
{
    vwarnx(format, args);
    exit(status);
}

VARIADIC_VOID(err, (int status, const char *format, ...), format, forkfix_verr(status, format, args))
VARIADIC_VOID(errx, (int status, const char *format, ...), format, forkfix_verrx(status, format, args))

#define EXECV execv
#define EXECVP execvp
#define EXECVE execve
#include "execl.h"
