//! The shipped image itself: what dyld and the kernel will look at.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use object::macho::{self, MachHeader64};
use object::read::macho::{LoadCommandVariant, MachHeader, MachOFatFile32, Section, Segment};
use object::{LittleEndian, Object, ObjectSymbol};

use crate::calls::interposed;
use crate::machine::{Arch, darwin};

on_both! {
    tuples_stand_for_every_row
    imports_are_as_listed
    it_is_for_macos_11
    it_needs_libsystem_only
}

pub(crate) type Header = MachHeader64<LittleEndian>;
pub(crate) const ENDIAN: LittleEndian = LittleEndian;

pub(crate) fn contents(arch: Arch) -> Vec<u8> {
    fs::read(arch.library()).expect("the library is readable")
}

/// The load commands of an image, one by one.
pub(crate) fn commands(bytes: &[u8]) -> Vec<LoadCommandVariant<'_, LittleEndian>> {
    let header = Header::parse(bytes, 0).expect("a Mach-O header");
    let mut commands = header.load_commands(ENDIAN, bytes, 0).expect("load commands");
    let mut all = Vec::new();
    while let Some(command) = commands.next().expect("a load command") {
        all.push(command.variant().expect("a load command of its kind"));
    }
    all
}

/// The names in the hook table: what its rows are called on macOS.
fn rows() -> BTreeSet<String> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("interpose/src/table/macos.rs");
    let table = fs::read_to_string(path).expect("the table is readable");
    table.lines().filter_map(row).map(|name| format!("_{name}")).collect()
}

/// The symbol of a row: `libc name(…`, `bare name as "symbol" (…`, or `name as "symbol" => shim;`.
fn row(line: &str) -> Option<String> {
    let line = line.trim();
    let named = line.strip_prefix("libc ").or_else(|| line.strip_prefix("bare "));
    let rest = match named {
        Some(rest) => rest,
        None if line.contains("=> forkfix_") && line.ends_with(';') => line,
        None => return None,
    };
    if let Some((_, symbol)) = rest.split_once(" as \"") {
        return symbol.split_once('"').map(|(symbol, _)| symbol.to_owned());
    }
    rest.split(['(', ' ']).next().map(str::to_owned)
}

/// The loader has refused already a replacee that is not imported, and a replacement that is not
/// the library's own; here, that none is missing, and the section's type.
fn tuples_stand_for_every_row(arch: Arch) {
    let rows = rows();
    assert!(rows.len() > 150 && rows.contains("_popen$DARWIN_EXTSN"), "{rows:?}");
    let tuples = interposed(arch);
    let unique: BTreeSet<String> = tuples.iter().cloned().collect();
    assert_eq!(unique.len(), tuples.len(), "a symbol has two tuples");
    assert_eq!(unique, rows);

    let bytes = contents(arch);
    let mut sizes = Vec::new();
    for command in commands(&bytes) {
        let LoadCommandVariant::Segment64(segment, data) = command else { continue };
        for section in segment.sections(ENDIAN, data).expect("sections") {
            if section.flags(ENDIAN).0 & macho::SECTION_TYPE != u32::from(macho::S_INTERPOSING.0) {
                continue;
            }
            // macOS 11 also takes a section by its name: both are right.
            assert_eq!(
                (section.segment_name(), section.name()),
                (&b"__DATA"[..], &b"__interpose"[..])
            );
            sizes.push(section.size.get(ENDIAN));
        }
    }
    assert_eq!(sizes, [16 * tuples.len() as u64], "a pair of pointers each");
}

