// fixups.c: rebases and binds by the opcodes of LC_DYLD_INFO_ONLY. Lazy pointers are bound at once,
// so that dyld_stub_binder is never reached.
#include <string.h>

#include "loader.h"

enum { OPCODE = 0xf0, IMMEDIATE = 0x0f, BIND_WEAK_IMPORT = 1, BIND_NON_WEAK_DEFINITION = 8 };

static uint64_t *slot_at(struct image *image, int segment, uint64_t offset) {
    if (segment >= image->segment_count ||
        offset + sizeof(uint64_t) > image->segments[segment]->memory_size)
        refuse("%s: a fixup outside of its segment", image->path);
    return (uint64_t *)(image->segments[segment]->address + image->slide + offset);
}

static void rebase(struct image *image, const uint8_t *at, const uint8_t *end) {
    int segment = 0;
    uint64_t offset = 0, count, skip;
    while (at < end) {
        int immediate = *at & IMMEDIATE;
        count = 1, skip = 0;
        switch (*at++ & OPCODE) {
        case 0x00: return;
        case 0x10: // type
            if (immediate != 1) refuse("%s: rebase type %d", image->path, immediate);
            continue;
        case 0x20: segment = immediate; offset = read_uleb(&at, end); continue;
        case 0x30: offset += read_uleb(&at, end); continue;
        case 0x40: offset += immediate * sizeof(uint64_t); continue;
        case 0x50: count = immediate; break;
        case 0x60: count = read_uleb(&at, end); break;
        case 0x70: skip = read_uleb(&at, end); break;
        case 0x80: count = read_uleb(&at, end); skip = read_uleb(&at, end); break;
        default: refuse("%s: rebase opcode %#x", image->path, at[-1]);
        }
        for (; count > 0; count--, offset += sizeof(uint64_t) + skip)
            *slot_at(image, segment, offset) += image->slide;
    }
}

struct binding {
    int ordinal, segment;
    const char *symbol;
    bool weak_import, weak_definition;
    int64_t addend;
    uint64_t offset;
};

static void bind_slot(struct image *image, const struct binding *binding) {
    uint64_t *slot = slot_at(image, binding->segment, binding->offset);
    void *address = NULL;
    if (binding->weak_definition) {
        // One definition for all images, that of the first image which has one.
        for (int i = 0; i < image_count && address == NULL; i++)
            address = image_export(images[i], binding->symbol);
        if (address == NULL) return; // bound by the ordinary table, if at all
    } else {
        address = bind(image, binding->ordinal, binding->symbol, binding->weak_import);
    }
    *slot = address == NULL ? 0 : (uint64_t)address + binding->addend;
}

// `lazy`: each entry ends with a "done" opcode, which ends the others' table.
static void bind_table(struct image *image, const uint8_t *at, const uint8_t *end, bool lazy,
                       bool weak) {
    struct binding binding = {.weak_definition = weak};
    uint64_t count, skip;
    while (at < end) {
        int immediate = *at & IMMEDIATE;
        count = 1, skip = 0;
        switch (*at++ & OPCODE) {
        case 0x00:
            if (!lazy) return;
            continue;
        case 0x10: binding.ordinal = immediate; continue;
        case 0x20: binding.ordinal = (int)read_uleb(&at, end); continue;
        case 0x30: binding.ordinal = immediate == 0 ? 0 : immediate - 16; continue;
        case 0x40:
            binding.weak_import = immediate & BIND_WEAK_IMPORT;
            binding.symbol = (const char *)at;
            at += strlen(binding.symbol) + 1;
            continue;
        case 0x50:
            if (immediate != 1) refuse("%s: bind type %d", image->path, immediate);
            continue;
        case 0x60: binding.addend = read_sleb(&at, end); continue;
        case 0x70: binding.segment = immediate; binding.offset = read_uleb(&at, end); continue;
        case 0x80: binding.offset += read_uleb(&at, end); continue;
        case 0x90: break;
        case 0xa0: skip = read_uleb(&at, end); break;
        case 0xb0: skip = immediate * sizeof(uint64_t); break;
        case 0xc0: count = read_uleb(&at, end); skip = read_uleb(&at, end); break;
        default: refuse("%s: bind opcode %#x", image->path, at[-1]);
        }
        if (binding.symbol == NULL) refuse("%s: a bind without a symbol", image->path);
        for (; count > 0; count--, binding.offset += sizeof(uint64_t) + skip)
            bind_slot(image, &binding);
    }
}

void fix_up(struct image *image) {
    if (image->chained != NULL) {
        fix_up_chained(image);
        return;
    }
    const struct dyld_info_command *info = image->dyld_info;
    const uint8_t *file = (const uint8_t *)image->file;
    rebase(image, file + info->rebase_offset, file + info->rebase_offset + info->rebase_size);
    bind_table(image, file + info->bind_offset, file + info->bind_offset + info->bind_size, false,
               false);
    bind_table(image, file + info->lazy_offset, file + info->lazy_offset + info->lazy_size, true,
               false);
    bind_table(image, file + info->weak_offset, file + info->weak_offset + info->weak_size, false,
               true);
}
