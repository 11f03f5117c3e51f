// semantics_c23.c: the scanf functions of C23 for a libc before 2.38, which lacks them, so that there is
// something behind the library's rows for them. A newer libc has its own.
#define _GNU_SOURCE
#include <stdarg.h>
#include <stdio.h>
#include <wchar.h>

#if !__GLIBC_PREREQ(2, 38)

#define COMMA ,
// `parameter` and `argument` are what stands before the format, with a comma.
#define FORM(name, parameter, argument, character)                                        \
    extern int __isoc99_v##name(parameter const character *format, va_list args);         \
    int __isoc23_v##name(parameter const character *format, va_list args) {               \
        return __isoc99_v##name(argument format, args);                                   \
    }                                                                                     \
    int __isoc23_##name(parameter const character *format, ...) {                         \
        va_list args;                                                                     \
        va_start(args, format);                                                           \
        int result = __isoc99_v##name(argument format, args);                             \
        va_end(args);                                                                     \
        return result;                                                                    \
    }
FORM(scanf, , , char)
FORM(fscanf, FILE *from COMMA, from COMMA, char)
FORM(sscanf, const char *from COMMA, from COMMA, char)
FORM(wscanf, , , wchar_t)
FORM(fwscanf, FILE *from COMMA, from COMMA, wchar_t)
FORM(swscanf, const wchar_t *from COMMA, from COMMA, wchar_t)

#endif
