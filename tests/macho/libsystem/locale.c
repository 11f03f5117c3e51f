// locale.c: locales. One lock stands for that of Apple's locales and its caches. Since macOS 14
// a fork takes that of the forking thread's locale, older ones take none.
#define _GNU_SOURCE
#include <locale.h>
#include <stdio.h>
#include <stdlib.h>

#include "libsystem.h"

static struct model_lock locale_lock = {.name = "the lock of locales"};

// LC_ALL is 0 on macOS, and the others are 1 to 6.
static int category_from_apple(int category) {
    static const int categories[] = {LC_ALL,      LC_COLLATE, LC_CTYPE,   LC_MONETARY,
                                     LC_NUMERIC, LC_TIME,    LC_MESSAGES};
    return category >= 0 && category <= 6 ? categories[category] : -1;
}

static char *standin_setlocale(int category, const char *name) {
    model_enter(&locale_lock);
    char *result = setlocale(category_from_apple(category), name);
    model_leave(&locale_lock);
    return result;
}
EXPORT("_setlocale", standin_setlocale)

// Apple's struct lconv begins as C's does, and so as glibc's.
LOCKED(locale_lock, struct lconv *, localeconv, (void), ())
LOCKED(locale_lock, locale_t, duplocale, (locale_t locale), (locale))

static locale_t standin_newlocale(int mask, const char *name, locale_t base) {
    (void)mask;
    model_enter(&locale_lock);
    locale_t result = CALL(newlocale(LC_ALL_MASK, name, base));
    model_leave(&locale_lock);
    return result;
}
EXPORT("_newlocale", standin_newlocale)

static int standin_freelocale(locale_t locale) {
    model_enter(&locale_lock);
    freelocale(locale);
    model_leave(&locale_lock);
    return 0;
}
EXPORT("_freelocale", standin_freelocale)

static locale_t standin_uselocale(locale_t locale) {
    // LC_GLOBAL_LOCALE is (locale_t)-1 in both.
    return CALL(uselocale(locale));
}
EXPORT("_uselocale", standin_uselocale)

static const char *standin_querylocale(int mask, locale_t locale) {
    (void)mask, (void)locale;
    model_enter(&locale_lock);
    model_leave(&locale_lock);
    return "C";
}
EXPORT("_querylocale", standin_querylocale)

static struct lconv *standin_localeconv_l(locale_t locale) {
    (void)locale;
    return standin_localeconv();
}
EXPORT("_localeconv_l", standin_localeconv_l)

// Texts of errors come from a message catalogue, under the same lock.
static char *standin_strerror(int error) {
    model_enter(&locale_lock);
    char *text = strerror(error_from_apple(error));
    model_leave(&locale_lock);
    return text;
}
EXPORT("_strerror", standin_strerror)

static int standin_strerror_r(int error, char *to, size_t size) {
    model_enter(&locale_lock);
    snprintf(to, size, "%s", strerror(error_from_apple(error)));
    model_leave(&locale_lock);
    return 0;
}
EXPORT("_strerror_r", standin_strerror_r)

static char *standin_strsignal(int signal) {
    model_enter(&locale_lock);
    char *text = strsignal(signal_from_apple(signal));
    model_leave(&locale_lock);
    return text;
}
EXPORT("_strsignal", standin_strsignal)
