// bind.c: what an import is bound to: another image's export, a stand-in, or a replacement.
#include <stdio.h>
#include <string.h>

#include "../libsystem/libsystem.h"
#include "loader.h"

static const char *hidden[32];
static int hidden_count;

void hide_symbol(const char *symbol) {
    if (hidden_count == sizeof hidden / sizeof *hidden) refuse("too many hidden symbols");
    hidden[hidden_count++] = symbol;
}

static bool is_hidden(const char *symbol) {
    for (int i = 0; i < hidden_count; i++)
        if (strcmp(hidden[i], symbol + (*symbol == '_')) == 0) return true;
    return false;
}

// The replacement of a symbol for everybody but the library that replaces it.
static void *replacement(const struct image *image, const char *symbol) {
    for (int i = 0; i < tuple_count; i++)
        if (tuples[i].owner != image && tuples[i].symbol != NULL &&
            strcmp(tuples[i].symbol, symbol) == 0)
            return tuples[i].replacement;
    return NULL;
}

void *interposed(const char *symbol, void *original) {
    void *other = replacement(NULL, symbol);
    return other != NULL ? other : original;
}

// Libraries of macOS that the stand-ins are for.
static bool is_known_library(const char *name) {
    static const char *const known[] = {
        "/usr/lib/libSystem.B.dylib",
        "/usr/lib/libobjc.A.dylib",
        "/System/Library/Frameworks/Foundation.framework/Versions/C/Foundation",
    };
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (strcmp(known[i], name) == 0) return true;
    return false;
}

static void check_dependency(const struct image *image, int ordinal, const char *symbol) {
    if (ordinal <= 0) return; // itself, the executable, or everybody
    if (ordinal > image->dependency_count)
        refuse("%s: %s is bound to dependency %d", image->path, symbol, ordinal);
    const char *library = image->dependencies[ordinal - 1];
    if (!is_known_library(library) && !image->weak_dependency[ordinal - 1])
        refuse("%s needs %s, for which there is no stand-in", image->path, library);
}

static void *from_images(struct image *image, int ordinal, const char *symbol) {
    if (ordinal == 0) return image_export(image, symbol);
    if (ordinal > 0) return NULL;
    for (int i = 0; i < image_count; i++) {
        if (ordinal == -1 && images[i]->header->type != TYPE_EXECUTE) continue;
        void *address = image_export(images[i], symbol);
        if (address != NULL) return address;
    }
    return NULL;
}

void *bind(struct image *image, int ordinal, const char *symbol, bool weak) {
    check_dependency(image, ordinal, symbol);
    void *address = from_images(image, ordinal, symbol);
    if (address != NULL) return address;
    if (is_hidden(symbol)) {
        if (weak) return NULL;
        refuse("dyld: Symbol not found: %s, referenced from %s", symbol, image->path);
    }
    const struct standin *standin = find_standin(symbol);
    if (standin == NULL && weak) return NULL;
    if (standin != NULL && standin->kind == DATA) return standin->address;
    void *target = replacement(image, symbol);
    if (target == NULL && standin != NULL) target = standin->address;
    // Without a target a call ends the process and says what was called.
    return trampoline_for(image, symbol, target);
}

void *find_for_dlsym(const char *name) {
    char symbol[256];
    if (snprintf(symbol, sizeof symbol, "_%s", name) >= (int)sizeof symbol) return NULL;
    for (int i = 0; i < image_count; i++) {
        void *address = image_export(images[i], symbol);
        if (address != NULL) return address;
    }
    if (is_hidden(symbol)) return NULL;
    const struct standin *standin = find_standin(symbol);
    if (standin == NULL) return NULL;
    if (standin->kind == DATA) return standin->address;
    void *other = replacement(NULL, symbol);
    if (other != NULL) return other;
    static const struct image dlsym_users = {.label = "dlsym"};
    return trampoline_for(&dlsym_users, standin->symbol, standin->address);
}
