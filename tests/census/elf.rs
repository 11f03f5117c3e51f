//! A libc and its loader, laid out in one address space, with their debug symbols.

use std::collections::BTreeMap;
use std::fs;
use std::ops::Range;
use std::path::{Path, PathBuf};

use object::elf::{FileHeader64, R_X86_64_64, R_X86_64_GLOB_DAT, R_X86_64_JUMP_SLOT};
use object::elf::{R_X86_64_IRELATIVE, R_X86_64_RELATIVE};
use object::read::elf::{ElfFile64, FileHeader, Sym};
use object::{LittleEndian, Object, ObjectSection, ObjectSymbol, ObjectSymbolTable};
use object::{RelocationFlags, RelocationTarget, SymbolKind};

type Header = FileHeader64<LittleEndian>;
const ENDIAN: LittleEndian = LittleEndian;

/// Where the loader is laid: far from libc, so that an address says whose it is.
const LOADER_BASE: u64 = 1 << 32;

/// Sections that the loader relocates and then protects.
const CONSTANT: [&str; 3] = [".got", ".got.plt", ".data.rel.ro"];

/// The version of symbols that only glibc's own libraries may import.
const PRIVATE: &str = "GLIBC_PRIVATE";

/// A function or variable of the debug symbols.
#[derive(Debug)]
pub(crate) struct Symbol {
    pub(crate) start: u64,
    pub(crate) end: u64,
    /// All names at that address; variables of one file carry it: `lock[abort.c]`.
    pub(crate) names: Vec<String>,
}

/// A function that a program can import.
#[derive(Debug)]
pub(crate) struct Export {
    pub(crate) name: String,
    pub(crate) version: String,
    /// True if newly linked programs get this version.
    pub(crate) default: bool,
    pub(crate) address: u64,
}

/// Both objects.
#[derive(Debug, Default)]
pub(crate) struct Image {
    /// Sorted by address.
    pub(crate) functions: Vec<Symbol>,
    /// Sorted by address.
    pub(crate) variables: Vec<Symbol>,
    /// libc's exports, without those of glibc's own libraries.
    pub(crate) exports: Vec<Export>,
    /// glibc's version: 36 is 2.36.
    pub(crate) minor: u32,
    sections: Vec<(u64, Vec<u8>)>,
    /// What the relocations put where.
    pointers: BTreeMap<u64, u64>,
    /// Where nothing is written to once the objects are loaded.
    constants: Vec<Range<u64>>,
}

/// The files of one glibc.
pub(crate) struct Files {
    pub(crate) libc: PathBuf,
    /// The directory in which `.build-id` lies.
    pub(crate) debug: PathBuf,
}

impl Files {
    /// The debug symbols of `object`, found by its build id.
    fn debug_of(&self, bytes: &[u8]) -> PathBuf {
        let file = object::File::parse(bytes).expect("an ELF file");
        let id = file.build_id().expect("readable notes").expect("a build id");
        let id: String = id.iter().map(|byte| format!("{byte:02x}")).collect();
        self.debug.join(".build-id").join(&id[..2]).join(format!("{}.debug", &id[2..]))
    }

    fn loader(&self) -> PathBuf {
        self.libc.with_file_name("ld-linux-x86-64.so.2")
    }

    /// Calls `need` with each file of debug symbols.
    pub(crate) fn each_debug(&self, need: impl Fn(&Path)) {
        for object in [&self.libc, &self.loader()] {
            need(&self.debug_of(&read(object)));
        }
    }
}

