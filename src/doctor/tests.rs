//! Files made byte by byte: what is found in them, and that no damage does harm.

use std::io::Write;

use proptest::collection::vec;
use proptest::prelude::*;
use tempfile::NamedTempFile;

use super::known::{Ground, Outcome};
use super::scan::scan;

const LINUX: Ground = Ground {
    is_linux: true,
    is_glibc: true,
    begins_pools: true,
    waits_for_locks: true,
    repairs_locks: true,
};
const MACOS: Ground = Ground { is_linux: false, is_glibc: false, ..LINUX };

fn file(name: &str, content: &[u8]) -> NamedTempFile {
    let mut file = tempfile::Builder::new().prefix(name).tempfile().expect("a temporary file");
    file.write_all(content).expect("there is room");
    file
}

/// What is found in a file with this content: name, outcome, and what shows it.
fn found(ground: &Ground, content: &[u8]) -> Vec<(&'static str, Outcome, String)> {
    let file = file("program", content);
    let found = scan(ground, &[file.path().to_owned()], &[]);
    let first = |evidence: &[super::signs::Evidence]| {
        let first = evidence.first().expect("nothing is found without evidence");
        format!("{} {}", first.kind, first.name)
    };
    found.iter().map(|found| (found.row.name, found.row.outcome, first(&found.evidence))).collect()
}

fn words(words: &[u32]) -> Vec<u8> {
    words.iter().flat_map(|word| word.to_le_bytes()).collect()
}

fn field(text: &str) -> Vec<u8> {
    let mut field = text.as_bytes().to_vec();
    field.resize(16, 0);
    field
}

/// A Mach-O image for arm64 with the section `section`, the constant `text` in another, and the symbols `names`.
fn macho(section: &str, text: &str, names: &str) -> Vec<u8> {
    let one = |name: &str, offset: usize, size: usize| {
        let mut bytes = [field(name), field("__DATA"), vec![0; 8]].concat();
        bytes.extend((size as u64).to_le_bytes());
        bytes.extend(words(&[u32::try_from(offset).expect("it is small")]));
        bytes.resize(80, 0);
        bytes
    };
    let (segment, symtab) = (72 + 2 * 80, 24);
    let at = 32 + segment + symtab;
    let mut commands = words(&[0x19, u32::try_from(segment).expect("it is small")]);
    commands.extend(field("__DATA"));
    commands.resize(64, 0);
    commands.extend(words(&[2, 0]));
    commands.extend(one(section, 0, 0));
    commands.extend(one("__cstring", at, text.len()));
    let number = |n: usize| u32::try_from(n).expect("it is small");
    commands.extend(words(&[2, 24, 0, 0, number(at + text.len()), number(names.len())]));
    let header = words(&[0xfeed_facf, 0x0100_000c, 0, 2, 2, number(segment + symtab), 0, 0]);
    [header, commands, text.as_bytes().to_vec(), names.as_bytes().to_vec()].concat()
}

/// A universal file of `images`.
fn universal(images: &[Vec<u8>]) -> Vec<u8> {
    let number = |n: usize| u32::try_from(n).expect("it is small");
    let mut header = vec![0xcafe_babe, number(images.len())];
    let mut at = 8 + 20 * images.len();
    for image in images {
        header.extend([0x0100_000c, 0, number(at), number(image.len()), 0]);
        at += image.len();
    }
    let header = header.iter().flat_map(|word| word.to_be_bytes());
    header.chain(images.concat()).collect()
}

