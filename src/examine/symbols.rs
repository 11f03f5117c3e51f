//! Names and source lines of addresses.
//!
//! Names come from the debug information, which knows inlined functions, or from the symbol tables; of these,
//! those of a debugger's file have local names too. A symbol counts only if it covers the address: the nearest one
//! of a stripped object would be a lie.

use std::borrow::Cow;
use std::fs::File;
use std::ops::Range;
use std::os::fd::AsRawFd;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use addr2line::Loader;
use object::read::elf::ElfFile64;
use object::{Endianness, Object as _, ObjectSymbol as _, SymbolKind};

use super::locks;
use super::modules::Modules;
use super::object::Bytes;
use crate::report::model::Frame;

/// How long a name may be, in bytes: C++ can fill pages with one.
const LONGEST: usize = 1024;

/// How many inlined functions one address may have.
const DEEPEST: usize = 32;

/// How many frames a stack has at most, inlined functions counted.
const MOST: usize = 128;

/// The symbol tables of an object, best first.
pub(super) struct Symbols(pub(super) Vec<Arc<Bytes>>);

/// One symbol.
pub(super) struct Symbol {
    /// Demangled.
    pub(super) name: String,
    pub(super) range: Range<u64>,
}

impl Symbols {
    /// The function that covers `address`, as the object states addresses.
    pub(super) fn function(&self, address: u64) -> Option<Symbol> {
        self.find(address, |kind| kind == SymbolKind::Text)
    }

    /// The variable that covers `address`.
    pub(super) fn variable(&self, address: u64) -> Option<Symbol> {
        self.find(address, |kind| kind == SymbolKind::Data)
    }

    /// Of the symbols that cover `address`, that with the plainest name. Tables are searched as they lie in the
    /// file: an index would take longer to make than the few questions that are asked.
    fn find(&self, address: u64, wanted: impl Fn(SymbolKind) -> bool) -> Option<Symbol> {
        let in_table = |bytes: &Arc<Bytes>| {
            let elf = ElfFile64::<Endianness>::parse(&***bytes).ok()?;
            let symbols = elf.symbols().chain(elf.dynamic_symbols());
            let covering = symbols.filter(|symbol| {
                symbol.address() <= address
                    && address - symbol.address() < symbol.size()
                    && !symbol.is_undefined()
                    && wanted(symbol.kind())
            });
            let plainness =
                |name: &str| (name.len() - name.trim_start_matches('_').len(), name.len());
            let named = covering.filter_map(|symbol| {
                let name = symbol.name().ok().filter(|name| !name.is_empty())?;
                Some((name, symbol.address()..symbol.address().checked_add(symbol.size())?))
            });
            let (name, range) = named.min_by_key(|(name, _)| plainness(name))?;
            Some(Symbol { name: demangled(name), range })
        };
        self.0.iter().find_map(in_table)
    }
}

/// `name` as in the source, without the hash that Rust adds.
fn demangled(name: &str) -> String {
    shortened(&addr2line::demangle_auto(Cow::Borrowed(name), None))
}

/// `text`, but not more than [`LONGEST`] bytes of it.
fn shortened(text: &str) -> String {
    let end = text.floor_char_boundary(LONGEST);
    if end == text.len() {
        text.to_owned()
    } else {
        format!("{}…", text.get(..end).unwrap_or_default())
    }
}

/// The debug information of an object, or none.
#[derive(Default)]
pub(super) struct Lines(Option<Loader>);

impl Lines {
    /// That in the object's own `file`.
    pub(super) fn of_own(file: &File) -> Self {
        Self(Loader::new(format!("/proc/self/fd/{}", file.as_raw_fd())).ok())
    }

    /// That in a debugger's file, and in the one that this refers to.
    pub(super) fn of_other(path: &Path) -> Self {
        Self(Loader::new_with_sup(path, supplement(path)).ok())
    }

