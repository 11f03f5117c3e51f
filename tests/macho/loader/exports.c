// exports.c: what an image exports, by its trie (LC_DYLD_INFO_ONLY or LC_DYLD_EXPORTS_TRIE).
#include <string.h>

#include "loader.h"

enum { EXPORT_REGULAR = 0, EXPORT_WEAK = 4, EXPORT_KIND = 3, EXPORT_UNSUPPORTED = 0x18 };

uint64_t read_uleb(const uint8_t **at, const uint8_t *end) {
    uint64_t value = 0;
    for (int shift = 0;; shift += 7) {
        if (*at == end || shift > 63) refuse("a broken ULEB128 number");
        uint8_t byte = *(*at)++;
        value |= (uint64_t)(byte & 0x7f) << shift;
        if ((byte & 0x80) == 0) return value;
    }
}

int64_t read_sleb(const uint8_t **at, const uint8_t *end) {
    uint64_t value = 0;
    for (int shift = 0;; shift += 7) {
        if (*at == end || shift > 63) refuse("a broken SLEB128 number");
        uint8_t byte = *(*at)++;
        value |= (uint64_t)(byte & 0x7f) << shift;
        if (byte & 0x80) continue;
        if ((byte & 0x40) && shift + 7 < 64) value |= ~0ull << (shift + 7);
        return (int64_t)value;
    }
}

// The node to which one edge leads that starts `*rest`; NULL if there is none.
static const uint8_t *follow(const uint8_t *trie, const uint8_t *node, const uint8_t *end,
                             const char **rest) {
    int edges = *node++;
    while (edges-- > 0) {
        const char *label = (const char *)node;
        size_t length = strlen(label);
        node += length + 1;
        uint64_t offset = read_uleb(&node, end);
        if (strncmp(label, *rest, length) != 0) continue;
        *rest += length;
        return trie + offset;
    }
    return NULL;
}

// Where the trie is in the file, and its size: 0 without one.
static uint32_t find_trie(const struct image *image, uint32_t *offset) {
    if (image->exports != NULL) {
        *offset = image->exports->offset;
        return image->exports->data_size;
    }
    if (image->dyld_info == NULL) return 0;
    *offset = image->dyld_info->export_offset;
    return image->dyld_info->export_size;
}

void *image_export(struct image *image, const char *symbol) {
    uint32_t offset, size = find_trie(image, &offset);
    if (size == 0) return NULL;
    const uint8_t *trie = (const uint8_t *)image->file + offset, *end = trie + size, *node = trie;
    const char *rest = symbol;
    while (node != NULL) {
        uint64_t terminal = read_uleb(&node, end);
        if (*rest == '\0') {
            if (terminal == 0) return NULL;
            uint64_t flags = read_uleb(&node, end);
            if ((flags & EXPORT_KIND) != EXPORT_REGULAR || (flags & EXPORT_UNSUPPORTED))
                refuse("%s exports %s in a way that is not implemented", image->path, symbol);
            return image->base + read_uleb(&node, end);
        }
        node = follow(trie, node + terminal, end, &rest);
    }
    return NULL;
}