#[test]
fn mach_o_tells_by_sections_constants_and_symbols() {
    let go = macho("__go_buildinfo", "", "");
    assert_eq!(found(&MACOS, &go), [("go", Outcome::Unprotected, "section __go_buildinfo".into())]);
    let rust = macho("__text", "x/tokio-1.54.1/src/lib.rs", "\0_rust_eh_personality\0");
    let expected = [
        ("tokio", Outcome::Diagnosable, "crate tokio-1.54.1/src/lib.rs".to_owned()),
        ("rust", Outcome::Diagnosable, "symbol _rust_eh_personality".to_owned()),
    ];
    assert_eq!(found(&MACOS, &rust), expected);
    assert_eq!(found(&MACOS, &universal(&[go, rust])).len(), 3, "each slice counts");
    let locks = macho("__text", "", "\0_pthread_mutex_lock\0");
    assert_eq!(found(&MACOS, &locks)[0].1, Outcome::Diagnosable, "they are not covered there");
}

/// An ELF image without sections, as some packers leave it: its only segment is the file.
fn elf(content: &[u8]) -> Vec<u8> {
    let mut bytes = b"\x7fELF\x02\x01\x01".to_vec();
    bytes.resize(16, 0);
    bytes.extend(words(&[0x003e_0003, 1, 0, 0, 64, 0, 0, 0, 0, 0x0038_0040, 1, 0]));
    let size = (120 + content.len()) as u64;
    bytes.extend(words(&[1, 4]));
    for field in [0, 0, 0, size, size, 4096] {
        bytes.extend(field.to_le_bytes());
    }
    [bytes, content.to_vec()].concat()
}

#[test]
fn elf_without_sections_tells_all_the_same() {
    let rust = elf(b"\0cuInit\0 /home/rayon-core-1.12.1/src/lib.rs\0");
    let expected = [
        ("rayon", Outcome::Diagnosable, "crate rayon-core-1.12.1/src/lib.rs".to_owned()),
        ("libcuda", Outcome::Diagnosable, "symbol cuInit".to_owned()),
    ];
    assert_eq!(found(&LINUX, &rust), expected);
}

#[test]
fn later_pythons_are_told_from_earlier_ones() {
    let earlier = elf(b"\0PyThread_acquire_lock_timed\0");
    assert_eq!(found(&LINUX, &earlier)[0].1, Outcome::Repaired);
    let later = elf(b"\0PyThread_acquire_lock_timed\0PyUnicodeWriter_Create\0");
    let found_later = found(&LINUX, &later);
    assert_eq!((found_later.len(), found_later[0].1), (1, Outcome::Diagnosable));
    let report_only = Ground { repairs_locks: false, ..LINUX };
    assert_eq!(found(&report_only, &earlier)[0].1, Outcome::Diagnosable);
}

#[test]
fn names_of_files_tell() {
    let name = |start: &str, ground: &Ground| {
        let file = file(start, b"");
        let found = scan(ground, &[], &[file.path().to_owned()]);
        found.first().map(|found| (found.row.name, found.row.outcome))
    };
    assert_eq!(name("libgomp-a34b.so.1", &LINUX), Some(("libgomp", Outcome::Repaired)));
    let musl = Ground { is_glibc: false, ..LINUX };
    assert_eq!(name("libgomp.so.1", &musl), Some(("libgomp", Outcome::Diagnosable)));
    assert_eq!(name("libiomp5.so", &LINUX), Some(("libomp", Outcome::Unaffected)));
    assert_eq!(name("libc.so.6", &LINUX), None, "only what is mapped tells of libc");
    assert_eq!(name("ruby3.3", &MACOS), Some(("ruby", Outcome::Diagnosable)));
    assert_eq!(name("ruby3.3", &LINUX), None);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_damage_does_harm(changes in vec((any::<prop::sample::Index>(), any::<u8>()), 1..8), cut in any::<prop::sample::Index>()) {
        let image = macho("__go_buildinfo", "/tokio-1.0/src/", "\0_rust_eh_personality\0");
        for mut bytes in [image.clone(), universal(&[image]), elf(b"\0cuInit\0")] {
            for (at, byte) in &changes {
                let at = at.index(bytes.len());
                bytes[at] = *byte;
            }
            found(&LINUX, &bytes);
            bytes.truncate(cut.index(bytes.len()));
            found(&MACOS, &bytes);
        }
    }
}
