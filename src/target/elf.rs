//! What an ELF image says of itself.
//!
//! Only headers are read, so the size of a program does not matter.

use std::ffi::OsStr;
use std::fs::File;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

use object::elf::{self, FileHeader64};
use object::read::ReadCache;
use object::read::elf::{FileHeader, ProgramHeader};
use object::{Endianness, ReadRef};

use super::limited::Limited;

/// The facts of an ELF image that decide whether a library can be preloaded into it.
pub(crate) struct Image {
    class: u8,
    machine: u16,
    shared: bool,
    /// The loader it asks for; without one it is statically linked.
    pub(crate) interpreter: Option<PathBuf>,
}

impl Image {
    /// Whether it is position-independent: a shared library or a program built with `-pie`.
    pub(crate) fn is_shared(&self) -> bool {
        self.shared
    }

    /// The name of the machine this image is built for, unless it is ours.
    pub(crate) fn foreign_machine(&self) -> Option<String> {
        let ours = if cfg!(target_arch = "aarch64") { elf::EM_AARCH64 } else { elf::EM_X86_64 };
        if self.class == elf::ELFCLASS64.0 && self.machine == ours.0 {
            return None;
        }
        let name = match elf::Machine(self.machine) {
            elf::EM_386 => "x86",
            elf::EM_X86_64 => "x86_64",
            elf::EM_ARM => "arm",
            elf::EM_AARCH64 => "aarch64",
            elf::EM_RISCV => "riscv",
            elf::EM_PPC64 => "powerpc64",
            elf::EM_S390 => "s390x",
            elf::EM_LOONGARCH => "loongarch",
            elf::Machine(other) => return Some(format!("ELF machine number {other}")),
        };
        let bits = if self.class == elf::ELFCLASS32.0 { "32-bit" } else { "64-bit" };
        Some(format!("{bits} {name}"))
    }
}

/// Reads the headers of an ELF file that starts with `head`; `None` if the kernel would not take
/// them for a program.
pub(crate) fn read(head: &[u8], file: File) -> Option<Image> {
    let class = *head.get(4)?;
    let number = |at: usize| {
        let bytes = [*head.get(at)?, *head.get(at + 1)?];
        let little = head.get(5) == Some(&elf::ELFDATA2LSB.0);
        Some(if little { u16::from_le_bytes(bytes) } else { u16::from_be_bytes(bytes) })
    };
    let (kind, machine) = (number(16)?, number(18)?);
    let shared = kind == elf::ET_DYN.0;
    if !shared && kind != elf::ET_EXEC.0 {
        return None;
    }
    let mut image = Image { class, machine, shared, interpreter: None };
    if image.foreign_machine().is_none() {
        let data = ReadCache::new(file);
        image.read_headers(Limited::new(&data)).ok()?;
    }
    Some(image)
}

impl Image {
    fn read_headers<'data>(&mut self, data: impl ReadRef<'data>) -> object::Result<()> {
        let header = FileHeader64::<Endianness>::parse(data)?;
        let endian = header.endian()?;
        for segment in header.program_headers(endian, data)? {
            if let Some(path) = segment.interpreter(endian, data)? {
                self.interpreter = Some(PathBuf::from(OsStr::from_bytes(path)));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn machines_are_named_with_their_width() {
        let image =
            |class: u8, machine: u16| Image { class, machine, shared: true, interpreter: None };
        let name = |class, machine| image(class, machine).foreign_machine();
        assert_eq!(name(1, 3).as_deref(), Some("32-bit x86"));
        assert_eq!(name(2, 243).as_deref(), Some("64-bit riscv"));
        assert_eq!(name(2, 9999).as_deref(), Some("ELF machine number 9999"));
        assert!(
            name(1, 62).is_some_and(|name| name.starts_with("32-bit")),
            "the x32 ABI is foreign"
        );
    }
}
