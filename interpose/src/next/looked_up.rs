//! Linux: looked up with `dlsym`.
//!
//! All of them are looked up at once, by the constructor or by the first gated call before it (the
//! gate's [`UNRESOLVED`] flag leads there), so that the fast path loads a pointer without testing it
//! and a forked child looks nothing up.

use core::ffi::{CStr, c_void};
use core::marker::PhantomData;
use core::ptr;
use core::sync::atomic::{AtomicPtr, AtomicU32, Ordering};

use crate::gate::{GATE, UNRESOLVED};
use crate::{errno, sys, table};

/// One symbol's next definition, whatever its type.
#[repr(C)]
pub(crate) struct Definition {
    /// First, because assembly jumps through it (see `rows`).
    address: AtomicPtr<()>,
    name: &'static CStr,
    /// The version to ask for; without one the default version is what `dlsym` finds.
    #[cfg_attr(target_env = "musl", allow(dead_code, reason = "it has no versions"))]
    version: Option<&'static CStr>,
}

/// The next definition as a function of type `F`.
#[repr(C)]
pub(crate) struct Next<F> {
    /// Its untyped part.
    pub(crate) definition: Definition,
    signature: PhantomData<F>,
}

impl<F: Copy> Next<F> {
    /// Not looked up yet. `F` is the function-pointer type of the symbol `name`, which must end in
    /// a zero byte.
    pub(crate) const fn new(name: &'static str, version: Option<&'static CStr>) -> Self {
        const { assert!(size_of::<F>() == size_of::<*mut ()>()) };
        let Ok(name) = CStr::from_bytes_with_nul(name.as_bytes()) else {
            panic!("a symbol's name ends in one zero byte");
        };
        Self {
            definition: Definition { name, version, address: AtomicPtr::new(ptr::null_mut()) },
            signature: PhantomData,
        }
    }

    /// The function, for code that [entered](crate::reader::enter) the gate and so knows that it was
    /// looked up.
    #[inline(always)]
    pub(crate) fn get(&self) -> F {
        // SAFETY: written before the gate's flag was cleared, which the caller has seen; not written
        // again but with the same value. A plain load, because the compiler can make it part of the
        // call instruction.
        let address = unsafe { *self.definition.address.as_ptr() };
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
        let known = self.address.load(Ordering::Relaxed);
        if known.is_null() { self.look_up() } else { known }
    }

    #[cold]
    #[inline(never)]
    fn look_up(&self) -> *mut () {
        // RTLD_NEXT is this library's successor in the search order.
        let found = self.find(libc::RTLD_NEXT);
        let address = if found.is_null() { absent as *mut () } else { found };
        self.address.store(address, Ordering::Relaxed);
        address
    }

    /// musl has no versions.
    #[cfg(target_env = "musl")]
    fn find(&self, place: *mut c_void) -> *mut () {
        // SAFETY: a literal string, and a place that `dlsym` knows.
        unsafe { libc::dlsym(place, self.name.as_ptr()) }.cast()
    }

    /// The wanted version, else the default one, else the first one: that is all there is of a function
    /// which libc keeps for old programs only.
    #[cfg(target_env = "gnu")]
    fn find(&self, place: *mut c_void) -> *mut () {
        let versioned = |version: &CStr| {
            // SAFETY: literal strings, and a place that `dlsym` knows.
            unsafe { libc::dlvsym(place, self.name.as_ptr(), version.as_ptr()) }
        };
        let mut found = self.version.map_or(ptr::null_mut(), versioned);
        if found.is_null() {
            // SAFETY: as above.
            found = unsafe { libc::dlsym(place, self.name.as_ptr()) };
        }
        if found.is_null() {
            found = versioned(FIRST_VERSION);
        }
        found.cast()
    }

    #[cfg(target_env = "gnu")]
    fn is_absent(&self) -> bool {
        ptr::eq(self.address.load(Ordering::Relaxed), absent as *const ())
    }
}

/// The version of glibc's symbols that were there from the start (`shlib-versions`).
#[cfg(target_env = "gnu")]
const FIRST_VERSION: &CStr =
    if cfg!(target_arch = "x86_64") { c"GLIBC_2.2.5" } else { c"GLIBC_2.17" };

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
        for definition in table::definitions().filter(|definition| definition.is_absent()) {
            let found = definition.find(part);
            if !found.is_null() {
                definition.address.store(found, Ordering::Relaxed);
            }
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
    let mut missing = false;
    for definition in table::definitions() {
        missing |= ptr::eq(definition.resolve(), absent as *mut ());
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    type Function = unsafe extern "C-unwind" fn() -> libc::c_long;

    #[test]
    fn a_symbol_that_this_libc_lacks_answers_enosys() {
        static LACKING: Next<Function> = Next::new("forkfix_is_in_no_libc\0", None);
        errno::set(0);
        let function = LACKING.ensure();
        // SAFETY: `absent` takes no arguments and returns a number in the same register.
        assert_eq!(unsafe { function() }, 0);
        assert_eq!(errno::get(), libc::ENOSYS);
    }

    #[test]
    fn a_version_that_this_libc_lacks_gives_the_default_one() {
        static SPAWN: Next<Function> = Next::new("posix_spawn\0", Some(c"GLIBC_0.0"));
        let found = SPAWN.ensure() as *const ();
        assert!(!ptr::eq(found, absent as *const ()));
    }
}