    /// The functions at `address`, the innermost first; all but the last are inlined.
    fn frames(&self, address: u64) -> Vec<Frame> {
        let mut found = Vec::new();
        let Some(mut frames) = self.0.as_ref().and_then(|loader| loader.find_frames(address).ok())
        else {
            return found;
        };
        while let Ok(Some(frame)) = frames.next() {
            let name = frame.function.as_ref().and_then(|name| name.demangle().ok());
            let location = frame.location.as_ref();
            found.push(Frame {
                function: name.map(|name| shortened(&name)),
                file: location.and_then(|location| location.file).map(shortened),
                line: location.and_then(|location| location.line).filter(|line| *line != 0),
                inlined: true,
                ..Frame::default()
            });
            if found.len() == DEEPEST {
                break;
            }
        }
        if let Some(last) = found.last_mut() {
            last.inlined = false;
        }
        found
    }
}

/// The file that the debug information at `path` shares with others, if it names one that is there.
fn supplement(path: &Path) -> Option<PathBuf> {
    let file = File::open(path).ok()?;
    // SAFETY: as in `object`.
    let map = unsafe { memmap2::Mmap::map(&file) }.ok()?;
    let elf = ElfFile64::<Endianness>::parse(&*map).ok()?;
    let (name, _) = elf.gnu_debugaltlink().ok()??;
    let path = path.parent()?.join(std::str::from_utf8(name).ok()?);
    path.is_file().then_some(path)
}

/// The frames of a stack as a report has them, inlined functions among them. `addresses`: the program counter,
/// then return addresses.
pub(super) fn frames(addresses: &[u64], modules: &Modules) -> Vec<Frame> {
    let of = |(depth, address): (usize, &u64)| at(*address, depth > 0, modules);
    addresses.iter().enumerate().flat_map(of).take(MOST).collect()
}

/// Those of one address; a return address belongs to the call before it.
fn at(address: u64, returns: bool, modules: &Modules) -> Vec<Frame> {
    let inside = address.wrapping_sub(u64::from(returns));
    let shown = Some(format!("{address:#x}"));
    let Some(module) = modules.at(inside) else {
        return vec![Frame { address: shown, ..Frame::default() }];
    };
    let stated = module.stated(inside);
    let mut frames = module.object.lines().frames(stated);
    if frames.is_empty() {
        frames.push(Frame::default());
    }
    for frame in &mut frames {
        frame.address.clone_from(&shown);
        frame.module = Some(module.object.name.clone());
        frame.offset = Some(format!("{:#x}", module.stated(address)));
        frame.build_id.clone_from(&module.object.build_id);
    }
    if let Some(last) = frames.last_mut().filter(|frame| frame.function.is_none()) {
        last.function = module.object.symbols().function(stated).map(|symbol| symbol.name);
    }
    frames
}

/// `frames` without those of forkfix, which are none of the program's. Of a call that waits in the library, the
/// function that was called stays.
pub(super) fn without_ours(mut frames: Vec<Frame>) -> Vec<Frame> {
    let is_ours = |frame: &Frame| frame.module.as_deref().is_some_and(locks::is_ours);
    let innermost = frames.iter().take_while(|frame| is_ours(frame)).count();
    frames.drain(..innermost.saturating_sub(1));
    let mut depth = 0;
    frames.retain(|frame| {
        depth += 1;
        depth == 1 || !is_ours(frame)
    });
    frames
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_of_the_source() {
        for (mangled, name) in [
            ("_ZGVZ3usevE4once", "guard variable for use()::once"),
            ("_ZNSt5mutex4lockEv", "std::mutex::lock()"),
            ("_ZN3std6thread4park17h0123456789abcdefE", "std::thread::park"),
            ("tzset_lock", "tzset_lock"),
            ("", ""),
        ] {
            assert_eq!(demangled(mangled), name);
        }
    }

    #[test]
    fn long_names_end_between_letters() {
        let long = "é".repeat(LONGEST);
        let short = shortened(&long);
        assert!(short.len() <= LONGEST + 3 && short.ends_with("é…"), "{}", short.len());
        assert_eq!(shortened("é"), "é");
    }
}