/// A strong import that a system lacks ends every process that the library is inserted into: each
/// new one wants a look at whether macOS 11 has it.
fn imports_are_as_listed(arch: Arch) {
    let bytes = contents(arch);
    let file = object::File::parse(&*bytes).expect("a Mach-O file");
    let imported: BTreeSet<String> = file
        .symbols()
        .filter(|symbol| symbol.is_undefined())
        .map(|symbol| symbol.name().expect("a name").to_owned())
        .collect();
    let list = format!("tests/macho/imports.{}.txt", arch.name());
    let list: PathBuf = Path::new(env!("CARGO_MANIFEST_DIR")).join(list);
    if std::env::var_os("FORKFIX_BLESS").is_some() {
        let lines: String = imported.iter().map(|name| format!("{name}\n")).collect();
        fs::write(&list, lines).expect("the list is writable");
        return;
    }
    let text = fs::read_to_string(&list).expect("the list is readable");
    let listed: BTreeSet<String> = text.lines().map(str::to_owned).collect();
    let unlisted: Vec<_> = imported.difference(&listed).collect();
    let unused: Vec<_> = listed.difference(&imported).collect();
    assert!(
        unlisted.is_empty() && unused.is_empty(),
        "imported but not in the list: {unlisted:?}\nin the list but not imported: {unused:?}\n\
         If macOS 11 has them and no header calls them private, write the list anew: \
         FORKFIX_BLESS=1 cargo test --test darwin imports"
    );
    // What warms up, sleeps and wakes is looked up when it runs, for it may be missing.
    let private =
        ["_xpc_", "_notify_", "_os_sync", "___ulock", "___fork", "_libSystem", "__dyld_private"];
    for name in &imported {
        assert!(!private.iter().any(|prefix| name.starts_with(prefix)), "{name} is private or new");
    }
}

fn it_is_for_macos_11(arch: Arch) {
    let bytes = contents(arch);
    let all = commands(&bytes);
    let mut versions = all.iter().filter_map(|command| match command {
        LoadCommandVariant::BuildVersion(version, _) => Some(version),
        _ => None,
    });
    let version = versions.next().expect("there is an LC_BUILD_VERSION");
    assert!(versions.next().is_none());
    assert_eq!(version.platform.get(ENDIAN), macho::PLATFORM_MACOS);
    assert_eq!(version.minos.get(ENDIAN), macho::Version(11 << 16), "11.0");

    let header = Header::parse(&*bytes, 0).expect("a Mach-O header");
    assert_eq!(header.filetype(ENDIAN).0, macho::MH_DYLIB.0);
    let cpu = match arch {
        Arch::X86_64 => macho::CPU_TYPE_X86_64,
        Arch::Arm64 => macho::CPU_TYPE_ARM64,
    };
    assert_eq!(header.cputype(ENDIAN).0, cpu.0);
}

fn it_needs_libsystem_only(arch: Arch) {
    let bytes = contents(arch);
    let header = Header::parse(&*bytes, 0).expect("a Mach-O header");
    let mut commands = header.load_commands(ENDIAN, &*bytes, 0).expect("load commands");
    let mut needed = Vec::new();
    while let Some(command) = commands.next().expect("a load command") {
        if let LoadCommandVariant::Dylib(dylib) = command.variant().expect("one of its kind") {
            needed.push(command.string(ENDIAN, dylib.dylib.name).expect("a name"));
        }
    }
    assert_eq!(needed, [b"/usr/lib/libSystem.B.dylib"]);
}

/// One file for both; each part is the very file that is tested here.
#[test]
fn the_universal_file_has_both() {
    let bytes = fs::read(darwin().join("libforkfix.dylib")).expect("the library is readable");
    let fat = MachOFatFile32::parse(&*bytes).expect("a universal file");
    let mut parts = Vec::new();
    for part in fat.arches() {
        use object::read::macho::FatArch;
        assert_eq!(part.offset() % (1 << part.align()), 0);
        parts.push((part.cputype().0, part.data(&*bytes).expect("a part").to_vec()));
    }
    parts.sort_unstable_by_key(|(cpu, _)| *cpu);
    let wanted = [
        (macho::CPU_TYPE_X86_64.0, contents(Arch::X86_64)),
        (macho::CPU_TYPE_ARM64.0, contents(Arch::Arm64)),
    ];
    assert!(parts == wanted, "the parts differ from the single files");
}
