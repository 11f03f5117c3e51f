//! Files made for the tests, byte by byte, as the compiler, the linker and `codesign` would.

use std::io::Write;

use super::*;

const ENTITLED: &str = "com.apple.security.cs.allow-dyld-environment-variables";
const UNVALIDATED: &str = "com.apple.security.cs.disable-library-validation";

const X86: (u32, u32) = (macho::CPU_TYPE_X86.0, 3);
const X86_64: (u32, u32) = (macho::CPU_TYPE_X86_64.0, 3);
const ARM64: (u32, u32) = (macho::CPU_TYPE_ARM64.0, 0);
/// With the version of its pointer authentication in the upper byte, as all Apple programs have it.
const ARM64E: (u32, u32) = (macho::CPU_TYPE_ARM64.0, 0x8000_0002);

const PLAIN: Place = Place { is_protected: false, is_interpreter: false };
const PROTECTED: Place = Place { is_protected: true, is_interpreter: false };

/// An image in the making.
#[derive(Clone)]
struct Image {
    machine: (u32, u32),
    kind: macho::FileType,
    commands: Vec<Vec<u8>>,
    signature: Option<Vec<u8>>,
}

fn words(words: &[u32]) -> Vec<u8> {
    words.iter().flat_map(|word| word.to_le_bytes()).collect()
}

fn big_words(words: &[u32]) -> Vec<u8> {
    words.iter().flat_map(|word| word.to_be_bytes()).collect()
}

/// A field of 16 bytes for a name.
fn name(text: &str) -> [u8; 16] {
    let mut field = [0; 16];
    field[..text.len()].copy_from_slice(text.as_bytes());
    field
}

impl Image {
    fn program(machine: (u32, u32)) -> Self {
        Self { machine, kind: macho::MH_EXECUTE, commands: Vec::new(), signature: None }
    }

    fn with(mut self, command: Vec<u8>) -> Self {
        self.commands.push(command);
        self
    }

    fn platform(self, platform: macho::Platform) -> Self {
        self.with(words(&[macho::LC_BUILD_VERSION.0, 24, platform.0, 11 << 16, 11 << 16, 0]))
    }

    fn loads(self, library: &str) -> Self {
        let mut path = library.as_bytes().to_vec();
        path.resize((library.len() / 8 + 1) * 8, 0);
        let size = 24 + u32::try_from(path.len()).unwrap();
        let head = words(&[macho::LC_LOAD_DYLIB.0, size, 24, 0, 0, 0]);
        self.with([head, path].concat())
    }

    /// A segment with one section, without content.
    fn section(self, segment: &str, section: &str) -> Self {
        let mut command = words(&[macho::LC_SEGMENT_64.0, 72 + 80]);
        command.extend(name(segment));
        command.extend([0; 4 * 8 + 2 * 4]);
        command.extend(words(&[1, 0]));
        command.extend(name(section));
        command.extend(name(segment));
        command.extend([0; 80 - 32]);
        self.with(command)
    }

    fn signed(mut self, flags: macho::CsFlags, entitlements: &[&str]) -> Self {
        let identifier = b"test\0";
        let length = 44 + u32::try_from(identifier.len()).unwrap();
        // Hashes are left out: whoever reads the flags does not look at them.
        let mut directory =
            big_words(&[macho::CSMAGIC_CODEDIRECTORY, length, 0x20001, flags.0, 0, 44, 0, 0, 0]);
        directory.extend([32, macho::CS_HASHTYPE_SHA256.0, 0, 12]);
        directory.extend([0; 4]);
        directory.extend(identifier);
        let keys: String =
            entitlements.iter().map(|key| format!("<key>{key}</key><true/>")).collect();
        let list = format!("<plist version=\"1.0\"><dict>{keys}</dict></plist>");
        let length = 8 + u32::try_from(list.len()).unwrap();
        let mut entitlements = big_words(&[macho::CSMAGIC_EMBEDDED_ENTITLEMENTS, length]);
        entitlements.extend(list.as_bytes());

        let first = 12 + 2 * 8;
        let second = first + u32::try_from(directory.len()).unwrap();
        let whole = second + length;
        let mut signature = big_words(&[macho::CSMAGIC_EMBEDDED_SIGNATURE, whole, 2]);
        signature.extend(big_words(&[macho::CSSLOT_CODEDIRECTORY.0, first]));
        signature.extend(big_words(&[macho::CSSLOT_ENTITLEMENTS.0, second]));
        signature.extend([directory, entitlements].concat());
        self.signature = Some(signature);
        self
    }

