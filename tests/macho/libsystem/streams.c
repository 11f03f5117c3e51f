// streams.c: streams that are no files, wide characters, and formats with a locale (ignored).
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <wchar.h>

#include "libsystem.h"

// A call for a stream, under its lock.
#define ON_STREAM(type, stream, call)                                                              \
    ({                                                                                             \
        standin_flockfile(stream);                                                                 \
        type result_on_stream = CALL(call);                                                        \
        standin_funlockfile(stream);                                                               \
        result_on_stream;                                                                          \
    })

#define STREAM(type, name, parameters, stream, arguments)                                          \
    static type standin_##name parameters {                                                        \
        return ON_STREAM(type, stream, name arguments);                                            \
    }                                                                                              \
    EXPORT("_" #name, standin_##name)

STREAM(wint_t, putwc, (wchar_t c, FILE *file), file, (c, file))
STREAM(wint_t, putwchar, (wchar_t c), stdout, (c))
STREAM(wint_t, getwc, (FILE * file), file, (file))
STREAM(wint_t, getwchar, (void), stdin, ())
STREAM(wint_t, ungetwc, (wint_t c, FILE *file), file, (c, file))
STREAM(wchar_t *, fgetws, (wchar_t * to, int size, FILE *file), file, (to, size, file))
STREAM(int, fwide, (FILE * file, int mode), file, (file, mode))

// `v` forms, whose last argument is Apple's list.
#define LIST_FORM(symbol, host, stream, parameters, arguments)                                     \
    static int standin_##symbol parameters {                                                       \
        FROM_APPLE_LIST(list, from);                                                               \
        return ON_STREAM(int, stream, host arguments);                                             \
    }                                                                                              \
    EXPORT("_" #symbol, standin_##symbol)

LIST_FORM(vfprintf_l, vfprintf, file,
          (FILE * file, void *locale __attribute__((unused)), const char *format, apple_list from),
          (file, format, list))
LIST_FORM(vprintf_l, vprintf, stdout,
          (void *locale __attribute__((unused)), const char *format, apple_list from),
          (format, list))
LIST_FORM(vwprintf, vwprintf, stdout, (const wchar_t *format, apple_list from), (format, list))
LIST_FORM(vfwprintf, vfwprintf, file, (FILE * file, const wchar_t *format, apple_list from),
          (file, format, list))
LIST_FORM(vscanf, vscanf, stdin, (const char *format, apple_list from), (format, list))
LIST_FORM(vfscanf, vfscanf, file, (FILE * file, const char *format, apple_list from),
          (file, format, list))
LIST_FORM(vwscanf, vwscanf, stdin, (const wchar_t *format, apple_list from), (format, list))
LIST_FORM(vfwscanf, vfwscanf, file, (FILE * file, const wchar_t *format, apple_list from),
          (file, format, list))

// Variadic forms, whose arguments are on the stack.
#define VARIADIC_FORM(symbol, host, stream, named, parameters, arguments)                          \
    int standin_##symbol parameters {                                                              \
        OPEN_REST(list, format);                                                                   \
        return ON_STREAM(int, stream, host arguments);                                             \
    }                                                                                              \
    EXPORT_VARIADIC("_" #symbol, standin_##symbol, named)

VARIADIC_FORM(printf_l, vprintf, stdout, 2,
              (void *locale __attribute__((unused)), const char *format, REST), (format, list))
VARIADIC_FORM(fprintf_l, vfprintf, file, 3,
              (FILE * file, void *locale __attribute__((unused)), const char *format, REST),
              (file, format, list))
VARIADIC_FORM(wprintf, vwprintf, stdout, 1, (const wchar_t *format, REST), (format, list))
VARIADIC_FORM(fwprintf, vfwprintf, file, 2, (FILE * file, const wchar_t *format, REST),
              (file, format, list))
VARIADIC_FORM(scanf, vscanf, stdin, 1, (const char *format, REST), (format, list))
VARIADIC_FORM(fscanf, vfscanf, file, 2, (FILE * file, const char *format, REST),
              (file, format, list))
VARIADIC_FORM(wscanf, vwscanf, stdin, 1, (const wchar_t *format, REST), (format, list))
VARIADIC_FORM(fwscanf, vfwscanf, file, 2, (FILE * file, const wchar_t *format, REST),
              (file, format, list))

// fpos_t is a number there and a structure here.
static int standin_fgetpos(FILE *file, off_t *position) {
    *position = ON_STREAM(off_t, file, ftello(file));
    return *position < 0 ? -1 : 0;
}
EXPORT("_fgetpos", standin_fgetpos)

static int standin_fsetpos(FILE *file, const off_t *position) {
    return ON_STREAM(int, file, fseeko(file, *position, SEEK_SET));
}
EXPORT("_fsetpos", standin_fsetpos)

static int standin_setlinebuf(FILE *file) {
    return ON_STREAM(int, file, setvbuf(file, NULL, _IOLBF, 0));
}
EXPORT("_setlinebuf", standin_setlinebuf)

static int standin_setbuffer(FILE *file, char *buffer, int size) {
    return ON_STREAM(int, file, setvbuf(file, buffer, buffer != NULL ? _IOFBF : _IONBF, size));
}
EXPORT("_setbuffer", standin_setbuffer)

// Drops what is buffered: nothing that the tests could see.
static int standin_fpurge(FILE *file) {
    return ON_STREAM(int, file, fflush(file));
}
EXPORT("_fpurge", standin_fpurge)

// The next line, in memory of the stream's; here of the thread's.
static char *standin_fgetln(FILE *file, size_t *size) {
    static __thread char *line;
    static __thread size_t room;
    ssize_t length = ON_STREAM(ssize_t, file, getline(&line, &room, file));
    *size = length > 0 ? length : 0;
    return length > 0 ? line : NULL;
}
EXPORT("_fgetln", standin_fgetln)

// No test gives it input.
static char *standin_gets(char *to) {
    if (ON_STREAM(int, stdin, getc(stdin)) != EOF) abort();
    (void)to;
    return NULL;
}
EXPORT("_gets", standin_gets)

static void standin_psignal(unsigned number, const char *prefix) {
    standin_flockfile(stderr);
    fprintf(stderr, "%s: signal %u\n", prefix, number);
    standin_funlockfile(stderr);
}
EXPORT("_psignal", standin_psignal)

static FILE *standin_fmemopen(void *memory, size_t size, const char *mode) {
    return enlist_file(CALL(fmemopen(memory, size, mode)));
}
EXPORT("_fmemopen", standin_fmemopen)

static FILE *standin_open_memstream(char **memory, size_t *size) {
    return enlist_file(CALL(open_memstream(memory, size)));
}
EXPORT("_open_memstream", standin_open_memstream)

static FILE *standin_open_wmemstream(wchar_t **memory, size_t *size) {
    return enlist_file(CALL(open_wmemstream(memory, size)));
}
EXPORT("_open_wmemstream", standin_open_wmemstream)

// Callbacks take an int as their size: only streams that write are made, and they write nowhere.
static FILE *standin_funopen(const void *cookie, void *read, void *write, void *seek, void *close) {
    (void)cookie, (void)read, (void)write, (void)seek, (void)close;
    return enlist_file(CALL(fopen("/dev/null", "w")));
}
EXPORT("_funopen", standin_funopen)
