//! The library as a file.

use std::collections::BTreeSet;
use std::fs;

use object::{Object, ObjectSection, ObjectSymbol};

use crate::common::library;

/// The symbols that musl 1.2.3, or what is installed, has.
fn symbols_of_musl() -> BTreeSet<String> {
    let bytes = fs::read("/lib/ld-musl-x86_64.so.1").expect("musl-tools brings it");
    let musl = object::File::parse(&*bytes).expect("an ELF file");
    let names = musl.dynamic_symbols().filter(|symbol| symbol.is_definition());
    names.filter_map(|symbol| Some(symbol.name().ok()?.to_owned())).collect()
}

#[test]
fn it_needs_nothing_but_the_oldest_musl() {
    let bytes = fs::read(library()).expect("it was built");
    let library = object::File::parse(&*bytes).expect("an ELF file");
    let musl = symbols_of_musl();
    assert!(musl.len() > 1500, "{}", musl.len());
    for symbol in library.dynamic_symbols() {
        let name = symbol.name().expect("symbols have names");
        // Each hook stands in for a function that is there, or that a library of C++ has. Each import is
        // of one that is there.
        let cpp = symbol.is_definition() && name.starts_with("__cxa_guard_");
        let known = cpp || symbol.is_weak() || name.is_empty() || musl.contains(name);
        assert!(known, "musl has no {name}");
        // Thread-local storage at a fixed place, without a call that may allocate.
        assert_ne!(name, "__tls_get_addr");
    }
    let hooks = library.exports().expect("it has a symbol table").count();
    assert!(hooks > 100, "{hooks}");
}

/// Rust's tables would be read by whatever unwinder the program has.
#[test]
fn nothing_unwinds_through_it() {
    let bytes = fs::read(library()).expect("it was built");
    let library = object::File::parse(&*bytes).expect("an ELF file");
    let size = |name: &str| library.section_by_name(name).map_or(0, |section| section.size());
    assert_eq!(size(".gcc_except_table"), 0);
    // Four bytes end the table.
    assert!(size(".eh_frame") <= 4, "{}", size(".eh_frame"));
}
