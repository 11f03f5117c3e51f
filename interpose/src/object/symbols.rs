//! Linux: what a loaded object defines, read from the tables that the loader itself reads (gABI, "Dynamic
//! Linking"; the GNU hash table as in glibc's `elf/dl-lookup.c`).
//!
//! A look-up by `dlsym` costs about a thousand instructions, most of them around the tables; this one a
//! hundred. It finds what is plain, and says so if something is not.

use core::ffi::{CStr, c_char};
use core::ptr::{self, NonNull};

use libc::Elf64_Sym;

use super::elf::headers;

/// An entry of the dynamic section (`Elf64_Dyn`).
#[repr(C)]
struct Dynamic {
    tag: u64,
    value: usize,
}

/// A version that an object defines (`Elf64_Verdef`).
#[repr(C)]
struct Version {
    revision: u16,
    flags: u16,
    index: u16,
    count: u16,
    hash: u32,
    /// Where its names begin, and where the next entry, in bytes from here.
    names: u32,
    next: u32,
}

/// The version of glibc's symbols that were there from the start (`shlib-versions`).
pub(crate) const FIRST_VERSION: &CStr =
    if cfg!(target_arch = "x86_64") { c"GLIBC_2.2.5" } else { c"GLIBC_2.17" };

// The numbers of the gABI, with its names.
const DT_NULL: u64 = 0;
const DT_STRTAB: u64 = 5;
const DT_SYMTAB: u64 = 6;
const DT_GNU_HASH: u64 = 0x6fff_fef5;
const DT_VERSYM: u64 = 0x6fff_fff0;
const DT_VERDEF: u64 = 0x6fff_fffc;
const STB_GLOBAL: u8 = 1;
const STB_WEAK: u8 = 2;
const STT_NOTYPE: u8 = 0;
const STT_OBJECT: u8 = 1;
const STT_FUNC: u8 = 2;
const STV_DEFAULT: u8 = 0;
const STV_PROTECTED: u8 = 3;
const SHN_UNDEF: u16 = 0;
const SHN_ABS: u16 = 0xfff1;
/// The versions of a symbol without one, and of the object's first one.
const VERSION_GLOBAL: u16 = 1;
const VERSION_FIRST: u16 = 2;
/// Set if a version is not the default one.
const VERSION_HIDDEN: u16 = 1 << 15;

/// A short text in place: a pointer to it would have to be relocated at every start of a program.
pub(crate) struct Inline<const N: usize>([u8; N]);

impl<const N: usize> Inline<N> {
    /// `text`, which must be shorter than `N`.
    pub(crate) const fn new(text: &[u8]) -> Self {
        assert!(text.len() < N);
        let mut bytes = [0; N];
        bytes.split_at_mut(text.len()).0.copy_from_slice(text);
        Self(bytes)
    }

    /// As a C string.
    pub(crate) const fn as_ptr(&self) -> *const c_char {
        self.0.as_ptr().cast()
    }

    /// Whether there is no text.
    #[cfg(target_env = "gnu")]
    pub(crate) const fn is_empty(&self) -> bool {
        self.0[0] == 0
    }
}

/// The name of a symbol, with its hash.
pub(crate) struct Name {
    hash: u32,
    text: Inline<28>,
}

impl Name {
    /// Of the symbol `name`.
    pub(crate) const fn new(name: &str) -> Self {
        let mut hash = 5381_u32;
        let mut rest = name.as_bytes();
        while let [byte, after @ ..] = rest {
            hash = hash.wrapping_mul(33).wrapping_add(*byte as u32);
            rest = after;
        }
        Self { hash, text: Inline::new(name.as_bytes()) }
    }

    /// As a C string.
    pub(crate) const fn as_ptr(&self) -> *const c_char {
        self.text.as_ptr()
    }
}

/// What [`Symbols::find`] has found.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Found {
    /// The object defines no such symbol.
    Nothing,
    /// The definition, at this address.
    At(usize),
    /// Only one that is there for old programs, in libc's first version.
    First(usize),
    /// Something that the loader must judge: several versions, an old version only, a function that chooses
    /// the function.
    Unclear,
}

