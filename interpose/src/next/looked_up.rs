//! Linux: looked up, in libc's own tables or with `dlsym`.
//!
//! All of them are looked up at once, by the constructor or by the first gated call before it (the
//! gate's [`UNRESOLVED`] flag leads there), so that the fast path loads a pointer without testing it
//! and a forked child looks nothing up.

use core::ffi::c_void;
#[cfg(target_env = "gnu")]
use core::ffi::{CStr, c_char};
use core::marker::PhantomData;
use core::ptr;
use core::sync::atomic::{AtomicPtr, AtomicU32, Ordering};

use super::symbol::{Group, Symbol};
#[cfg(target_env = "gnu")]
use super::walk;
use crate::gate::{GATE, UNRESOLVED};
#[cfg(target_env = "gnu")]
use crate::object::symbols::FIRST_VERSION;
use crate::{errno, sys, table};

/// One symbol's next definition, whatever its type. Assembly jumps through it (see `rows`).
#[repr(transparent)]
pub(crate) struct Definition(AtomicPtr<()>);

/// The next definition as a function of type `F`.
#[repr(transparent)]
pub(crate) struct Next<F> {
    /// Its untyped part.
    definition: Definition,
    signature: PhantomData<F>,
}

impl<F: Copy> Next<F> {
    /// Not looked up yet. `F` is the function-pointer type of the symbol.
    pub(crate) const fn new() -> Self {
        const { assert!(size_of::<F>() == size_of::<*mut ()>()) };
        let definition = Definition(AtomicPtr::new(ptr::null_mut()));
        Self { definition, signature: PhantomData }
    }

    /// The function, for code that [entered](crate::reader::enter) the gate and so knows that it was
    /// looked up.
    #[inline(always)]
    pub(crate) fn get(&self) -> F {
        // SAFETY: written before the gate's flag was cleared, which the caller has seen; not written
        // again but with the same value. A plain load, because the compiler can make it part of the
        // call instruction.
        let address = unsafe { *self.definition.0.as_ptr() };
        // SAFETY: `F` is a function-pointer type (checked for size above; the table gives it), and
        // the address is not null after `resolve_all`: that of the symbol, whose signature the
        // table vouches for, or that of `absent`.
        unsafe { core::mem::transmute_copy(&address) }
    }

    /// The function, looked up now if it was not yet; for code outside the gate.
    #[inline(always)]
    pub(crate) fn ensure(&self) -> F {
        let address = self.definition.resolve();
        // SAFETY: as in `get`.
        unsafe { core::mem::transmute_copy(&address) }
    }
}

#[cfg(target_env = "gnu")]
impl<F> Next<F> {
    /// Whether this libc has the function; for code that entered the gate.
    pub(crate) fn exists(&self) -> bool {
        !self.definition.is_absent()
    }
}

impl Definition {
    /// Looks it up, unless that was done.
    #[inline(always)]
    pub(crate) fn resolve(&self) -> *mut () {
        let known = self.0.load(Ordering::Relaxed);
        if known.is_null() { self.look_up() } else { known }
    }

    #[cold]
    #[inline(never)]
    fn look_up(&self) -> *mut () {
        let of_this = |(other, _): &(&Self, _)| ptr::eq(*other, self);
        let symbol = definitions().find(of_this).map(|(_, symbol)| symbol);
        // RTLD_NEXT is this library's successor in the search order.
        let found = symbol.map_or(ptr::null_mut(), |symbol| symbol.find(libc::RTLD_NEXT));
        self.set(found)
    }

    /// Notes what was found, if anything.
    pub(super) fn set(&self, found: *mut ()) -> *mut () {
        let address = if found.is_null() { absent as *mut () } else { found };
        self.0.store(address, Ordering::Relaxed);
        address
    }

    /// Whether it was looked up.
    pub(super) fn is_known(&self) -> bool {
        !self.0.load(Ordering::Relaxed).is_null()
    }

    /// Whether it was looked up in vain.
    pub(super) fn is_absent(&self) -> bool {
        ptr::eq(self.0.load(Ordering::Relaxed), absent as *const ())
    }
}

