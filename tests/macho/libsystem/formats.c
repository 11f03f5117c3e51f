// formats.c: printf and its kin, whose arguments Apple's arm64 passes on the stack.
#define _GNU_SOURCE
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>

#include "libsystem.h"

static int print(FILE *file, const char *format, va_list list) {
    standin_flockfile(file);
    int result = CALL(vfprintf(file, format, list));
    standin_funlockfile(file);
    return result;
}

static int print_text(char *to, size_t size, const char *format, va_list list) {
    return CALL(vsnprintf(to, size, format, list));
}

int standin_printf(const char *format, REST) {
    OPEN_REST(list, format);
    return print(stdout, format, list);
}
EXPORT_VARIADIC("_printf", standin_printf, 1)

int standin_fprintf(FILE *file, const char *format, REST) {
    OPEN_REST(list, format);
    return print(file, format, list);
}
EXPORT_VARIADIC("_fprintf", standin_fprintf, 2)

int standin_vprintf(const char *format, apple_list from) {
    FROM_APPLE_LIST(list, from);
    return print(stdout, format, list);
}
EXPORT("_vprintf", standin_vprintf)

int standin_vfprintf(FILE *file, const char *format, apple_list from) {
    FROM_APPLE_LIST(list, from);
    return print(file, format, list);
}
EXPORT("_vfprintf", standin_vfprintf)

int standin_dprintf(int fd, const char *format, REST) {
    OPEN_REST(list, format);
    return CALL(vdprintf(fd, format, list));
}
EXPORT_VARIADIC("_dprintf", standin_dprintf, 2)

int standin_vdprintf(int fd, const char *format, apple_list from) {
    FROM_APPLE_LIST(list, from);
    return CALL(vdprintf(fd, format, list));
}
EXPORT("_vdprintf", standin_vdprintf)

int standin_sprintf(char *to, const char *format, REST) {
    OPEN_REST(list, format);
    return print_text(to, INT_MAX, format, list);
}
EXPORT_VARIADIC("_sprintf", standin_sprintf, 2)

int standin_snprintf(char *to, size_t size, const char *format, REST) {
    OPEN_REST(list, format);
    return print_text(to, size, format, list);
}
EXPORT_VARIADIC("_snprintf", standin_snprintf, 3)

int standin_snprintf_chk(char *to, size_t size, int flag, size_t room, const char *format, REST) {
    (void)flag;
    OPEN_REST(list, format);
    if (room < size) abort();
    return print_text(to, size, format, list);
}
EXPORT_VARIADIC("___snprintf_chk", standin_snprintf_chk, 5)

int standin_vsnprintf(char *to, size_t size, const char *format, apple_list from) {
    FROM_APPLE_LIST(list, from);
    return print_text(to, size, format, list);
}
EXPORT("_vsnprintf", standin_vsnprintf)

int standin_vsnprintf_chk(char *to, size_t size, int flag, size_t room, const char *format,
                          apple_list from) {
    (void)flag;
    if (room < size) abort();
    return standin_vsnprintf(to, size, format, from);
}
EXPORT("___vsnprintf_chk", standin_vsnprintf_chk)

int standin_asprintf(char **to, const char *format, REST) {
    OPEN_REST(list, format);
    return CALL(vasprintf(to, format, list));
}
EXPORT_VARIADIC("_asprintf", standin_asprintf, 2)

int standin_sscanf(const char *from, const char *format, REST) {
    OPEN_REST(list, format);
    return CALL(vsscanf(from, format, list));
}
EXPORT_VARIADIC("_sscanf", standin_sscanf, 2)
