/* Variadic functions of glibc. */
#include "variadic.h"

/* No inline variants of what is called here. */
#undef __OPTIMIZE__
#include <argp.h>
#include <err.h>
#include <errno.h>
#include <obstack.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <syslog.h>
#include <unistd.h>
#include <wchar.h>

#pragma GCC visibility push(hidden)

/* Functions that headers declare only for some settings of the compiler, or that this libc lacks. */
#pragma GCC visibility push(default)
extern void __vsyslog_chk(int, int, const char *, va_list);
extern int __vprintf_chk(int, const char *, va_list);
extern int __vfprintf_chk(FILE *, int, const char *, va_list);
extern int __vdprintf_chk(int, int, const char *, va_list);
extern int __vwprintf_chk(int, const wchar_t *, va_list);
extern int __vfwprintf_chk(FILE *, int, const wchar_t *, va_list);
extern int __vsprintf_chk(char *, int, size_t, const char *, va_list);
extern int __vsnprintf_chk(char *, size_t, int, size_t, const char *, va_list);
extern int __vasprintf_chk(char **, int, const char *, va_list);
extern int __obstack_vprintf_chk(struct obstack *, int, const char *, va_list);
extern int __vswprintf_chk(wchar_t *, size_t, int, size_t, const wchar_t *, va_list);

/* The three generations of scanf: GNU, C99 and C23. libc's headers make the first one of the others. */
#define SCANF_FORMS(prefix, symbol)                                                            \
    extern int prefix##vscanf(const char *, va_list) __asm__(symbol "vscanf");                 \
    extern int prefix##vfscanf(FILE *, const char *, va_list) __asm__(symbol "vfscanf");       \
    extern int prefix##vsscanf(const char *, const char *, va_list) __asm__(symbol "vsscanf"); \
    extern int prefix##vwscanf(const wchar_t *, va_list) __asm__(symbol "vwscanf");            \
    extern int prefix##vfwscanf(FILE *, const wchar_t *, va_list) __asm__(symbol "vfwscanf");  \
    extern int prefix##vswscanf(const wchar_t *, const wchar_t *, va_list)                     \
        __asm__(symbol "vswscanf");
SCANF_FORMS(gnu_, "")
SCANF_FORMS(isoc99_, "__isoc99_")
SCANF_FORMS(isoc23_, "__isoc23_")
#pragma GCC visibility pop

VARIADIC(printf, (const char *format, ...), format, vprintf(format, args))
VARIADIC(printf_chk, (int flag, const char *format, ...), format, __vprintf_chk(flag, format, args))
VARIADIC(fprintf, (FILE *stream, const char *format, ...), format, vfprintf(stream, format, args))
VARIADIC(fprintf_chk, (FILE *stream, int flag, const char *format, ...), format,
         __vfprintf_chk(stream, flag, format, args))
VARIADIC(dprintf, (int fd, const char *format, ...), format, vdprintf(fd, format, args))
VARIADIC(dprintf_chk, (int fd, int flag, const char *format, ...), format,
         __vdprintf_chk(fd, flag, format, args))
VARIADIC(wprintf, (const wchar_t *format, ...), format, vwprintf(format, args))
VARIADIC(wprintf_chk, (int flag, const wchar_t *format, ...), format,
         __vwprintf_chk(flag, format, args))
VARIADIC(fwprintf, (FILE *stream, const wchar_t *format, ...), format,
         vfwprintf(stream, format, args))
VARIADIC(fwprintf_chk, (FILE *stream, int flag, const wchar_t *format, ...), format,
         __vfwprintf_chk(stream, flag, format, args))

VARIADIC(sprintf, (char *to, const char *format, ...), format, vsprintf(to, format, args))
VARIADIC(sprintf_chk, (char *to, int flag, size_t room, const char *format, ...), format,
         __vsprintf_chk(to, flag, room, format, args))
VARIADIC(snprintf, (char *to, size_t size, const char *format, ...), format,
         vsnprintf(to, size, format, args))
VARIADIC(snprintf_chk, (char *to, size_t size, int flag, size_t room, const char *format, ...), format,
         __vsnprintf_chk(to, size, flag, room, format, args))
VARIADIC(asprintf, (char **to, const char *format, ...), format, vasprintf(to, format, args))
VARIADIC(asprintf_alias, (char **to, const char *format, ...), format, vasprintf(to, format, args))
VARIADIC(asprintf_chk, (char **to, int flag, const char *format, ...), format,
         __vasprintf_chk(to, flag, format, args))
VARIADIC(obstack_printf, (struct obstack *to, const char *format, ...), format,
         obstack_vprintf(to, format, args))
VARIADIC(obstack_printf_chk, (struct obstack *to, int flag, const char *format, ...), format,
         __obstack_vprintf_chk(to, flag, format, args))
VARIADIC(swprintf, (wchar_t *to, size_t size, const wchar_t *format, ...), format,
         vswprintf(to, size, format, args))
VARIADIC(swprintf_chk, (wchar_t *to, size_t size, int flag, size_t room, const wchar_t *format, ...),
         format, __vswprintf_chk(to, size, flag, room, format, args))