fn read(path: &Path) -> Vec<u8> {
    fs::read(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

impl Image {
    pub(crate) fn load(files: &Files) -> Self {
        let objects = [(files.loader(), LOADER_BASE), (files.libc.clone(), 0)];
        let mut image = Self::default();
        // What other objects can bind to: by name, of each object.
        let mut dynamic = BTreeMap::new();
        for (path, base) in &objects {
            let bytes = read(path);
            let debug = read(&files.debug_of(&bytes));
            let file = ElfFile64::<LittleEndian>::parse(&*bytes).expect("an ELF file");
            image.add_sections(&file, *base);
            image.add_symbols(&ElfFile64::parse(&*debug).expect("an ELF file"), *base);
            for symbol in file.dynamic_symbols().filter(|symbol| symbol.is_definition()) {
                let name = symbol.name().expect("a name").to_owned();
                dynamic.entry(name).or_insert(base + symbol.address());
            }
            if *base == 0 {
                image.add_exports(&bytes);
                image.minor = minor(&bytes);
            }
        }
        for (path, base) in &objects {
            let bytes = read(path);
            let file = ElfFile64::<LittleEndian>::parse(&*bytes).expect("an ELF file");
            image.add_pointers(&file, *base, &dynamic);
        }
        join_aliases(&mut image.functions);
        join_aliases(&mut image.variables);
        image
    }

    fn add_sections(&mut self, file: &ElfFile64<'_, LittleEndian>, base: u64) {
        for section in file.sections().filter(|section| section.address() != 0) {
            let start = base + section.address();
            if section.name().is_ok_and(|name| CONSTANT.contains(&name)) {
                self.constants.push(start..start + section.size());
            }
            // Without what is thread-local or zero at the start.
            let data = section.data().unwrap_or_default();
            self.sections.push((start, data.to_vec()));
        }
    }

    fn add_symbols(&mut self, debug: &ElfFile64<'_, LittleEndian>, base: u64) {
        let mut source = String::new();
        for symbol in debug.symbols() {
            let name = symbol.name().unwrap_or_default();
            if symbol.kind() == SymbolKind::File {
                name.clone_into(&mut source);
            }
            if !symbol.is_definition() || name.is_empty() {
                continue;
            }
            let start = base + symbol.address();
            let end = start + symbol.size().max(1);
            match symbol.kind() {
                SymbolKind::Text => {
                    let name = name.split('@').next().expect("split yields at least one");
                    self.functions.push(Symbol { start, end, names: vec![name.to_owned()] });
                }
                SymbolKind::Data => {
                    let name = variable_name(name, symbol.is_global(), &source);
                    self.variables.push(Symbol { start, end, names: vec![name] });
                }
                _ => {}
            }
        }
    }

    fn add_exports(&mut self, bytes: &[u8]) {
        let header = Header::parse(bytes).expect("an ELF header");
        let sections = header.sections(ENDIAN, bytes).expect("sections");
        let symbols = sections.symbols(ENDIAN, bytes, object::elf::SHT_DYNSYM).expect("symbols");
        let versions = sections.versions(ENDIAN, bytes).expect("versions").expect("versions");
        for (index, symbol) in symbols.enumerate() {
            if symbol.is_undefined(ENDIAN) {
                continue;
            }
            let text = |name: &[u8]| String::from_utf8_lossy(name).into_owned();
            let mark = versions.version_index(ENDIAN, index);
            let Ok(Some(version)) = versions.version(mark.index()) else { continue };
            let version = text(version.name());
            let kind = symbol.st_type();
            let function = kind == object::elf::STT_FUNC || kind == object::elf::STT_GNU_IFUNC;
            if function && version != PRIVATE {
                self.exports.push(Export {
                    name: text(symbols.symbol_name(ENDIAN, symbol).expect("a name")),
                    version,
                    default: !mark.is_hidden(),
                    address: symbol.st_value(ENDIAN),
                });
            }
        }
    }

    fn add_pointers(
        &mut self,
        file: &ElfFile64<'_, LittleEndian>,
        base: u64,
        dynamic: &BTreeMap<String, u64>,
    ) {
        let Some(relocations) = file.dynamic_relocations() else { return };
        let symbols = file.dynamic_symbol_table();
        for (place, relocation) in relocations {
            let RelocationFlags::Elf { r_type } = relocation.flags() else { continue };
            let addend = relocation.addend().cast_unsigned();
            let value = match (r_type, relocation.target()) {
                (R_X86_64_RELATIVE | R_X86_64_IRELATIVE, _) => Some(base + addend),
                (
                    R_X86_64_64 | R_X86_64_GLOB_DAT | R_X86_64_JUMP_SLOT,
                    RelocationTarget::Symbol(index),
                ) => {
                    let symbol = symbols.as_ref().and_then(|all| all.symbol_by_index(index).ok());
                    let name = symbol.as_ref().and_then(|symbol| symbol.name().ok());
                    // An object's own definition comes first: a name may have several versions.
                    let own = symbol.as_ref().filter(|symbol| symbol.is_definition());
                    let own = own.map(|symbol| base + symbol.address());
                    own.or_else(|| dynamic.get(name?).copied()).map(|at| at.wrapping_add(addend))
                }
                _ => None,
            };
            self.pointers.extend(value.map(|value| (base + place, value)));
        }
    }

    /// What stands in the slot at `place` once the objects are loaded, if it points to anything.
    pub(crate) fn pointer(&self, place: u64) -> Option<u64> {
        // Where the relocations are packed, an address stands in its place already.
        let packed = || {
            let value = u64::from_le_bytes(*self.bytes(place).first_chunk()?);
            let value = value.wrapping_add(place & LOADER_BASE);
            self.function_at(value).filter(|f| self.functions[*f].start == value).map(|_| value)
        };
        self.pointers.get(&place).copied().or_else(packed)
    }

    /// The bytes from `address` to the end of its section.
    pub(crate) fn bytes(&self, address: u64) -> &[u8] {
        let holds = |(start, data): &&(u64, Vec<u8>)| {
            (*start..*start + data.len() as u64).contains(&address)
        };
        let section = self.sections.iter().find(holds);
        section.map_or(&[], |(start, data)| &data[(address - start) as usize..])
    }

    /// The text of C at `address`.
    pub(crate) fn text(&self, address: u64) -> Option<&str> {
        let bytes = self.bytes(address);
        let end = bytes.iter().take(64).position(|byte| *byte == 0)?;
        std::str::from_utf8(&bytes[..end]).ok().filter(|text| !text.is_empty())
    }

    /// True if what stands there does not change once the objects are loaded.
    pub(crate) fn is_constant(&self, address: u64) -> bool {
        self.constants.iter().any(|range| range.contains(&address))
    }

    /// The function with the instruction at `address`: its place in [`Self::functions`].
    pub(crate) fn function_at(&self, address: u64) -> Option<usize> {
        find(&self.functions, address)
    }

    /// The functions with this name.
    pub(crate) fn functions_named<'a>(&'a self, name: &'a str) -> impl Iterator<Item = usize> + 'a {
        let named = move |function: &Symbol| function.names.iter().any(|own| own == name);
        (0..self.functions.len()).filter(move |index| named(&self.functions[*index]))
    }

    /// The variable that `address` lies in, and how far in.
    pub(crate) fn variable_at(&self, address: u64) -> Option<(&Symbol, u64)> {
        let variable = &self.variables[find(&self.variables, address)?];
        Some((variable, address - variable.start))
    }
}

/// The version that libc prints if it is run: `… release version 2.36.`
fn minor(libc: &[u8]) -> u32 {
    const BANNER: &[u8] = b" release version 2.";
    let at = libc.windows(BANNER.len()).position(|window| window == BANNER);
    let digits = &libc[at.expect("libc's banner names its version") + BANNER.len()..];
    let digits = digits.iter().take_while(|byte| byte.is_ascii_digit());
    digits.fold(0, |number, digit| number * 10 + u32::from(digit - b'0'))
}

/// The last symbol that starts at or before `address`, if it reaches that far.
fn find(symbols: &[Symbol], address: u64) -> Option<usize> {
    let index = symbols.partition_point(|symbol| symbol.start <= address).checked_sub(1)?;
    (address < symbols[index].end).then_some(index)
}

/// `lock.1` of `random.c` is `lock[random.c]`: the compiler's number differs between builds.
fn variable_name(name: &str, global: bool, source: &str) -> String {
    let name = name.split('@').next().expect("split yields at least one");
    let numbered = name.rsplit_once('.').filter(|(_, tail)| tail.parse::<u32>().is_ok());
    let stem = numbered.map_or(name, |(stem, _)| stem);
    // Symbols that the linker made local have no file either.
    if global || source.is_empty() { stem.to_owned() } else { format!("{stem}[{source}]") }
}

/// Sorts, and makes symbols at one address one symbol.
fn join_aliases(symbols: &mut Vec<Symbol>) {
    symbols.sort_by(|a, b| (a.start, &a.names).cmp(&(b.start, &b.names)));
    symbols.dedup_by(|later, first| {
        let same = later.start == first.start;
        if same {
            first.end = first.end.max(later.end);
            first.names.append(&mut later.names);
            first.names.dedup();
        }
        same
    });
}