    fn bytes(&self) -> Vec<u8> {
        let is_64 = self.machine.0 & 0x0100_0000 != 0;
        let header = if is_64 { 32 } else { 28 };
        let mut commands = self.commands.concat();
        let mut count = u32::try_from(self.commands.len()).unwrap();
        if let Some(signature) = &self.signature {
            let at = u32::try_from(header + commands.len() + 16).unwrap();
            let size = u32::try_from(signature.len()).unwrap();
            commands.extend(words(&[macho::LC_CODE_SIGNATURE.0, 16, at, size]));
            count += 1;
        }
        let magic = if is_64 { macho::MH_MAGIC_64 } else { macho::MH_MAGIC };
        let (cpu, subtype) = self.machine;
        let size = u32::try_from(commands.len()).unwrap();
        let mut bytes = words(&[magic, cpu, subtype, self.kind.0, count, size, 0]);
        bytes.resize(header, 0);
        bytes.extend(commands);
        bytes.extend(self.signature.iter().flatten());
        bytes
    }
}

/// A universal file.
fn universal(images: &[Image]) -> Vec<u8> {
    let mut bytes = big_words(&[macho::FAT_MAGIC, u32::try_from(images.len()).unwrap()]);
    let mut offset = 4096;
    let mut content = Vec::new();
    for image in images {
        let (slice, (cpu, subtype)) = (image.bytes(), image.machine);
        let size = u32::try_from(slice.len()).unwrap();
        bytes.extend(big_words(&[cpu, subtype, offset, size, 12]));
        content.push((offset, slice));
        offset += 4096;
    }
    for (offset, slice) in content {
        bytes.resize(offset as usize, 0);
        bytes.extend(slice);
    }
    bytes
}

fn read(bytes: &[u8]) -> Option<File> {
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(bytes).unwrap();
    File::read(file)
}

/// What runs on Apple silicon, or why the library cannot be inserted there.
fn judge(image: &Image) -> Result<Machine, Obstacle> {
    verdict(&read(&image.bytes()).unwrap(), Host::Apple, PLAIN)
}

fn verdict(file: &File, host: Host, place: Place) -> Result<Machine, Obstacle> {
    file.judge(host, place).map(|(machine, _)| machine)
}

#[test]
fn a_plain_program_has_no_obstacle() {
    let image = Image::program(ARM64).platform(macho::PLATFORM_MACOS);
    let image = image.section("__TEXT", "__text").loads("/usr/lib/libSystem.B.dylib");
    let file = read(&image.bytes()).unwrap();
    let (machine, libraries) = file.judge(Host::Apple, PLAIN).unwrap();
    assert_eq!((machine, libraries), (Machine::Arm64, &["/usr/lib/libSystem.B.dylib".into()][..]));
    assert!(file.is_program() && !file.is_shared());
    assert_eq!((file.machines(), file.system()), ("arm64".into(), "macOS".into()));
    assert_eq!(judge(&Image::program(X86_64)), Ok(Machine::X86_64), "older than LC_BUILD_VERSION");
}

#[test]
fn the_preferred_slice_counts() {
    let program = |machines: &[(u32, u32)]| {
        let images: Vec<_> = machines.iter().map(|machine| Image::program(*machine)).collect();
        read(&universal(&images)).unwrap()
    };
    let both = program(&[X86_64, ARM64]);
    assert_eq!(both.machines(), "x86_64, arm64");
    assert_eq!(verdict(&both, Host::Apple, PLAIN), Ok(Machine::Arm64));
    assert_eq!(verdict(&both, Host::Intel, PLAIN), Ok(Machine::X86_64));
    let with_e = program(&[X86_64, ARM64, ARM64E]);
    assert_eq!(verdict(&with_e, Host::Apple, PLAIN), Err(Obstacle::Arm64e));
    assert_eq!(verdict(&with_e, Host::Intel, PLAIN), Ok(Machine::X86_64));
    let old = program(&[X86, X86_64]);
    assert_eq!(verdict(&old, Host::Apple, PLAIN), Ok(Machine::X86_64), "under Rosetta");
}

