//! The symbols that the library exports are those of the list in `tests/symbols.linux.txt`.

#![cfg(target_os = "linux")]

mod common;

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use object::{Object, ObjectSymbol};

fn exported() -> BTreeSet<String> {
    let bytes = fs::read(common::library()).expect("the library is readable");
    let file = object::File::parse(&*bytes).expect("the library is an ELF file");
    file.dynamic_symbols()
        .filter(|symbol| symbol.is_definition() && symbol.is_global())
        .map(|symbol| symbol.name().expect("a name").to_owned())
        .collect()
}

#[test]
fn exports_are_as_listed() {
    let list = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/symbols.linux.txt");
    let text = fs::read_to_string(&list).expect("the list is readable");
    let listed: BTreeSet<String> = text.lines().map(str::to_owned).collect();
    let exported = exported();
    if std::env::var_os("FORKFIX_BLESS").is_some() {
        let lines: String = exported.iter().map(|name| format!("{name}\n")).collect();
        fs::write(&list, lines).expect("the list is writable");
        return;
    }
    let missing: Vec<_> = listed.difference(&exported).collect();
    let unlisted: Vec<_> = exported.difference(&listed).collect();
    assert!(
        missing.is_empty() && unlisted.is_empty(),
        "not exported any more: {missing:?}\nnot in the list: {unlisted:?}\n\
         If that is meant, write the list anew: FORKFIX_BLESS=1 cargo test --test symbols"
    );
}
