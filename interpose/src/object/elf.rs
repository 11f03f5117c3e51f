//! Linux: the program headers tell which object provides `malloc`.

use core::ffi::{c_int, c_void};
use core::ops::Range;
use core::sync::atomic::{AtomicUsize, Ordering};

use super::describe;
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
struct Object {
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
fn object_at(address: usize) -> Option<Object> {
    let mut search = Search { address, position: 0, found: None };
    // SAFETY: the callback has the right signature, and `search` outlives the call.
    unsafe { libc::dl_iterate_phdr(Some(visit), (&raw mut search).cast()) };
    search.found
}

/// The writable memory of the object that `address` is in. Takes the loader's locks.
pub(crate) fn data_at(address: usize) -> Option<Range<usize>> {
    object_at(address).map(|object| object.data)
}

/// Finds out. Takes the loader's locks: call it from the constructor, or before the first fork.
pub(crate) fn find_provider() {
    if KIND.load(Ordering::Relaxed) != UNKNOWN {
        return;
    }
    let mut kind = LIBC;
    if let Some(address) = address_of_malloc()
        && let Some(object) = object_at(address)
    {
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

/// The definition of `malloc` that the program uses; `None` if it cannot be told.
fn address_of_malloc() -> Option<usize> {
    let bound = (libc::malloc as *const ()).addr();
    // A program that is not position-independent and takes malloc's address gives that of a stub
    // of its own to everybody; the loader knows no such definition.
    if is_defined_at(bound) {
        return Some(bound);
    }
    // SAFETY: a look-up by a literal name.
    let next = unsafe { libc::dlsym(libc::RTLD_NEXT, c"malloc".as_ptr()) };
    (!next.is_null()).then(|| next.addr())
}

fn is_defined_at(address: usize) -> bool {
    describe(core::ptr::without_provenance(address))
        .is_some_and(|info| info.dli_saddr.addr() == address)
}

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
    // SAFETY: as above.
    let headers = unsafe { headers(info) };
    let position = search.position;
    search.position += 1;
    let base = info.dlpi_addr as usize;
    let loads = || headers.iter().filter(|header| header.p_type == libc::PT_LOAD);
    let range = |header: &libc::Elf64_Phdr| {
        let start = base.wrapping_add(header.p_vaddr as usize);
        start..start + header.p_memsz as usize
    };
    if !loads().any(|header| range(header).contains(&search.address)) {
        return 0;
    }
    let writable = || loads().filter(|header| header.p_flags & libc::PF_W != 0);
    let data = writable().map(range).reduce(around).unwrap_or_default();
    let all = loads().map(range).reduce(around).unwrap_or_default();
    search.found = Some(Object { position, all, data });
    1
}

fn around(one: Range<usize>, other: Range<usize>) -> Range<usize> {
    one.start.min(other.start)..one.end.max(other.end)
}
