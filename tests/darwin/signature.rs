//! The ad-hoc signature, without which Apple silicon runs no code: its hashes are computed anew.
//!
//! Layouts and numbers: xnu `osfmk/kern/cs_blobs.h`; all big-endian.

use std::fs;

use object::LittleEndian;
use object::read::macho::LoadCommandVariant;
use sha2::{Digest, Sha256};

use crate::image::{ENDIAN, commands, contents};
use crate::machine::{Arch, darwin};

const EMBEDDED_SIGNATURE: u32 = 0xFADE_0CC0;
const CODE_DIRECTORY: u32 = 0xFADE_0C02;
const ADHOC: u32 = 2;
const SHA256: u8 = 2;
/// What the linker signs at a time: a page of Apple silicon.
const PAGE: usize = 16384;

fn word(bytes: &[u8], at: usize) -> u32 {
    u32::from_be_bytes(bytes[at..at + 4].try_into().expect("four bytes"))
}

fn size(bytes: &[u8], at: usize) -> usize {
    word(bytes, at) as usize
}

/// The signature's place in an image; `None` if it has none.
fn signature(image: &[u8]) -> Option<std::ops::Range<usize>> {
    commands(image).into_iter().find_map(|command| match command {
        LoadCommandVariant::LinkeditData(data) if is_signature(data) => {
            let start = data.dataoff.get(ENDIAN) as usize;
            Some(start..start + data.datasize.get(ENDIAN) as usize)
        }
        _ => None,
    })
}

fn is_signature(data: &object::macho::LinkeditDataCommand<LittleEndian>) -> bool {
    data.cmd.get(ENDIAN) == object::macho::LC_CODE_SIGNATURE
}

/// Checks every page of the code against the directory; panics at the first that differs.
#[track_caller]
fn check(image: &[u8]) {
    let place = signature(image).expect("there is a signature");
    let blob = &image[place.clone()];
    assert_eq!(word(blob, 0), EMBEDDED_SIGNATURE);
    let entries = (0..size(blob, 8)).map(|i| size(blob, 12 + 8 * i + 4));
    let directories: Vec<_> =
        entries.map(|at| &blob[at..]).filter(|b| word(b, 0) == CODE_DIRECTORY).collect();
    let [directory] = directories[..] else { panic!("{} directories", directories.len()) };
    let (hashes, slots, limit) = (size(directory, 16), size(directory, 28), size(directory, 32));
    assert_ne!(word(directory, 12) & ADHOC, 0, "it is not ad-hoc");
    assert_eq!((directory[36], directory[37]), (32, SHA256), "hash size and type");
    assert_eq!(limit, place.start, "it covers all that stands before it");
    assert_eq!(1 << directory[39], PAGE);
    let pages: Vec<_> = image[..limit].chunks(PAGE).collect();
    assert_eq!(pages.len(), slots);
    for (i, bytes) in pages.into_iter().enumerate() {
        let signed = &directory[hashes + 32 * i..][..32];
        assert_eq!(signed, Sha256::digest(bytes).as_slice(), "page {i}");
    }
}

#[test]
fn the_library_is_signed() {
    check(&contents(Arch::Arm64));
}

#[test]
fn the_command_is_signed() {
    check(&fs::read(darwin().join("arm64/forkfix")).expect("the command is readable"));
}

/// The check sees a changed byte.
#[test]
#[should_panic(expected = "page 1")]
fn a_changed_page_is_seen() {
    let mut image = contents(Arch::Arm64);
    let byte = &mut image[PAGE + 1];
    *byte = !*byte;
    check(&image);
}
