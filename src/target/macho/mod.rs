//! What a Mach-O file says of itself: its slices, and what decides whether a library can be inserted
//! into each.
//!
//! This is compiled on every system: Linux tells the user what the file is, and its tests read files
//! made for them. What follows from the facts is the business of [`verdict`].
//!
//! Sources: `mach-o/loader.h` and `mach-o/fat.h` of Apple's cctools, `osfmk/kern/cs_blobs.h` of xnu.

mod signature;
#[cfg(test)]
mod tests;
mod verdict;

use std::fmt::{self, Display};
use std::fs;

use object::macho::{self, CpuSubtypeId, FatArch32, FatArch64, MachHeader32, MachHeader64};
use object::read::ReadCache;
use object::read::macho::{FatArch, MachHeader, MachOFatFile, Section, Segment};
use object::{Endianness, ReadRef};

use super::limited::Limited;
use signature::Signature;
pub(crate) use verdict::Obstacle;
#[cfg(any(target_os = "macos", test))]
pub(crate) use verdict::{Host, Place, is_protected_path};

/// A universal file has this many slices at most: with more, the number is the version of a Java
/// class, which starts with the same magic number.
const MOST_SLICES: u32 = 30;

/// A Mach-O file, thin or universal.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct File {
    slices: Vec<Slice>,
}

/// The image for one machine.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Slice {
    machine: Machine,
    kind: macho::FileType,
    /// The system that it is built for; macOS if it does not say.
    platform: macho::Platform,
    /// Names of the libraries that it loads itself.
    libraries: Vec<String>,
    /// It has the section `__RESTRICT,__restrict`.
    is_restricted: bool,
    signature: Signature,
}

/// The machine that a slice is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Machine {
    X86,
    X86_64,
    Arm64,
    /// With authenticated pointers, which only a preview of Apple's tools can build.
    Arm64e,
    /// A type of processor that no Mac of macOS 11 or later has.
    Other(u32),
}

impl Display for Machine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::X86 => write!(f, "i386"),
            Self::X86_64 => write!(f, "x86_64"),
            Self::Arm64 => write!(f, "arm64"),
            Self::Arm64e => write!(f, "arm64e"),
            Self::Other(number) => write!(f, "processor type {number}"),
        }
    }
}

impl Machine {
    fn of(cpu: macho::CpuType, subtype: CpuSubtypeId) -> Self {
        match cpu {
            macho::CPU_TYPE_X86 => Self::X86,
            macho::CPU_TYPE_X86_64 => Self::X86_64,
            macho::CPU_TYPE_ARM64 if subtype == macho::CPU_SUBTYPE_ARM64E => Self::Arm64e,
            macho::CPU_TYPE_ARM64 => Self::Arm64,
            macho::CpuType(other) => Self::Other(other),
        }
    }
}

/// Whether a file that starts with `head` is Mach-O.
pub(crate) fn has_magic(head: &[u8]) -> bool {
    let word = |at: usize| Some(u32::from_be_bytes(head.get(at..at + 4)?.try_into().ok()?));
    match word(0) {
        Some(macho::MH_MAGIC | macho::MH_CIGAM | macho::MH_MAGIC_64 | macho::MH_CIGAM_64) => true,
        Some(macho::FAT_MAGIC | macho::FAT_MAGIC_64) => {
            word(4).is_some_and(|count| (1..=MOST_SLICES).contains(&count))
        }
        _ => false,
    }
}

impl File {
    /// Reads the headers; `None` if they are broken.
    pub(crate) fn read(file: fs::File) -> Option<Self> {
        let data = ReadCache::new(file);
        let images = images(Limited::new(&data))?;
        let slices: Option<_> = images.into_iter().map(thin).collect();
        Some(Self { slices: slices? })
    }

    /// The machines of the slices, for a sentence.
    pub(crate) fn machines(&self) -> String {
        let names: Vec<_> = self.slices.iter().map(|slice| slice.machine.to_string()).collect();
        names.join(", ")
    }

    /// The system that the first slice is built for.
    pub(crate) fn system(&self) -> String {
        self.slices.first().map_or_else(String::new, |slice| platform_name(slice.platform))
    }
}

