// semantics.h: makes one call of libc and reports all that can be seen of it: its result, errno, what it
// wrote into a buffer and into a stream.
#ifndef SEMANTICS_H
#define SEMANTICS_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <ctype.h>
#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include <wchar.h>

enum { ROOM = 4096, PLACES = 8, UNTOUCHED = '~' };

// What a call may write to.
static char text[ROOM];
static wchar_t wide[ROOM];
static union place {
    char bytes[64];
    wchar_t characters[16];
    void *made;
    long double align;
} place[PLACES];

// What a call may read from and write to; stdin, stdout and stderr meanwhile.
static FILE *stream;
// Where reports go: the stdout of the program.
static FILE *report;
static FILE *real_stderr;

__attribute__((noreturn)) static void broken(const char *what) {
    dprintf(2, "semantics: %s: errno %d\n", what, errno);
    _exit(99);
}

static void print_bytes(const char *name, const char *bytes, size_t count) {
    fprintf(report, " %s=\"", name);
    for (size_t i = 0; i < count; i++) {
        unsigned char byte = bytes[i];
        if (isprint(byte) && byte != '"' && byte != '\\') putc(byte, report);
        else fprintf(report, "\\%02x", byte);
    }
    putc('"', report);
}

// Everything before the untouched rest.
static void print_touched(const char *name, const char *bytes, size_t count) {
    while (count > 0 && bytes[count - 1] == UNTOUCHED) count--;
    if (count > 0) print_bytes(name, bytes, count);
}

static void print_text(const char *name, const char *string) {
    if (string == NULL) fprintf(report, " %s=NULL", name);
    else print_bytes(name, string, strlen(string));
}

static void print_number(const char *name, long number) { fprintf(report, " %s=%ld", name, number); }

// Makes a stream with `input` in it, and everything else as if nobody had ever written to it.
static void begin(const char *name, const char *input, int error) {
    fprintf(report, "%s:", name);
    memset(text, UNTOUCHED, sizeof text);
    memset(wide, UNTOUCHED, sizeof wide);
    memset(place, UNTOUCHED, sizeof place);
    int fd = memfd_create("semantics", 0);
    size_t length = strlen(input);
    if (fd < 0 || write(fd, input, length) != (ssize_t)length || lseek(fd, 0, SEEK_SET) != 0)
        broken("memfd");
    stream = fdopen(fd, "r+");
    if (stream == NULL) broken("fdopen");
    stdin = stdout = stderr = stream;
    errno = error;
}

// Reports the call that was made since `begin`.
static void end(long result) {
    int error = errno;
    long position = ftell(stream);
    if (fflush(stream) != 0) broken("fflush");
    fprintf(report, " result=%ld errno=%d position=%ld eof=%d error=%d", result, error, position,
            feof(stream) != 0, ferror(stream) != 0);
    static char written[2 * ROOM];
    ssize_t got = pread(fileno(stream), written, sizeof written, 0);
    if (got > 0) print_bytes("stream", written, got);
    print_touched("text", text, sizeof text);
    print_touched("wide", (char *)wide, sizeof wide);
    for (int i = 0; i < PLACES; i++) print_touched("place", place[i].bytes, sizeof place[i]);
    putc('\n', report);
    if (fclose(stream) != 0) broken("fclose");
    stream = NULL;
    stdout = report;
    stderr = real_stderr;
}

static void prepare_reports(void) {
    report = stdout;
    real_stderr = stderr;
}

#endif
