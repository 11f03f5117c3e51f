/* Variadic functions of libSystem in terms of their fixed-argument forms.
 *
 * Rust 1.95 cannot define C-variadic functions. dyld binds callers to these; their own calls of libSystem
 * go straight there, since imports of the library that interposes are left alone. */
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <syslog.h>
#include <wchar.h>
#include <xlocale.h>

extern unsigned forkfix_enter_stdio(void);
extern bool forkfix_enter_syslog(unsigned *before);
extern void forkfix_leave(unsigned before);
extern int forkfix_execv(const char *path, char *const *argv);
extern int forkfix_execvp(const char *file, char *const *argv);
extern int forkfix_execve(const char *path, char *const *argv, char *const *env);

/* A function of stdio whose last named argument is `last`, by way of `call`, which takes `args`. */
#define STDIO(name, parameters, last, call)        \
    int forkfix_##name parameters                  \
    {                                              \
        unsigned before = forkfix_enter_stdio();   \
        va_list args;                              \
        va_start(args, last);                      \
        int result = call;                         \
        va_end(args);                              \
        forkfix_leave(before);                     \
        return result;                             \
    }

STDIO(printf, (const char *format, ...), format, vprintf(format, args))
STDIO(printf_l, (locale_t locale, const char *format, ...), format, vprintf_l(locale, format, args))
STDIO(fprintf, (FILE *stream, const char *format, ...), format, vfprintf(stream, format, args))
STDIO(fprintf_l, (FILE *stream, locale_t locale, const char *format, ...), format,
      vfprintf_l(stream, locale, format, args))
STDIO(wprintf, (const wchar_t *format, ...), format, vwprintf(format, args))
STDIO(fwprintf, (FILE *stream, const wchar_t *format, ...), format, vfwprintf(stream, format, args))
STDIO(scanf, (const char *format, ...), format, vscanf(format, args))
STDIO(fscanf, (FILE *stream, const char *format, ...), format, vfscanf(stream, format, args))
STDIO(wscanf, (const wchar_t *format, ...), format, vwscanf(format, args))
STDIO(fwscanf, (FILE *stream, const wchar_t *format, ...), format, vfwscanf(stream, format, args))

/* `vsyslog` is the same for both variants of `syslog` (Libc gen/FreeBSD/asl_syslog). */
#define SYSLOG(name)                                              \
    void forkfix_##name(int priority, const char *format, ...)    \
    {                                                             \
        unsigned before;                                          \
        if (!forkfix_enter_syslog(&before))                       \
            return;                                               \
        va_list args;                                             \
        va_start(args, format);                                   \
        vsyslog(priority, format, args);                          \
        va_end(args);                                             \
        forkfix_leave(before);                                    \
    }

SYSLOG(syslog)
SYSLOG(syslog_extsn)

#define EXECV forkfix_execv
#define EXECVP forkfix_execvp
#define EXECVE forkfix_execve
#include "execl.h"
