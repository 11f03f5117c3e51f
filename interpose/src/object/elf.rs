//! Linux: the program headers tell which object provides `malloc`.

use core::ffi::{CStr, c_int, c_void};
use core::ops::Range;
use core::ptr;
use core::sync::atomic::{AtomicUsize, Ordering};

use super::describe;
use super::symbols::{Found, Name, Symbols};
use crate::atfork::Handler;

/// Who provides the process's `malloc`, with the addresses it occupies.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Provider {
    /// A shared library that is neither libc nor the program.
    Library(Range<usize>),
    /// The program itself.
    Program(Range<usize>),
    /// libc, which takes care of its own allocator; or not known yet.
    Libc,
}

const UNKNOWN: usize = 0;
const LIBC: usize = 1;
const LIBRARY: usize = 2;
const PROGRAM: usize = 3;

static KIND: AtomicUsize = AtomicUsize::new(UNKNOWN);
static START: AtomicUsize = AtomicUsize::new(0);
static END: AtomicUsize = AtomicUsize::new(0);

/// Whether these fork handlers are the allocator's. Those of one that is a library of its own always are.
/// If the program itself provides `malloc`, only those are that it registered `early`, while its allocator
/// initialised itself; the rest is the application's, which may take locks that other threads hold at the
/// gate.
///
/// The handlers' own addresses tell where they belong: gperftools registers through a weak
/// `pthread_atfork`, which names no object.
pub(crate) fn is_allocators(handlers: &[Option<Handler>], early: bool) -> bool {
    let is_in = |range: Range<usize>| {
        let handlers = handlers.iter().flatten();
        handlers.map(|handler| (*handler as *const ()).addr()).any(|at| range.contains(&at))
    };
    match provider_of_malloc() {
        Provider::Library(range) => is_in(range),
        Provider::Program(range) => early && is_in(range),
        Provider::Libc => false,
    }
}

/// Who provides `malloc`, as far as [`find_provider`] has found out.
fn provider_of_malloc() -> Provider {
    let range = || START.load(Ordering::Relaxed)..END.load(Ordering::Relaxed);
    match KIND.load(Ordering::Acquire) {
        LIBRARY => Provider::Library(range()),
        PROGRAM => Provider::Program(range()),
        _ => Provider::Libc,
    }
}

/// A loaded object.
pub(super) struct Object {
    /// The path by which the loader knows it; empty for the program.
    pub(super) path: &'static CStr,
    /// What it defines, if it has a table that can be read.
    symbols: Option<Symbols>,
    /// Its place in the loader's list.
    position: usize,
    /// From its first address to its last.
    all: Range<usize>,
    /// What of that may be written; empty if nothing.
    data: Range<usize>,
}

struct Search {
    address: usize,
    position: usize,
    found: Option<Object>,
}

/// The object that `address` is in. Takes the loader's locks.
pub(super) fn object_at(address: usize) -> Option<Object> {
    let mut search = Search { address, position: 0, found: None };
    // SAFETY: the callback has the right signature, and `search` outlives the call.
    unsafe { libc::dl_iterate_phdr(Some(visit), (&raw mut search).cast()) };
    search.found
}

/// The writable memory of the object that `address` is in. Takes the loader's locks.
pub(crate) fn data_at(address: usize) -> Option<Range<usize>> {
    object_at(address).map(|object| object.data)
}

/// Whether no object defines `name`: then there is no need to ask the loader, which takes its time to say so.
/// Takes the loader's locks.
pub(crate) fn is_defined_nowhere(name: &Name) -> bool {
    unsafe extern "C" fn visit(
        info: *mut libc::dl_phdr_info,
        _size: usize,
        name: *mut c_void,
    ) -> c_int {
        // SAFETY: the loader passes a valid description.
        let info = unsafe { &*info };
        // SAFETY: as above.
        let symbols = unsafe { Symbols::of(info) };
        // SAFETY: the name that is looked for.
        let name = unsafe { &*name.cast::<Name>() };
        // SAFETY: the object stays loaded while its description is there.
        let nothing =
            symbols.is_some_and(|symbols| unsafe { symbols.find(name) == Found::Nothing });
        c_int::from(!nothing)
    }
    let name = ptr::from_ref(name).cast_mut().cast();
    // SAFETY: the callback has the right signature, and only reads the name.
    unsafe { libc::dl_iterate_phdr(Some(visit), name) == 0 }
}