/// The symbols of a loaded object.
#[derive(Clone, Copy)]
pub(crate) struct Symbols {
    base: usize,
    names: *const c_char,
    symbols: *const Elf64_Sym,
    /// By the number of the symbol, if they have versions.
    versions: Option<NonNull<u16>>,
    /// Whether the first version is [`FIRST_VERSION`].
    first_is_libcs: bool,
    /// The filter, of a power of two of words.
    bloom: *const u64,
    bloom_mask: u32,
    bloom_shift: u32,
    buckets: *const u32,
    bucket_count: u32,
    /// By the number of the symbol; the lowest ones have no place in it.
    chains: *const u32,
}

impl Symbols {
    /// Of the object; `None` if it has no GNU hash table.
    ///
    /// # Safety
    ///
    /// The loader must have made this description, for the callback that is running.
    pub(crate) unsafe fn of(info: &libc::dl_phdr_info) -> Option<Self> {
        let base = info.dlpi_addr as usize;
        // SAFETY: the caller's word.
        let headers = unsafe { headers(info) };
        let dynamic = headers.iter().find(|header| header.p_type == libc::PT_DYNAMIC)?;
        let mut entry = ptr::with_exposed_provenance::<Dynamic>(base + dynamic.p_vaddr as usize);
        let (mut hash, mut names, mut symbols, mut versions, mut defined) = (0, 0, 0, 0, 0);
        loop {
            // SAFETY: the entries end with one that is null.
            let Dynamic { tag, value } = unsafe { entry.read() };
            // glibc puts the address there, musl and the kernel (for its vDSO) leave what is in the file.
            let address = if value < base { base + value } else { value };
            match tag {
                DT_NULL => break,
                DT_GNU_HASH => hash = address,
                DT_STRTAB => names = address,
                DT_SYMTAB => symbols = address,
                DT_VERSYM => versions = address,
                DT_VERDEF => defined = address,
                _ => {}
            }
            entry = entry.wrapping_add(1);
        }
        if hash == 0 || names == 0 || symbols == 0 {
            return None;
        }
        let names = ptr::with_exposed_provenance(names);
        let defined = NonNull::new(ptr::with_exposed_provenance_mut(defined));
        // SAFETY: the object's own tables.
        let first = defined.and_then(|defined| unsafe { first_version(defined, names) });
        let hash = ptr::with_exposed_provenance::<u32>(hash);
        // SAFETY: the table begins with these four numbers.
        let [bucket_count, lowest, words, bloom_shift] = unsafe { hash.cast::<[u32; 4]>().read() };
        let bloom = hash.wrapping_add(4).cast::<u64>();
        let buckets = bloom.wrapping_add(words as usize).cast::<u32>();
        let chains = buckets.wrapping_add(bucket_count as usize).wrapping_sub(lowest as usize);
        Some(Self {
            base,
            names,
            symbols: ptr::with_exposed_provenance(symbols),
            versions: NonNull::new(ptr::with_exposed_provenance_mut(versions)),
            first_is_libcs: first == Some(FIRST_VERSION),
            bloom,
            bloom_mask: words.wrapping_sub(1),
            bloom_shift,
            buckets,
            bucket_count,
            chains,
        })
    }