#[test]
fn each_slice_has_facts_of_its_own() {
    let hardened = Image::program(X86_64).signed(macho::CS_RUNTIME, &[]);
    let file = read(&universal(&[hardened, Image::program(ARM64)])).unwrap();
    assert_eq!(verdict(&file, Host::Intel, PLAIN), Err(Obstacle::HardenedRuntime));
    assert_eq!(verdict(&file, Host::Apple, PLAIN), Ok(Machine::Arm64));
}

#[test]
fn a_machine_that_the_mac_lacks_is_named() {
    let none = |machine, host| {
        let file = read(&Image::program(machine).bytes()).unwrap();
        verdict(&file, host, PLAIN).unwrap_err().to_string()
    };
    let old = none(X86, Host::Intel);
    assert_eq!(old, "is built for i386, which this Mac does not run; build it for x86_64");
    let new = none(ARM64, Host::Intel);
    assert_eq!(new, "is built for arm64, which this Mac does not run; build it for x86_64");
    let power = none((macho::CPU_TYPE_POWERPC.0, 0), Host::Apple);
    assert!(power.starts_with("is built for processor type 18, "), "{power}");
}

#[test]
fn system_integrity_protection_comes_first() {
    let file = read(&universal(&[Image::program(X86_64), Image::program(ARM64E)])).unwrap();
    let found = |host| verdict(&file, host, PROTECTED);
    assert_eq!(found(Host::Apple), Err(Obstacle::Protected { copy_helps: false }));
    assert_eq!(found(Host::Intel), Err(Obstacle::Protected { copy_helps: true }));
    let place = Place { is_interpreter: true, ..PROTECTED };
    assert_eq!(verdict(&file, Host::Intel, place), Err(Obstacle::ProtectedInterpreter));
    let place = Place { is_interpreter: true, ..PLAIN };
    assert_eq!(verdict(&file, Host::Intel, place), Ok(Machine::X86_64));
}

#[test]
fn protected_directories_are_known() {
    for path in ["/bin/sh", "/usr/bin/env", "/usr/libexec/x", "/sbin/ping", "/System/Library/x"] {
        assert!(is_protected_path(path.as_ref()), "{path}");
    }
    for path in [
        "/usr/local/bin/ruby",
        "/opt/homebrew/bin/ruby",
        "/Users/me/bin/sh",
        "/binaries/sh",
        "/System/Volumes/Data/Users/me/app",
    ] {
        assert!(!is_protected_path(path.as_ref()), "{path}");
    }
}

#[test]
fn signatures_are_obeyed() {
    use macho::{CS_ADHOC, CS_LINKER_SIGNED, CS_REQUIRE_LV, CS_RESTRICT, CS_RUNTIME};
    let signed = |flags: macho::CsFlags, entitlements: &[&str]| {
        judge(&Image::program(ARM64).signed(flags, entitlements))
    };
    let ok = Ok(Machine::Arm64);
    assert_eq!(signed(CS_ADHOC.with(CS_LINKER_SIGNED), &[]), ok);
    assert_eq!(signed(CS_RUNTIME, &[]), Err(Obstacle::HardenedRuntime));
    assert_eq!(signed(CS_RUNTIME, &[UNVALIDATED]), Err(Obstacle::HardenedRuntime));
    assert_eq!(signed(CS_RUNTIME, &[ENTITLED]), Err(Obstacle::LibraryValidation));
    assert_eq!(signed(CS_RUNTIME, &[ENTITLED, UNVALIDATED]), ok);
    assert_eq!(signed(CS_REQUIRE_LV, &[]), Err(Obstacle::LibraryValidation));
    assert_eq!(signed(CS_REQUIRE_LV, &[UNVALIDATED]), ok);
    assert_eq!(signed(CS_RESTRICT, &[ENTITLED, UNVALIDATED]), Err(Obstacle::HardenedRuntime));
}

