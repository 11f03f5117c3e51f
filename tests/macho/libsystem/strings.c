// strings.c: functions on memory and texts, which are the same everywhere, and a few others that
// need nothing but a name.
#define _GNU_SOURCE
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/random.h>
#include <unistd.h>

#include "libsystem.h"

PASS(memcmp)
PASS(memcpy)
PASS(memmove)
PASS(memset)
PASS(memchr)
PASS(bzero)
EXPORT("___bzero", bzero)
PASS(strlen)
PASS(strnlen)
PASS(strcmp)
PASS(strncmp)
PASS(strcasecmp)
PASS(strcpy)
PASS(strncpy)
PASS(stpcpy)
PASS(strcat)
PASS(strchr)
PASS(strrchr)
PASS(strstr)
PASS(strdup)
PASS(strtok_r)
PASS(strsep)
PASS(strcspn)
PASS(atoi)
PASS(qsort)
PASS(abs)
PASS(strtol)
PASS(strtoul)
PASS(strtoll)
PASS(strtoull)
PASS(strtod)

extern void *__memcpy_chk(void *, const void *, size_t, size_t);
extern void *__memmove_chk(void *, const void *, size_t, size_t);
extern void *__memset_chk(void *, int, size_t, size_t);
extern char *__strcpy_chk(char *, const char *, size_t);
extern char *__strcat_chk(char *, const char *, size_t);
PASS(__memcpy_chk)
PASS(__memmove_chk)
PASS(__memset_chk)
PASS(__strcpy_chk)
PASS(__strcat_chk)

static size_t standin_strlcpy(char *to, const char *from, size_t size) {
    size_t length = strlen(from);
    if (size > 0) {
        size_t copied = length < size ? length : size - 1;
        memcpy(to, from, copied);
        to[copied] = '\0';
    }
    return length;
}
EXPORT("_strlcpy", standin_strlcpy)

static uintptr_t stack_guard = 0x595e9fbd94fda766;
EXPORT_DATA("___stack_chk_guard", stack_guard)
EXPORT("___stack_chk_fail", abort)

TRANSLATE(int, getentropy, (void *to, size_t size), (to, size))

static int random_bytes(void *to, size_t size) {
    return getrandom(to, size, 0) == (ssize_t)size ? 0 : -4300; // kCCParamError
}
EXPORT("_CCRandomGenerateBytes", random_bytes)

static void standin_arc4random_buf(void *to, size_t size) {
    if (random_bytes(to, size) != 0) abort();
}
EXPORT("_arc4random_buf", standin_arc4random_buf)

static uint32_t standin_arc4random(void) {
    uint32_t number;
    standin_arc4random_buf(&number, sizeof number);
    return number;
}
EXPORT("_arc4random", standin_arc4random)
PASS(random)
PASS(rand)
PASS(srand)
PASS(srandom)

PASS(getpid)
PASS(getppid)
PASS(getuid)
PASS(geteuid)
PASS(getgid)
PASS(getegid)
PASS(getpgrp)
PASS(setsid)

static int standin_issetugid(void) {
    return 0;
}
EXPORT("_issetugid", standin_issetugid)

// libgcc's unwinder; Apple's has the same interface. It knows no tables of the images: a panic ends
// the process.
#define UNWIND(name)                                                                               \
    extern void name(void);                                                                        \
    PASS(name)
UNWIND(_Unwind_Backtrace)
UNWIND(_Unwind_DeleteException)
UNWIND(_Unwind_ForcedUnwind)
UNWIND(_Unwind_GetCFA)
UNWIND(_Unwind_GetDataRelBase)
UNWIND(_Unwind_GetIP)
UNWIND(_Unwind_GetIPInfo)
UNWIND(_Unwind_GetLanguageSpecificData)
UNWIND(_Unwind_GetRegionStart)
UNWIND(_Unwind_GetTextRelBase)
UNWIND(_Unwind_RaiseException)
UNWIND(_Unwind_Resume)
UNWIND(_Unwind_SetGR)
UNWIND(_Unwind_SetIP)