/// The images in a file: one, or the slices of a universal file. `None` if it is broken.
pub(crate) fn images(data: Limited<'_>) -> Option<Vec<Limited<'_>>> {
    match u32::from_be_bytes(data.read_bytes_at(0, 4).ok()?.try_into().ok()?) {
        macho::FAT_MAGIC => fat::<FatArch32>(data),
        macho::FAT_MAGIC_64 => fat::<FatArch64>(data),
        _ => Some(vec![data]),
    }
}

fn fat<'data, Fat: FatArch>(data: Limited<'data>) -> Option<Vec<Limited<'data>>> {
    let file = MachOFatFile::<Fat>::parse(data).ok()?;
    let ranges = file.arches().iter().map(FatArch::file_range);
    ranges.map(|(offset, size)| data.part(offset, size)).collect()
}

fn thin(data: Limited<'_>) -> Option<Slice> {
    match u32::from_be_bytes(data.read_bytes_at(0, 4).ok()?.try_into().ok()?) {
        macho::MH_MAGIC | macho::MH_CIGAM => slice::<MachHeader32<Endianness>>(data),
        _ => slice::<MachHeader64<Endianness>>(data),
    }
    .ok()
}

/// Reads one image; its offsets count from the start of `data`.
fn slice<'data, Header>(data: impl ReadRef<'data>) -> object::Result<Slice>
where
    Header: MachHeader<Endian = Endianness>,
{
    let header = Header::parse(data, 0)?;
    let endian = header.endian()?;
    let subtype = header.cpusubtype(endian).id();
    let mut slice = Slice {
        machine: Machine::of(header.cputype(endian), subtype),
        kind: header.filetype(endian),
        platform: macho::PLATFORM_MACOS,
        libraries: Vec::new(),
        is_restricted: false,
        signature: Signature::default(),
    };
    let mut commands = header.load_commands(endian, data, 0)?;
    while let Some(command) = commands.next()? {
        if let Some(library) = command.dylib()? {
            let name = command.string(endian, library.dylib.name)?;
            slice.libraries.push(String::from_utf8_lossy(name).into_owned());
        } else if let Some((version, _)) = command.build_version(endian)? {
            slice.platform = version.platform.get(endian);
        } else if let Some(platform) = old_platform(command.cmd()) {
            slice.platform = platform;
        } else if let Some((segment, rest)) = Header::Segment::from_command(command)? {
            for section in segment.sections(endian, rest)? {
                let name = (section.segment_name(), section.name());
                slice.is_restricted |= name == (&b"__RESTRICT"[..], &b"__restrict"[..]);
            }
        } else if command.cmd() == macho::LC_CODE_SIGNATURE {
            let place: &macho::LinkeditDataCommand<Endianness> = command.data()?;
            slice.signature = Signature::read(&place.code_signature(endian, data)?)?;
        }
    }
    Ok(slice)
}

/// The platform that files name which are older than `LC_BUILD_VERSION`.
fn old_platform(command: macho::LoadCommandType) -> Option<macho::Platform> {
    match command {
        macho::LC_VERSION_MIN_MACOSX => Some(macho::PLATFORM_MACOS),
        macho::LC_VERSION_MIN_IPHONEOS => Some(macho::PLATFORM_IOS),
        macho::LC_VERSION_MIN_TVOS => Some(macho::PLATFORM_TVOS),
        macho::LC_VERSION_MIN_WATCHOS => Some(macho::PLATFORM_WATCHOS),
        _ => None,
    }
}

fn platform_name(platform: macho::Platform) -> String {
    let name = match platform {
        macho::PLATFORM_MACOS => "macOS",
        macho::PLATFORM_IOS => "iOS",
        macho::PLATFORM_TVOS => "tvOS",
        macho::PLATFORM_WATCHOS => "watchOS",
        macho::PLATFORM_VISIONOS => "visionOS",
        macho::PLATFORM_MACCATALYST => "Mac Catalyst",
        macho::PLATFORM_IOSSIMULATOR => "the iOS simulator",
        macho::PLATFORM_TVOSSIMULATOR => "the tvOS simulator",
        macho::PLATFORM_WATCHOSSIMULATOR => "the watchOS simulator",
        macho::PLATFORM_VISIONOSSIMULATOR => "the visionOS simulator",
        macho::PLATFORM_DRIVERKIT => "DriverKit",
        macho::Platform(other) => return format!("Mach-O platform number {other}"),
    };
    name.to_owned()
}
