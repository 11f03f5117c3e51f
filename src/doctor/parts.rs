//! The parts of an object file that tell what is in it: ELF and Mach-O, of any machine, on any system.
//!
//! What a file says of itself is not believed: whatever is broken in it has no parts.

use std::fs::File;
use std::ops::Range;

use object::elf::{self, FileHeader32, FileHeader64};
use object::macho::{self, MachHeader32, MachHeader64};
use object::read::ReadCache;
use object::read::elf::{FileHeader, ProgramHeader, SectionHeader};
use object::read::macho::{MachHeader, Section, Segment};
use object::{Endianness, ReadRef};

use crate::target::limited::Limited;
use crate::target::macho::{has_magic, images};

/// Places in a file, as ranges of bytes.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Parts {
    /// Names of symbols and of needed libraries, each between two zeroes.
    pub(super) names: Vec<Range<u64>>,
    /// Constants.
    pub(super) constants: Vec<Range<u64>>,
    /// What compilers say of themselves.
    pub(super) comments: Vec<Range<u64>>,
    /// Names of its sections.
    pub(super) sections: Vec<String>,
}

/// The parts of `file`; none if it is no object file, or broken.
pub(super) fn read(file: File) -> Parts {
    let cache = ReadCache::new(file);
    let data = Limited::new(&cache);
    let mut parts = Parts::default();
    let head = data.read_bytes_at(0, 8).unwrap_or_default();
    if head.starts_with(&elf::ELFMAG) {
        // A broken table ends it; what was found before counts.
        let _ = match head.get(4) {
            Some(&class) if class == elf::ELFCLASS32.0 => {
                parts.add_elf::<FileHeader32<Endianness>>(data)
            }
            _ => parts.add_elf::<FileHeader64<Endianness>>(data),
        };
    } else if has_magic(head) {
        for image in images(data).unwrap_or_default() {
            let magic = image.read_bytes_at(0, 4).unwrap_or_default();
            let is_32 = [macho::MH_MAGIC, macho::MH_CIGAM]
                .iter()
                .any(|number| number.to_be_bytes() == *magic);
            let _ = match is_32 {
                true => parts.add_macho::<MachHeader32<Endianness>>(image),
                false => parts.add_macho::<MachHeader64<Endianness>>(image),
            };
        }
    }
    parts
}

impl Parts {
    fn add_elf<'data, Header>(&mut self, data: Limited<'data>) -> object::Result<()>
    where
        Header: FileHeader<Endian = Endianness>,
    {
        let header = Header::parse(data)?;
        let endian = header.endian()?;
        let sections = header.sections(endian, data)?;
        for section in sections.iter() {
            let name = sections.section_name(endian, section).unwrap_or_default();
            self.sections.push(String::from_utf8_lossy(name).into_owned());
            let Some((offset, size)) = section.file_range(endian) else { continue };
            let range = offset..offset.saturating_add(size);
            match name {
                b".dynstr" | b".strtab" => self.names.push(range),
                b".comment" => self.comments.push(range),
                name if name.starts_with(b".rodata") => self.constants.push(range),
                _ => {}
            }
        }
        // A program runs without sections; then names and constants are somewhere in what is mapped.
        if sections.is_empty() {
            for segment in header.program_headers(endian, data)? {
                let (offset, size) = segment.file_range(endian);
                let range = offset..offset.saturating_add(size);
                self.names.push(range.clone());
                self.constants.push(range);
            }
        }
        Ok(())
    }

    fn add_macho<'data, Header>(&mut self, data: Limited<'data>) -> object::Result<()>
    where
        Header: MachHeader<Endian = Endianness>,
    {
        let header = Header::parse(data, 0)?;
        let endian = header.endian()?;
        let range = |offset: u32, size: u64| {
            let start = data.start().saturating_add(offset.into());
            start..start.saturating_add(size)
        };
        let mut commands = header.load_commands(endian, data, 0)?;
        while let Some(command) = commands.next()? {
            if let Some(symbols) = command.symtab()? {
                let (offset, size) = (symbols.stroff.get(endian), symbols.strsize.get(endian));
                self.names.push(range(offset, size.into()));
            } else if let Some((segment, rest)) = Header::Segment::from_command(command)? {
                for section in segment.sections(endian, rest)? {
                    self.sections.push(String::from_utf8_lossy(section.name()).into_owned());
                    if matches!(section.name(), b"__cstring" | b"__const") {
                        let size: u64 = section.size(endian).into();
                        self.constants.push(range(section.offset(endian), size));
                    }
                }
            }
        }
        Ok(())
    }
}