impl Symbol {
    /// musl has no versions.
    #[cfg(target_env = "musl")]
    fn find(&self, place: *mut c_void) -> *mut () {
        // SAFETY: a C string, and a place that `dlsym` knows.
        unsafe { libc::dlsym(place, self.name.as_ptr()) }.cast()
    }

    /// The wanted version, else the default one, else the first one: that is all there is of a function
    /// which libc keeps for old programs only.
    #[cfg(target_env = "gnu")]
    pub(super) fn find(&self, place: *mut c_void) -> *mut () {
        let versioned = |version: *const c_char| {
            // SAFETY: C strings, and a place that `dlsym` knows.
            unsafe { libc::dlvsym(place, self.name.as_ptr(), version) }
        };
        let mut found = ptr::null_mut();
        if !self.version.is_empty() {
            found = versioned(self.version.as_ptr());
        }
        if found.is_null() {
            // SAFETY: as above.
            found = unsafe { libc::dlsym(place, self.name.as_ptr()) };
        }
        if found.is_null() {
            found = versioned(FIRST_VERSION.as_ptr());
        }
        found.cast()
    }
}

/// Each definition of the table with its symbol.
pub(super) fn definitions() -> impl Iterator<Item = (&'static Definition, &'static Symbol)> {
    const { &table::GROUPS }.iter().flat_map(Group::pairs)
}

/// The glibc 2.N that has all its parts in one library.
#[cfg(target_env = "gnu")]
const FIRST_WHOLE: u32 = 34;
/// What was apart before, but for libpthread and libdl, which this library needs itself.
#[cfg(target_env = "gnu")]
const PARTS: [&CStr; 4] = [c"librt.so.1", c"libresolv.so.2", c"libanl.so.1", c"libutil.so.1"];

/// Loads the parts of an old glibc that the process has not loaded. The program may do so later, by loading
/// a library that needs them; its calls then come to our hooks, and nothing is looked up any more.
#[cfg(target_env = "gnu")]
fn find_in_parts() {
    let open = table::dlopen.ensure();
    for part in PARTS {
        // SAFETY: a literal name; libc's own libraries may be loaded at any time.
        let part = unsafe { open(part.as_ptr(), libc::RTLD_LAZY) };
        if part.is_null() {
            continue;
        }
        for (definition, symbol) in definitions().filter(|(definition, _)| definition.is_absent()) {
            definition.set(symbol.find(part));
        }
    }
}

/// Stands in for a symbol that this libc lacks. A program that calls it was built for another libc
/// and would not have started without us.
extern "C" fn absent() -> usize {
    log::error!("the program calls a function that this libc does not have");
    errno::set(libc::ENOSYS);
    0
}

/// Looks up every symbol of the table. Keeps `errno`, and the state of `dlerror`.
pub(crate) fn resolve_all() {
    // `dlsym` may allocate, and an allocator that initialises itself then may call any of these functions:
    // each finds its own next definition meanwhile.
    let me = sys::gettid();
    if RESOLVER.swap(me, Ordering::Relaxed) == me {
        return;
    }
    let before = errno::get();
    #[cfg(target_env = "gnu")]
    walk::find_plain();
    let mut missing = false;
    definitions().for_each(|(definition, symbol)| {
        if !definition.is_known() {
            definition.set(symbol.find(libc::RTLD_NEXT));
        }
        missing |= definition.is_absent();
    });
    #[cfg(target_env = "gnu")]
    if missing && sys::glibc_minor() < FIRST_WHOLE {
        find_in_parts();
    }
    GATE.set(UNRESOLVED, false);
    if missing {
        // glibc: our own hook, which works from here on.
        // SAFETY: no preconditions; forgets the message about the missing symbol.
        unsafe { libc::dlerror() };
    }
    RESOLVER.store(0, Ordering::Relaxed);
    errno::set(before);
}

/// The thread that is looking up all symbols.
static RESOLVER: AtomicU32 = AtomicU32::new(0);
