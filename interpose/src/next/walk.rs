//! glibc: the definitions that `dlsym` would find, found without it.
//!
//! `dlsym(RTLD_NEXT)` looks into the objects behind this library in the order in which the loader lists them,
//! and into no others: those that were loaded with it when the program started, or when its name space was
//! made. The end of these is not to be seen, but libc is one of them, as this library needs it. So what an object
//! behind this library and not behind libc defines is what `dlsym` finds, and what none behind this library
//! defines it does not find. Everything else is left to it.

use core::ffi::{CStr, c_int, c_void};
use core::ptr;

use super::{Definition, Symbol};
use crate::object::symbols::{Found, Symbols};
use crate::{object, table};

/// How many symbols there are.
const COUNT: usize = {
    let mut count = 0;
    let mut groups: &[super::Group] = &table::GROUPS;
    while let [group, rest @ ..] = groups {
        count += group.len();
        groups = rest;
    }
    count
};

/// With one of these variables there is more to a look-up (ld.so(8)): somebody else is told of it and may
/// change the answer, or a weak definition gives way to one behind it.
const VARIABLES: [&CStr; 2] = [c"LD_AUDIT", c"LD_DYNAMIC_WEAK"];

/// How far the walk has come.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    /// Not at this library.
    Before,
    /// Behind this library, but not behind all that it needs.
    Between,
    /// Behind all of it.
    Behind,
    /// The objects are not as expected.
    Nowhere,
}

struct Walk {
    place: Place,
    /// Addresses in what this library needs and the walk has not met: in libc, and in libpthread, which was
    /// apart before glibc 2.34.
    needed: [Option<usize>; 2],
    /// What was found of each symbol.
    marks: [Mark; COUNT],
}

/// What was found of a symbol: nothing, the definition, something that only the loader can judge; or the
/// address of a definition that counts if there is no other one.
type Mark = usize;
const NOTHING: Mark = 0;
const FOUND: Mark = 1;
const UNCLEAR: Mark = 2;

/// Looks up what is plain. What it leaves is for `dlsym`.
pub(super) fn find_plain() {
    // SAFETY: a C string; before `main` no other thread changes the environment, or the program has that
    // race already.
    let is_set = |name: &&CStr| unsafe { !libc::getenv(name.as_ptr()).is_null() };
    if VARIABLES.iter().any(is_set) {
        return;
    }
    let needed = [
        (libc::gnu_get_libc_version as *const ()).addr(),
        (libc::pthread_getcpuclockid as *const ()).addr(),
    ];
    let mut walk = Walk { place: Place::Before, needed: needed.map(Some), marks: [NOTHING; COUNT] };
    let iterate = table::dl_iterate_phdr.ensure();
    // SAFETY: the callback has the right signature, and `walk` outlives the call.
    unsafe { iterate((visit as *mut ()).cast(), (&raw mut walk).cast()) };
    if walk.place != Place::Behind {
        return;
    }
    walk.for_each(|definition, _, mark| {
        if !matches!(*mark, FOUND | UNCLEAR) && !definition.is_known() {
            // Null, or the definition that counts now.
            definition.set(ptr::with_exposed_provenance_mut(*mark));
        }
    });
}

/// The callback of `dl_iterate_phdr`.
unsafe extern "C" fn visit(
    info: *mut libc::dl_phdr_info,
    _size: usize,
    walk: *mut c_void,
) -> c_int {
    // SAFETY: `find_plain` passed its `Walk`, and waits for us.
    let walk = unsafe { &mut *walk.cast::<Walk>() };
    // SAFETY: the loader passes a valid description.
    let info = unsafe { &*info };
    // SAFETY: as above.
    walk.place = unsafe { walk.next(info) };
    c_int::from(walk.place == Place::Nowhere)
}

impl Walk {
    /// Visits an object; where the walk is then.
    ///
    /// # Safety
    ///
    /// The loader must have made this description, for the callback that is running.
    unsafe fn next(&mut self, info: &libc::dl_phdr_info) -> Place {
        // SAFETY: the caller's word.
        let is_here = |address: &usize| unsafe { object::is_in(info, *address) };
        if self.place == Place::Before {
            return if is_here(&(visit as *const ()).addr()) {
                Place::Between
            } else if self.needed.iter().flatten().any(is_here) {
                Place::Nowhere
            } else {
                Place::Before
            };
        }
        // SAFETY: as above.
        let Some(symbols) = (unsafe { Symbols::of(info) }) else {
            return Place::Nowhere;
        };
        let counts = self.place == Place::Between;
        self.for_each(|definition, symbol, mark| {
            if matches!(*mark, FOUND | UNCLEAR) {
                return;
            }
            // SAFETY: the object stays loaded while its description is there.
            let found = unsafe { symbols.find(&symbol.name) };
            let counts = counts && symbol.version.is_empty() && *mark == NOTHING;
            *mark = match found {
                Found::Nothing => return,
                Found::At(address) if counts => {
                    definition.set(ptr::with_exposed_provenance_mut(address));
                    FOUND
                }
                Found::First(address) if counts => address,
                _ => UNCLEAR,
            };
        });
        for needed in &mut self.needed {
            needed.take_if(|address| is_here(address));
        }
        if self.needed == [None; 2] { Place::Behind } else { Place::Between }
    }

    /// Calls `visit` with each definition, its symbol and what was found of it.
    #[inline]
    fn for_each(&mut self, mut visit: impl FnMut(&Definition, &Symbol, &mut Mark)) {
        let mut rest = &mut self.marks[..];
        for group in &table::GROUPS {
            let (marks, others) = rest.split_at_mut(group.len());
            rest = others;
            for ((definition, symbol), mark) in group.pairs().zip(marks) {
                visit(definition, symbol, mark);
            }
        }
    }
}