/// Finds out. Takes the loader's locks: call it from the constructor, or before the first fork.
pub(crate) fn find_provider() {
    if KIND.load(Ordering::Relaxed) != UNKNOWN {
        return;
    }
    let mut kind = LIBC;
    if let Some(object) = object_with_malloc() {
        START.store(object.all.start, Ordering::Relaxed);
        END.store(object.all.end, Ordering::Relaxed);
        // The program comes first; libc is whoever also has `gnu_get_libc_version`.
        kind = match object.position {
            0 => PROGRAM,
            _ if object.all.contains(&address_in_libc()) => LIBC,
            _ => LIBRARY,
        };
    }
    KIND.store(kind, Ordering::Release);
    log::debug!("malloc: {:x?}", provider_of_malloc());
}

/// The object with the definition of `malloc` that the program uses; `None` if it cannot be told.
fn object_with_malloc() -> Option<Object> {
    let bound = (libc::malloc as *const ()).addr();
    let object = object_at(bound)?;
    // A program that is not position-independent and takes malloc's address gives that of a stub
    // of its own to everybody; the loader knows no such definition.
    if object.defines_malloc_at(bound) {
        return Some(object);
    }
    // SAFETY: a look-up by a literal name.
    let next = unsafe { libc::dlsym(libc::RTLD_NEXT, c"malloc".as_ptr()) };
    if next.is_null() { None } else { object_at(next.addr()) }
}

impl Object {
    fn defines_malloc_at(&self, address: usize) -> bool {
        // SAFETY: nobody unloads what the program allocates with.
        let found = self.symbols.map(|symbols| unsafe { symbols.find(&MALLOC) });
        match found {
            Some(Found::At(found)) => found == address,
            Some(Found::Nothing) => false,
            _ => {
                let info = describe(ptr::without_provenance(address));
                info.is_some_and(|info| info.dli_saddr.addr() == address)
            }
        }
    }
}

static MALLOC: Name = Name::new("malloc");

#[cfg(target_env = "gnu")]
fn address_in_libc() -> usize {
    (libc::gnu_get_libc_version as *const ()).addr()
}

#[cfg(target_env = "musl")]
fn address_in_libc() -> usize {
    (libc::getauxval as *const ()).addr()
}

/// The program headers of an object.
///
/// # Safety
///
/// The loader must have made this description, for the callback that is running.
pub(crate) unsafe fn headers(info: &libc::dl_phdr_info) -> &[libc::Elf64_Phdr] {
    // SAFETY: the loader vouches for the array and its length.
    unsafe { core::slice::from_raw_parts(info.dlpi_phdr, info.dlpi_phnum.into()) }
}

unsafe extern "C" fn visit(
    info: *mut libc::dl_phdr_info,
    _size: usize,
    search: *mut c_void,
) -> c_int {
    // SAFETY: `object_at` passed its `Search`, and waits for us.
    let search = unsafe { &mut *search.cast::<Search>() };
    // SAFETY: the loader passes a valid description.
    let info = unsafe { &*info };
    let position = search.position;
    search.position += 1;
    // SAFETY: as above.
    if !unsafe { is_in(info, search.address) } {
        return 0;
    }
    // SAFETY: as above.
    let writable = unsafe { loads(info) }.filter(|(_, flags)| flags & libc::PF_W != 0);
    let data = writable.map(|(range, _)| range).reduce(around).unwrap_or_default();
    // SAFETY: as above.
    let all = unsafe { loads(info) }.map(|(range, _)| range).reduce(around).unwrap_or_default();
    // SAFETY: as above.
    let symbols = unsafe { Symbols::of(info) };
    // SAFETY: the loader's string, which lives as long as the object.
    let path = unsafe { CStr::from_ptr(info.dlpi_name) };
    search.found = Some(Object { path, symbols, position, all, data });
    1
}

/// What of an object is loaded where, with the flags of the program headers.
///
/// # Safety
///
/// As for [`headers`].
unsafe fn loads(info: &libc::dl_phdr_info) -> impl Iterator<Item = (Range<usize>, u32)> {
    // SAFETY: the caller's word.
    let headers = unsafe { headers(info) };
    let loads = headers.iter().filter(|header| header.p_type == libc::PT_LOAD);
    loads.map(|header| {
        let start = (info.dlpi_addr as usize).wrapping_add(header.p_vaddr as usize);
        (start..start + header.p_memsz as usize, header.p_flags)
    })
}

/// Whether `address` is in the object.
///
/// # Safety
///
/// As for [`headers`].
pub(crate) unsafe fn is_in(info: &libc::dl_phdr_info, address: usize) -> bool {
    // SAFETY: the caller's word.
    unsafe { loads(info) }.any(|(range, _)| range.contains(&address))
}

fn around(one: Range<usize>, other: Range<usize>) -> Range<usize> {
    one.start.min(other.start)..one.end.max(other.end)
}
