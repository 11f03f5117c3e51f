//! An object: a program or a library, as its file tells of it.
//!
//! Files are read as they are mapped. One that is cut short meanwhile would end this process by SIGBUS; programs
//! that run are not written to, libraries are replaced and not changed in place.

use std::cell::OnceCell;
use std::fs::File;
use std::ops::{Deref, Range};
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::Arc;

use framehop::ModuleSectionInfo;
use memmap2::Mmap;
use object::read::elf::{ElfFile64, FileHeader as _, ProgramHeader as _};
use object::{Endianness, Object as _, ObjectSection as _};

use super::symbols::{Lines, Symbols};

/// The bytes of a file, or those that a process has in its memory instead.
pub(super) enum Bytes {
    Mapped(Mmap),
    Copied(Vec<u8>),
}

impl Deref for Bytes {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match self {
            Self::Mapped(map) => map,
            Self::Copied(bytes) => bytes,
        }
    }
}

/// A part of them.
pub(super) struct Part {
    bytes: Arc<Bytes>,
    range: Range<usize>,
}

impl Deref for Part {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        self.bytes.get(self.range.clone()).unwrap_or_default()
    }
}

/// A loadable segment, as the program headers say.
#[derive(Clone, Copy, Debug)]
pub(super) struct Segment {
    pub(super) offset: u64,
    pub(super) address: u64,
    pub(super) file_size: u64,
    pub(super) memory_size: u64,
}

/// An object. Its symbols and lines are read when first asked for.
pub(super) struct Object {
    /// Its file name.
    pub(super) name: String,
    /// In hexadecimal digits.
    pub(super) build_id: Option<String>,
    pub(super) segments: Vec<Segment>,
    /// What a debugger's file may lie beneath: the child's root.
    root: PathBuf,
    /// Its file, if it has debug information: there are too many objects to keep all of them open.
    file: Option<File>,
    bytes: Arc<Bytes>,
    symbols: OnceCell<Symbols>,
    lines: OnceCell<Lines>,
}

impl Object {
    /// The one in `file`, of a process whose root directory is `root`.
    pub(super) fn open(name: String, file: File, root: PathBuf) -> Option<Rc<Self>> {
        // SAFETY: the map is only read; see above for files that change.
        let map = unsafe { Mmap::map(&file) }.ok()?;
        Self::of(name, Bytes::Mapped(map), Some(file), root)
    }

    /// The one that lies in memory as in its file: the kernel's vdso.
    pub(super) fn copied(name: String, bytes: Vec<u8>) -> Option<Rc<Self>> {
        Self::of(name, Bytes::Copied(bytes), None, PathBuf::from("/"))
    }

    fn of(name: String, bytes: Bytes, file: Option<File>, root: PathBuf) -> Option<Rc<Self>> {
        let elf = ElfFile64::<Endianness>::parse(&*bytes).ok()?;
        let endian = elf.endian();
        let segment = |header: &object::elf::ProgramHeader64<Endianness>| Segment {
            offset: header.p_offset(endian),
            address: header.p_vaddr(endian),
            file_size: header.p_filesz(endian),
            memory_size: header.p_memsz(endian),
        };
        let headers = elf.elf_header().program_headers(endian, &*bytes).ok()?;
        let loaded = headers.iter().filter(|header| header.p_type(endian) == object::elf::PT_LOAD);
        let segments = loaded.map(segment).collect();
        let build_id = elf.build_id().ok().flatten().map(digits);
        let file = file.filter(|_| elf.section_by_name(".debug_info").is_some());
        let (symbols, lines) = (OnceCell::new(), OnceCell::new());
        Some(Rc::new(Self {
            name,
            build_id,
            segments,
            root,
            file,
            symbols,
            lines,
            bytes: Arc::new(bytes),
        }))
    }