#[test]
fn other_platforms_and_the_restrict_section_are_obstacles() {
    let program = || Image::program(ARM64);
    assert_eq!(judge(&program().platform(macho::PLATFORM_IOS)), platform("iOS"));
    let simulator = program().platform(macho::PLATFORM_IOSSIMULATOR);
    assert_eq!(judge(&simulator), platform("the iOS simulator"));
    let old = words(&[macho::LC_VERSION_MIN_IPHONEOS.0, 16, 9 << 16, 9 << 16]);
    assert_eq!(judge(&program().with(old)), platform("iOS"));
    assert_eq!(
        judge(&program().section("__RESTRICT", "__restrict")),
        Err(Obstacle::RestrictSection)
    );
    assert_eq!(judge(&program().section("__TEXT", "__restrict")), Ok(Machine::Arm64));
}

fn platform(name: &str) -> Result<Machine, Obstacle> {
    Err(Obstacle::Platform(name.to_owned()))
}

#[test]
fn libraries_and_languages_are_told() {
    let library = Image { kind: macho::MH_DYLIB, ..Image::program(X86_64) };
    let file = read(&universal(&[library.clone(), library])).unwrap();
    assert!(file.is_shared() && !file.is_program());
    let fits = cfg!(target_arch = "x86_64");
    assert_eq!(file.foreign_machine(), (!fits).then(|| "x86_64, x86_64".into()));
    assert!(file.has(Machine::X86_64) && !file.has(Machine::Arm64));
    let both = universal(&[Image::program(X86_64), Image::program(ARM64)]);
    assert_eq!(read(&both).unwrap().foreign_machine(), None);
}

#[test]
fn what_is_broken_is_not_read() {
    let image = Image::program(ARM64).signed(macho::CS_ADHOC, &[]).bytes();
    for length in [0, 3, 4, 27, 40, image.len() - 1] {
        assert_eq!(read(&image[..length]), None, "{length} bytes");
    }
    let file = universal(&[Image::program(ARM64), Image::program(X86_64)]);
    assert_eq!(read(&file[..file.len() - 1]), None);
    let empty = big_words(&[macho::FAT_MAGIC, 0]);
    assert!(!has_magic(&empty), "a file without slices");
}

#[test]
fn the_magic_numbers_are_told_from_those_of_java() {
    for image in [Image::program(ARM64), Image::program(X86)] {
        assert!(has_magic(&image.bytes()));
        assert!(has_magic(&universal(&[image])));
    }
    let java_8 = [0xca, 0xfe, 0xba, 0xbe, 0, 0, 0, 52];
    assert!(!has_magic(&java_8));
    assert!(!has_magic(b"#!/bin/sh") && !has_magic(b"\x7fELF") && !has_magic(b""));
}

#[test]
fn each_obstacle_says_what_to_do() {
    let obstacles = [
        (Obstacle::Protected { copy_helps: true }, "copy it and run the copy"),
        (Obstacle::Protected { copy_helps: false }, "; use another build of it"),
        (Obstacle::ProtectedInterpreter, "name another interpreter"),
        (Obstacle::Arm64e, "lipo -thin"),
        (Obstacle::LibraryLacks(Machine::X86_64), "built for all machines"),
        (Obstacle::RestrictSection, "link it without"),
        (Obstacle::HardenedRuntime, "codesign -s - --force"),
        (Obstacle::LibraryValidation, "codesign -s - --force"),
        (Obstacle::Platform("iOS".into()), "build it for macOS"),
    ];
    for (obstacle, advice) in obstacles {
        let error = crate::error::Error::MachO { path: "/x/app".into(), obstacle };
        let sentence = error.to_string();
        assert!(sentence.starts_with("'/x/app' "), "{sentence}");
        assert!(sentence.contains(advice), "{sentence}");
        assert!(sentence.ends_with(", or go on with --allow-unprotected"), "{sentence}");
        assert!(!error.is_harmless_to_preload(), "{sentence}");
        assert_eq!(error.exit_code(), crate::exit::REFUSED);
    }
}
