// macho.h: the parts of the Mach-O format that the loader reads. Layouts and numbers are those of
// Apple's <mach-o/loader.h>, <mach-o/nlist.h>, <mach-o/fat.h> and <mach-o/fixup-chains.h>.
#ifndef MACHO_H
#define MACHO_H

#include <stdint.h>

enum {
    MAGIC_64 = 0xfeedfacf,
    MAGIC_FAT = 0xcafebabe, // big-endian in the file
    CPU_X86_64 = 0x01000007,
    CPU_ARM64 = 0x0100000c,
    TYPE_EXECUTE = 2,
    TYPE_DYLIB = 6,
    PLATFORM_MACOS = 1,
};

// Load commands.
enum {
    LC_SYMTAB = 0x02,
    LC_DYSYMTAB = 0x0b,
    LC_LOAD_DYLIB = 0x0c,
    LC_ID_DYLIB = 0x0d,
    LC_LOAD_DYLINKER = 0x0e,
    LC_SEGMENT_64 = 0x19,
    LC_UUID = 0x1b,
    LC_CODE_SIGNATURE = 0x1d,
    LC_SEGMENT_SPLIT_INFO = 0x1e,
    LC_FUNCTION_STARTS = 0x26,
    LC_DATA_IN_CODE = 0x29,
    LC_SOURCE_VERSION = 0x2a,
    LC_BUILD_VERSION = 0x32,
};
#define LC_LOAD_WEAK_DYLIB 0x80000018u
#define LC_DYLD_INFO_ONLY 0x80000022u
#define LC_MAIN 0x80000028u
#define LC_DYLD_EXPORTS_TRIE 0x80000033u
#define LC_DYLD_CHAINED_FIXUPS 0x80000034u

// The type of a section, the low byte of its flags.
enum {
    S_REGULAR = 0x00,
    S_CSTRING_LITERALS = 0x02,
    S_MOD_INIT_FUNCTIONS = 0x09,
    S_MOD_TERM_FUNCTIONS = 0x0a,
    S_INTERPOSING = 0x0d,
    S_THREAD_LOCAL_REGULAR = 0x11,
    S_THREAD_LOCAL_ZEROFILL = 0x12,
    S_THREAD_LOCAL_VARIABLES = 0x13,
    S_THREAD_LOCAL_VARIABLE_POINTERS = 0x14,
    S_INIT_FUNCTION_OFFSETS = 0x16,
};

struct fat_header {
    uint32_t magic, count;
};

struct fat_arch {
    uint32_t cpu, subtype, offset, size, align;
};

struct mach_header {
    uint32_t magic, cpu, subtype, type, command_count, command_size, flags, reserved;
};

struct load_command {
    uint32_t command, size;
};

struct segment_command {
    uint32_t command, size;
    char name[16];
    uint64_t address, memory_size, file_offset, file_size;
    int32_t maximum_protection, protection;
    uint32_t section_count, flags;
};

struct section {
    char name[16], segment[16];
    uint64_t address, size;
    uint32_t offset, align, relocation_offset, relocation_count, flags, reserved[3];
};

struct symtab_command {
    uint32_t command, size, symbol_offset, symbol_count, string_offset, string_size;
};

struct symbol_entry {
    uint32_t string;
    uint8_t type, section;
    uint16_t description;
    uint64_t value;
};

// Bits of symbol_entry.type.
enum { SYMBOL_DEBUG = 0xe0, SYMBOL_TYPE = 0x0e, SYMBOL_IN_SECTION = 0x0e, SYMBOL_EXTERNAL = 0x01 };

struct dyld_info_command {
    uint32_t command, size, rebase_offset, rebase_size, bind_offset, bind_size, weak_offset,
        weak_size, lazy_offset, lazy_size, export_offset, export_size;
};

struct data_command {
    uint32_t command, size, offset, data_size;
};

struct dylib_command {
    uint32_t command, size, name_offset, timestamp, version, compatibility;
};

struct main_command {
    uint32_t command, size;
    uint64_t entry_offset, stack_size;
};

struct build_version_command {
    uint32_t command, size, platform, minimum, sdk, tool_count;
};

// LC_DYLD_CHAINED_FIXUPS.
struct chained_header {
    uint32_t version, starts_offset, imports_offset, symbols_offset, import_count, import_format,
        symbols_format;
};

struct chained_starts {
    uint32_t segment_count;
    uint32_t segment_offset[];
};

struct chained_segment {
    uint32_t size;
    uint16_t page_size, format;
    uint64_t offset; // of the segment, from the header
    uint32_t maximum;
    uint16_t page_count;
    uint16_t page_start[];
} __attribute__((packed));

enum {
    CHAINED_IMPORT = 1,
    CHAINED_IMPORT_ADDEND = 2,
    CHAINED_PTR_64 = 2,
    CHAINED_PTR_64_OFFSET = 6,
    CHAINED_PAGE_EMPTY = 0xffff,
    CHAINED_PAGE_MULTIPLE = 0x8000,
};

#endif
