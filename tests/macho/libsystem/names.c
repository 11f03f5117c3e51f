// names.c: the table of all stand-ins, gathered by the linker.
#include <stdlib.h>

#include "../loader/loader.h"
#include "libsystem.h"

extern const struct standin *const __start_standins[], *const __stop_standins[];

static const struct standin **sorted;
static size_t count;

static int compare(const void *a, const void *b) {
    return strcmp((*(const struct standin *const *)a)->symbol,
                  (*(const struct standin *const *)b)->symbol);
}

static void sort(void) {
    count = __stop_standins - __start_standins;
    sorted = malloc(count * sizeof *sorted);
    memcpy(sorted, __start_standins, count * sizeof *sorted);
    qsort(sorted, count, sizeof *sorted, compare);
    for (size_t i = 1; i < count; i++)
        if (strcmp(sorted[i - 1]->symbol, sorted[i]->symbol) == 0)
            refuse("two stand-ins are called %s", sorted[i]->symbol);
}

static const struct standin *find(const char *symbol) {
    const struct standin key = {symbol, NULL, CODE}, *pointer = &key;
    const struct standin **found = bsearch(&pointer, sorted, count, sizeof *sorted, compare);
    return found != NULL ? *found : NULL;
}

const struct standin *find_standin(const char *symbol) {
    // Other versions of a function, which do the same as far as the tests go. Intel's stat and its
    // kin have two structures; only the newer one is known here.
    static const char *const suffixes[] = {"$NOCANCEL", "$DARWIN_EXTSN", "$1050"};
    if (sorted == NULL) sort();
    const struct standin *found = find(symbol);
    const char *suffix = strchr(symbol, '$');
    if (found != NULL || suffix == NULL) return found;
    bool known = false;
    for (size_t i = 0; i < sizeof suffixes / sizeof *suffixes; i++)
        known |= strcmp(suffix, suffixes[i]) == 0;
    char base[256];
    if (!known || (size_t)(suffix - symbol) >= sizeof base) return NULL;
    memcpy(base, symbol, suffix - symbol);
    base[suffix - symbol] = '\0';
    return find(base);
}
