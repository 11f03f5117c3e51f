//! The baseline build asks for nothing that glibc 2.28 lacks.

use std::fs;

use object::read::elf::{ElfFile64, Sym};
use object::{Endianness, elf};

use crate::common::LIBCS;

/// The newest version of glibc that programs may have to have.
const BASELINE: (u32, u32) = (2, 28);

/// The glibc that a version `GLIBC_X.Y` or `GLIBC_X.Y.Z` came with.
fn glibc(version: &str) -> Option<(u32, u32)> {
    let mut numbers = version.strip_prefix("GLIBC_")?.split('.').map(str::parse);
    Some((numbers.next()?.ok()?, numbers.next()?.ok()?))
}

/// The symbols that `name` cannot be loaded without, each with its version.
fn imports(name: &str) -> Vec<(String, String)> {
    let bytes = fs::read(LIBCS[0].directory().join(name)).expect("it was built");
    let file = ElfFile64::<Endianness>::parse(&*bytes).expect("it is an ELF file");
    let endian = file.endian();
    let sections = file.elf_section_table();
    let symbols = sections.symbols(endian, &*bytes, elf::SHT_DYNSYM).expect("dynamic symbols");
    let versions = sections.versions(endian, &*bytes).expect("readable").expect("versions");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let of = |(index, symbol): (object::SymbolIndex, &elf::Sym64<Endianness>)| {
        if !symbol.is_undefined(endian) || symbol.st_bind() != elf::STB_GLOBAL {
            return None;
        }
        let name = symbol.name(endian, symbols.strings()).expect("a name");
        let version = versions.version(versions.version_index(endian, index).index()).ok()??;
        Some((text(name), text(version.name())))
    };
    symbols.enumerate().filter_map(of).collect()
}

#[test]
fn nothing_newer_than_the_baseline_is_imported() {
    for name in ["libforkfix.so", "forkfix"] {
        let imports = imports(name);
        let of_glibc = imports.iter().filter_map(|(_, version)| glibc(version));
        assert!(of_glibc.count() > 30, "{name}: {imports:?}");
        let newer = |import: &&(String, String)| glibc(&import.1) > Some(BASELINE);
        let newer: Vec<_> = imports.iter().filter(newer).collect();
        assert!(newer.is_empty(), "{name} needs a newer glibc: {newer:?}");
    }
}