    /// The beginning of the file, by which it is told from others.
    pub(super) fn head(&self, length: usize) -> &[u8] {
        self.bytes.get(..length).unwrap_or(&self.bytes)
    }

    /// The addresses that the object occupies, as it states them.
    pub(super) fn extent(&self) -> Range<u64> {
        let start = self.segments.iter().map(|segment| segment.address).min().unwrap_or(0);
        let ends =
            self.segments.iter().map(|segment| segment.address.saturating_add(segment.memory_size));
        start..ends.max().unwrap_or(0)
    }

    /// Its symbols: those of its debugger's file, if there is one, and its own.
    pub(super) fn symbols(&self) -> &Symbols {
        self.symbols.get_or_init(|| {
            let debug = self.debug_file().and_then(|path| File::open(path).ok());
            // SAFETY: as in `open`.
            let debug = debug.and_then(|file| unsafe { Mmap::map(&file) }.ok());
            let debug = debug.map(|map| Arc::new(Bytes::Mapped(map)));
            Symbols(debug.into_iter().chain([Arc::clone(&self.bytes)]).collect())
        })
    }

    /// Its source lines.
    pub(super) fn lines(&self) -> &Lines {
        self.lines.get_or_init(|| match (&self.file, self.debug_file()) {
            (Some(file), _) => Lines::of_own(file),
            (None, Some(path)) => Lines::of_other(&path),
            (None, None) => Lines::default(),
        })
    }

    /// The file that a package of debugging information has for this object: by its build id, or by the name
    /// that the object gives. One with another build id is not its.
    fn debug_file(&self) -> Option<PathBuf> {
        let elf = ElfFile64::<Endianness>::parse(&**self.bytes).ok()?;
        let of_id = self.build_id.as_ref().filter(|id| id.len() > 2 && id.is_ascii()).map(|id| {
            let (directory, rest) = id.split_at(2);
            PathBuf::from(format!("usr/lib/debug/.build-id/{directory}/{rest}.debug"))
        });
        let link = elf.gnu_debuglink().ok().flatten();
        let link = link.and_then(|(name, _)| std::str::from_utf8(name).ok());
        let of_link = link.map(|name| {
            Path::new("usr/lib/debug").join(Path::new(name).file_name().unwrap_or_default())
        });
        let places = of_id.into_iter().chain(of_link);
        let rooted = places.flat_map(|place| [self.root.join(&place), Path::new("/").join(&place)]);
        rooted.into_iter().find(|path| self.is_debug_file(path))
    }

    fn is_debug_file(&self, path: &Path) -> bool {
        let Ok(file) = File::open(path) else { return false };
        // SAFETY: as in `open`.
        let Ok(map) = (unsafe { Mmap::map(&file) }) else { return false };
        let elf = ElfFile64::<Endianness>::parse(&*map);
        let id = elf.ok().and_then(|elf| elf.build_id().ok().flatten().map(digits));
        id.is_some() && id == self.build_id
    }
}

/// The sections that unwinding takes.
impl ModuleSectionInfo<Part> for &Object {
    fn base_svma(&self) -> u64 {
        self.extent().start
    }

    fn section_svma_range(&mut self, name: &[u8]) -> Option<Range<u64>> {
        let elf = ElfFile64::<Endianness>::parse(&**self.bytes).ok()?;
        let section = elf.section_by_name_bytes(name)?;
        Some(section.address()..section.address().checked_add(section.size())?)
    }

    fn section_data(&mut self, name: &[u8]) -> Option<Part> {
        let elf = ElfFile64::<Endianness>::parse(&**self.bytes).ok()?;
        let (offset, size) = elf.section_by_name_bytes(name)?.file_range()?;
        let start = usize::try_from(offset).ok()?;
        let end = start.checked_add(usize::try_from(size).ok()?)?;
        Some(Part { bytes: Arc::clone(&self.bytes), range: start..end })
    }
}

/// Bytes as hexadecimal digits.
fn digits(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().take(64).fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}