    /// The definition that `dlsym` would find in this object alone.
    ///
    /// # Safety
    ///
    /// The object must still be loaded.
    pub(crate) unsafe fn find(&self, name: &Name) -> Found {
        let hash = name.hash;
        let word = self.bloom.wrapping_add(((hash / u64::BITS) & self.bloom_mask) as usize);
        // SAFETY: one of the filter's words.
        let word = unsafe { word.read() };
        let bit = |hash: u32| word >> (hash % u64::BITS) & 1;
        if self.bucket_count == 0 || bit(hash) & bit(hash >> self.bloom_shift) == 0 {
            return Found::Nothing;
        }
        let bucket = self.buckets.wrapping_add((hash % self.bucket_count) as usize);
        // SAFETY: one of the buckets.
        let mut index = unsafe { bucket.read() } as usize;
        if index == 0 {
            return Found::Nothing;
        }
        let (mut default, mut first) = (Found::Nothing, None);
        loop {
            // SAFETY: a chain ends with a number whose lowest bit is set.
            let other = unsafe { self.chains.wrapping_add(index).read() };
            if other | 1 == hash | 1 {
                // SAFETY: every number in a chain is that of a symbol.
                match unsafe { self.definition(index, name) } {
                    Definition::None => {}
                    Definition::Default(address) if default == Found::Nothing => {
                        default = Found::At(address);
                    }
                    Definition::First(address) => first = Some(address),
                    _ => default = Found::Unclear,
                }
            }
            if other & 1 != 0 {
                break;
            }
            index += 1;
        }
        match (default, first) {
            (_, None) => default,
            // Two versions of one function.
            (Found::At(address), Some(first)) if address == first => default,
            (Found::Nothing, Some(first)) if self.first_is_libcs => Found::First(first),
            _ => Found::Unclear,
        }
    }

    /// What the symbol with the number `index` defines, if it has this name.
    ///
    /// # Safety
    ///
    /// The object must still be loaded, and have that many symbols.
    unsafe fn definition(&self, index: usize, name: &Name) -> Definition {
        // SAFETY: the caller's word.
        let symbol = unsafe { self.symbols.wrapping_add(index).read() };
        let its_name = self.names.wrapping_add(symbol.st_name as usize);
        // SAFETY: both are C strings.
        let other = unsafe { libc::strcmp(its_name, name.as_ptr()) } != 0;
        if other || symbol.st_shndx == SHN_UNDEF && symbol.st_value == 0 {
            return Definition::None;
        }
        let version = self.versions.map_or(VERSION_GLOBAL, |versions| {
            // SAFETY: as the caller vouches; there is a version for each symbol.
            let version = unsafe { versions.add(index) };
            // SAFETY: as above.
            unsafe { version.read() }
        });
        let plain = matches!(symbol.st_info >> 4, STB_GLOBAL | STB_WEAK)
            && matches!(symbol.st_info & 0xf, STT_NOTYPE | STT_OBJECT | STT_FUNC)
            && matches!(symbol.st_other & 3, STV_DEFAULT | STV_PROTECTED)
            && !matches!(symbol.st_shndx, SHN_UNDEF | SHN_ABS)
            && symbol.st_value != 0;
        let address = self.base.wrapping_add(symbol.st_value as usize);
        match (version & VERSION_HIDDEN != 0, version & !VERSION_HIDDEN) {
            _ if !plain => Definition::Odd,
            (false, _) => Definition::Default(address),
            (true, VERSION_FIRST) => Definition::First(address),
            (true, VERSION_FIRST..) => Definition::None,
            (true, _) => Definition::Odd,
        }
    }
}

/// The name of the first version that an object defines.
///
/// # Safety
///
/// `entry` must be the beginning of the object's table of them, and `names` that of its strings.
unsafe fn first_version<'a>(entry: NonNull<Version>, names: *const c_char) -> Option<&'a CStr> {
    // The first entry is the object itself.
    // SAFETY: the caller's word.
    let next = unsafe { entry.read() }.next as usize;
    if next == 0 {
        return None;
    }
    // SAFETY: there is another one.
    let entry = unsafe { entry.byte_add(next) };
    // SAFETY: as above.
    let Version { index, names: its_names, .. } = unsafe { entry.read() };
    if index != VERSION_FIRST {
        return None;
    }
    // SAFETY: where an entry says that its names are, the first of which is its own.
    let name = unsafe { entry.byte_add(its_names as usize) }.cast::<u32>();
    // SAFETY: as above.
    let name = names.wrapping_add(unsafe { name.read() } as usize);
    // SAFETY: one of the object's strings.
    Some(unsafe { CStr::from_ptr(name) })
}

/// What a symbol is.
enum Definition {
    /// None, or one of an old version, which only those get who ask for it.
    None,
    /// The default version, or the only one.
    Default(usize),
    /// The first version. It is no longer the default one, but glibc before 2.36 takes it, if it meets it first.
    First(usize),
    /// Something else.
    Odd,
}