#define SCANF(prefix)                                                                                \
    VARIADIC(prefix##scanf, (const char *format, ...), format, prefix##vscanf(format, args))          \
    VARIADIC(prefix##fscanf, (FILE *stream, const char *format, ...), format,                         \
             prefix##vfscanf(stream, format, args))                                                   \
    VARIADIC(prefix##sscanf, (const char *from, const char *format, ...), format,                     \
             prefix##vsscanf(from, format, args))                                                     \
    VARIADIC(prefix##wscanf, (const wchar_t *format, ...), format, prefix##vwscanf(format, args))     \
    VARIADIC(prefix##fwscanf, (FILE *stream, const wchar_t *format, ...), format,                     \
             prefix##vfwscanf(stream, format, args))                                                  \
    VARIADIC(prefix##swscanf, (const wchar_t *from, const wchar_t *format, ...), format,              \
             prefix##vswscanf(from, format, args))

SCANF(gnu_)
SCANF(isoc99_)
SCANF(isoc23_)

/* These end the process, which must not happen inside a call that forks wait for (misc/err.c). */
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
VARIADIC_VOID(warn, (const char *format, ...), format, vwarn(format, args))
VARIADIC_VOID(warnx, (const char *format, ...), format, vwarnx(format, args))

/* These have no form that takes a va_list: the text is made first, and they print it. */
extern void forkfix_print_error(int number, const char *format, const char *text);
extern void forkfix_print_error_at_line(int number, const char *file, unsigned line, const char *format,
                                        const char *text);
extern void forkfix_print_argp_error(const struct argp_state *state, const char *text);
extern void forkfix_print_argp_failure(const struct argp_state *state, int status, int number,
                                       const char *text);

/* A format that prints these bytes if its arguments are a string and 0; NULL if there is no memory for it. */
static char *format_of(const char *bytes, size_t size)
{
    char *format;
    size_t length;
    FILE *stream = open_memstream(&format, &length);
    if (stream == NULL)
        return NULL;
    fputs("%1$.0s", stream);
    for (size_t i = 0; i < size; i++) {
        if (bytes[i] == '\0')
            fputs("%2$c", stream);
        else if (bytes[i] == '%')
            fputs("%%", stream);
        else
            fputc(bytes[i], stream);
    }
    return fclose(stream) == 0 ? format : NULL;
}

/* The text, which is allocated, as far as libc prints it: a conversion that fails ends it. If it has a NUL, "%s"
 * cannot print it, and `*own` is a format that can. NULL if there is no memory for it. */
static char *text_of(const char *format, va_list args, char **own)
{
    char *text;
    size_t length;
    int before = errno;
    FILE *stream = open_memstream(&text, &length);
    if (stream == NULL)
        return NULL;
    errno = before;
    vfprintf(stream, format, args);
    int after = errno;
    if (fclose(stream) != 0)
        return NULL;
    if (memchr(text, '\0', length) != NULL)
        *own = format_of(text, length);
    errno = after;
    return text;
}

/* Statement `print` with `text`, as much of it as there is room for if there is no memory, and how to print it. */
#define WITH_TEXT(format, print)                           \
    do {                                                   \
        char part[1024] = "", *own = NULL;                 \
        va_list args, again;                               \
        va_start(args, format);                            \
        va_copy(again, args);                              \
        char *made = text_of(format, args, &own);          \
        const char *text = made;                           \
        if (text == NULL) {                                \
            vsnprintf(part, sizeof part, format, again);   \
            text = part;                                   \
        }                                                  \
        va_end(again);                                     \
        va_end(args);                                      \
        const char *as = own != NULL ? own : "%s";         \
        print;                                             \
        free(own);                                         \
        free(made);                                        \
    } while (0)

void forkfix_error(int status, int number, const char *format, ...)
{
    WITH_TEXT(format, forkfix_print_error(number, as, text));
    if (status != 0)
        exit(status);
}

void forkfix_error_at_line(int status, int number, const char *file, unsigned line, const char *format,
                           ...)
{
    WITH_TEXT(format, forkfix_print_error_at_line(number, file, line, as, text));
    if (status != 0)
        exit(status);
}

/* The same for a text that libc makes in the same way (argp/argp-help.c), down to what it prints instead of one that
 * cannot be made. */
#define WITH_ARGP_TEXT(format, print)                      \
    do {                                                   \
        char *text;                                        \
        va_list args;                                      \
        va_start(args, format);                            \
        if (vasprintf(&text, format, args) < 0)            \
            text = NULL;                                   \
        va_end(args);                                      \
        print;                                             \
        free(text);                                        \
    } while (0)

void forkfix_argp_error(const struct argp_state *state, const char *format, ...)
{
    WITH_ARGP_TEXT(format, forkfix_print_argp_error(state, text != NULL ? text : "(null)"));
}

void forkfix_argp_failure(const struct argp_state *state, int status, int number, const char *format, ...)
{
    if (format == NULL) {
        forkfix_print_argp_failure(state, status, number, NULL);
        return;
    }
    WITH_ARGP_TEXT(format,
                   forkfix_print_argp_failure(state, status, number, text != NULL ? text : "(null)"));
}

VARIADIC_VOID(syslog, (int priority, const char *format, ...), format, vsyslog(priority, format, args))
VARIADIC_VOID(syslog_chk, (int priority, int flag, const char *format, ...), format,
              __vsyslog_chk(priority, flag, format, args))

#define EXECV execv
#define EXECVP execvp
#define EXECVE execve
#include "execl.h"
