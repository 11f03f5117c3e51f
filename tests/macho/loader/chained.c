// chained.c: the fixups of LC_DYLD_CHAINED_FIXUPS, in the pointer formats that macOS has without
// pointer authentication. Each pointer to be fixed says how far on the next one is.
#include "loader.h"

static void *chained_import(struct image *image, const struct chained_header *header,
                            uint32_t index, uint64_t *addend) {
    const char *data = (const char *)header;
    const char *symbols = data + header->symbols_offset;
    if (index >= header->import_count) refuse("%s: import %u of its chains", image->path, index);
    const uint32_t *imports = (const void *)(data + header->imports_offset);
    uint32_t word;
    switch (header->import_format) {
    case CHAINED_IMPORT: word = imports[index]; break;
    case CHAINED_IMPORT_ADDEND:
        word = imports[2 * index];
        *addend += (int32_t)imports[2 * index + 1];
        break;
    default: refuse("%s: import format %u", image->path, header->import_format);
    }
    // 8 bits of ordinal, of which the last few stand for the special ones; then a flag.
    int ordinal = word & 0xff;
    if (ordinal > 0xf0) ordinal -= 0x100;
    return bind(image, ordinal, symbols + (word >> 9), word >> 8 & 1);
}

static void fix_chain(struct image *image, const struct chained_header *header, char *at,
                      int format) {
    for (;;) {
        uint64_t *slot = (uint64_t *)at, raw = *slot;
        uint64_t next = raw >> 51 & 0xfff;
        if (raw >> 63) {
            uint64_t addend = raw >> 24 & 0xff;
            void *address = chained_import(image, header, raw & 0xffffff, &addend);
            *slot = address == NULL ? 0 : (uint64_t)address + addend;
        } else {
            uint64_t target = raw & 0xfffffffffull, top = (raw >> 36 & 0xff) << 56;
            target += format == CHAINED_PTR_64_OFFSET ? (uint64_t)image->base
                                                      : (uint64_t)image->slide;
            *slot = target | top;
        }
        if (next == 0) return;
        at += next * 4;
    }
}

void fix_up_chained(struct image *image) {
    const struct chained_header *header = (const void *)(image->file + image->chained->offset);
    if (header->version != 0 || header->symbols_format != 0)
        refuse("%s: chained fixups of an unknown version", image->path);
    const char *starts = (const char *)header + header->starts_offset;
    const struct chained_starts *all = (const void *)starts;
    for (uint32_t i = 0; i < all->segment_count; i++) {
        if (all->segment_offset[i] == 0) continue;
        const struct chained_segment *segment = (const void *)(starts + all->segment_offset[i]);
        if (segment->format != CHAINED_PTR_64 && segment->format != CHAINED_PTR_64_OFFSET)
            refuse("%s: chained pointers of format %d", image->path, segment->format);
        for (int page = 0; page < segment->page_count; page++) {
            uint16_t start = segment->page_start[page];
            if (start == CHAINED_PAGE_EMPTY) continue;
            if (start & CHAINED_PAGE_MULTIPLE) refuse("%s: several chains a page", image->path);
            char *at = image->base + segment->offset + (uint64_t)page * segment->page_size + start;
            fix_chain(image, header, at, segment->format);
        }
    }
}
