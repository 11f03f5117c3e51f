//! glibc: OpenMP's threads, as GCC's libgomp keeps them. A child has none of them; but what libgomp notes about the thread
//! that forked still counts on them, so the child's next parallel region waits for them for ever (GCC bug 60035).
//!
//! These notes are libgomp's thread-local storage (`gomp_tls_data` in its `team.c`), all zeroes in a thread that
//! has not used OpenMP yet. The child makes them zero again: its next region begins as in a new thread, and makes a
//! pool of its own. What the thread had set, as by `omp_set_num_threads`, is read before and set again after.
//!
//! libgomp's own way would be `omp_pause_resource_all` before the fork. It ends the threads of the parent,
//! at every fork: those lose their `threadprivate` variables, and have to be made again (`docs/runtimes.md`).
//!
//! In the midst of a parallel region nothing is done: the child's part of it cannot end without the others.

use core::cell::UnsafeCell;
use core::ffi::{CStr, c_char, c_int, c_void};
use core::ptr;

use crate::{errno, forker, loader, object, options};

/// The copies of libgomp that can be loaded: wheels of Python bundle their own.
const MOST: usize = 16;
/// The most bytes of notes that are plausible; GCC 12 has 136.
const MOST_NOTES: usize = 1024;

type Get = unsafe extern "C" fn() -> c_int;
type Set = unsafe extern "C" fn(c_int);
type GetSchedule = unsafe extern "C" fn(*mut c_int, *mut c_int);
type SetSchedule = unsafe extern "C" fn(c_int, c_int);

/// What a thread sets for itself, besides the schedule (OpenMP 5.2, 2.1): how to read it, and how to set it.
const SETTINGS: [(&CStr, &CStr); 4] = [
    (c"omp_get_max_threads", c"omp_set_num_threads"),
    (c"omp_get_dynamic", c"omp_set_dynamic"),
    (c"omp_get_nested", c"omp_set_nested"),
    (c"omp_get_max_active_levels", c"omp_set_max_active_levels"),
];

/// A copy of libgomp. It stays loaded from then on.
struct Libgomp {
    /// The loader's handle.
    object: *mut c_void,
    /// The number of its thread-local storage, and the bytes of that.
    module: usize,
    size: usize,
    /// How to find it.
    address: unsafe extern "C" fn(*const TlsIndex) -> *mut u8,
    /// That of the thread which forks.
    notes: *mut u8,
    /// In how many parallel regions the thread is.
    level: Get,
    settings: [(Get, Set); SETTINGS.len()],
    schedule: (GetSchedule, SetSchedule),
}

/// Those that are known.
struct Known {
    copies: [Option<Libgomp>; MOST],
    /// How often objects had been loaded when it was looked for them.
    loads: u64,
}

/// Only for the forker, which has the gate closed, and for the only thread of a child.
struct ForForker(UnsafeCell<Known>);

// SAFETY: there is one forker at a time.
unsafe impl Sync for ForForker {}

static KNOWN: ForForker =
    ForForker(UnsafeCell::new(Known { copies: [const { None }; MOST], loads: 0 }));

/// A loaded object that seems to be a copy.
#[derive(Clone, Copy)]
struct Candidate {
    /// The loader's string.
    path: *const c_char,
    /// The number of its thread-local storage.
    module: usize,
    size: usize,
}

struct Search {
    /// How often objects had been loaded at the last search, and until now.
    before: u64,
    loads: u64,
    candidates: [Option<Candidate>; MOST],
}

/// Finds out where this thread's notes are; for the forker, with the gate closed.
pub(crate) fn look() {
    if !options::pools() || !forker::is_mine() {
        return;
    }
    // SAFETY: only the forker is here.
    let known = unsafe { &mut *KNOWN.0.get() };
    // Another thread that is loading something might have to be waited for.
    if loader::is_held() {
        let before = errno::get();
        known.update();
        errno::set(before);
    }
    for copy in known.copies.iter_mut().flatten() {
        copy.notes = copy.notes_of_this_thread();
    }
}

impl Known {
    /// Looks for copies that were loaded since the last time.
    fn update(&mut self) {
        let mut search = Search { before: self.loads, loads: 0, candidates: [None; MOST] };
        // SAFETY: the callback has the right signature, and `search` outlives the call.
        unsafe { libc::dl_iterate_phdr(Some(visit), (&raw mut search).cast()) };
        self.loads = search.loads;
        for candidate in search.candidates.iter().flatten() {
            // SAFETY: the list does not change, so the object is still there.
            let Some(copy) = (unsafe { Libgomp::of(candidate) }) else {
                continue;
            };
            let is_new = self.copies.iter().flatten().all(|other| other.object != copy.object);
            if is_new && let Some(place) = self.copies.iter_mut().find(|place| place.is_none()) {
                *place = Some(copy);
            }
        }
    }
}

/// In a child: no notes count on threads that are gone. Allocates only if the thread had set something, and may be
/// called where an application's handlers may.
///
/// # Safety
///
/// The gate was closed when this process was forked, and it has no other thread.
pub(crate) unsafe fn renew() {
    // SAFETY: there is no other thread.
    let known = unsafe { &*KNOWN.0.get() };
    for copy in known.copies.iter().flatten() {
        // SAFETY: as the caller vouches.
        unsafe { copy.renew() };
    }
}

/// Notes an object if it seems to be a copy, unless nothing was loaded since.
unsafe extern "C" fn visit(
    info: *mut libc::dl_phdr_info,
    _size: usize,
    search: *mut c_void,
) -> c_int {
    // SAFETY: `look` passed its `Search`, and waits for us.
    let search = unsafe { &mut *search.cast::<Search>() };
    // SAFETY: the loader passes a valid description.
    let info = unsafe { &*info };
    search.loads = info.dlpi_adds;
    if search.loads == search.before {
        return 1;
    }
    // SAFETY: the loader's.
    if let Some(candidate) = unsafe { Candidate::of(info) }
        && let Some(place) = search.candidates.iter_mut().find(|place| place.is_none())
    {
        *place = Some(candidate);
    }
    0
}

impl Candidate {
    /// Wheels rename their copies, but only behind this part. The storage of a thread that has not used it is all
    /// zeroes.
    ///
    /// # Safety
    ///
    /// The loader must have made this description.
    unsafe fn of(info: &libc::dl_phdr_info) -> Option<Self> {
        let path = info.dlpi_name;
        // SAFETY: null or the loader's string.
        let bytes = (!path.is_null()).then(|| unsafe { CStr::from_ptr(path) })?.to_bytes();
        let file = bytes.rsplit(|byte| *byte == b'/').next()?;
        if !file.starts_with(b"libgomp") {
            return None;
        }
        // SAFETY: as the caller vouches.
        let headers = unsafe { object::headers(info) };
        let storage = headers.iter().find(|header| header.p_type == libc::PT_TLS)?;
        let size = storage.p_memsz as usize;
        let fits = storage.p_filesz == 0 && size <= MOST_NOTES;
        fits.then_some(Self { path, module: info.dlpi_tls_modid, size })
    }
}

/// What `__tls_get_addr` takes (the psABIs).
#[repr(C)]
struct TlsIndex {
    module: usize,
    offset: usize,
}

impl Libgomp {
    /// # Safety
    ///
    /// The candidate's object must be loaded.
    unsafe fn of(candidate: &Candidate) -> Option<Self> {
        // From here on it stays loaded.
        // SAFETY: the loader's string.
        let object = unsafe { libc::dlopen(candidate.path, libc::RTLD_LAZY | libc::RTLD_NOLOAD) };
        if object.is_null() {
            return None;
        }
        let mut settings = [None; SETTINGS.len()];
        for ((get, set), setting) in SETTINGS.iter().zip(&mut settings) {
            // SAFETY: their types in omp.h.
            *setting = unsafe { function::<Get>(object, get) }
                .zip(unsafe { function::<Set>(object, set) });
        }
        let [Some(a), Some(b), Some(c), Some(d)] = settings else {
            return None;
        };
        // SAFETY: their types in omp.h.
        let get = unsafe { function::<GetSchedule>(object, c"omp_get_schedule") };
        // SAFETY: as above.
        let set = unsafe { function::<SetSchedule>(object, c"omp_set_schedule") };
        Some(Self {
            object,
            module: candidate.module,
            size: candidate.size,
            notes: ptr::null_mut(),
            // SAFETY: its type in the psABIs.
            address: unsafe { function(libc::RTLD_DEFAULT, c"__tls_get_addr") }?,
            // SAFETY: as above.
            level: unsafe { function(object, c"omp_get_level") }?,
            settings: [a, b, c, d],
            schedule: get.zip(set)?,
        })
    }

    fn notes_of_this_thread(&self) -> *mut u8 {
        let index = TlsIndex { module: self.module, offset: 0 };
        // SAFETY: the loader's function, and its number of the storage of an object that stays loaded.
        unsafe { (self.address)(&raw const index) }
    }

    /// # Safety
    ///
    /// `look` was called before the fork. There is no other thread, so that nobody serves the regions of this one.
    unsafe fn renew(&self) {
        // SAFETY: libgomp's function, which is still loaded.
        if unsafe { (self.level)() } != 0 {
            return;
        }
        // SAFETY: as above.
        let settings = self.settings.map(|(get, _)| unsafe { get() });
        let schedule = self.schedule();
        // SAFETY: this thread's notes, which nothing refers to but what they refer to themselves.
        unsafe { self.notes.write_bytes(0, self.size) };
        for ((get, set), before) in self.settings.iter().zip(settings) {
            // SAFETY: as above.
            if unsafe { get() } != before {
                // SAFETY: as above.
                unsafe { set(before) };
            }
        }
        if self.schedule() != schedule {
            // SAFETY: as above.
            unsafe { (self.schedule.1)(schedule.0, schedule.1) };
        }
    }

    /// The kind of the schedule and its chunks.
    fn schedule(&self) -> (c_int, c_int) {
        let (mut kind, mut chunk) = (0, 0);
        // SAFETY: libgomp's function, and valid places.
        unsafe { (self.schedule.0)(&raw mut kind, &raw mut chunk) };
        (kind, chunk)
    }
}

/// The function `name` of an object.
///
/// # Safety
///
/// `object` must be a handle of the loader's, and `F` a pointer to a function of the type that one has.
unsafe fn function<F: Copy>(object: *mut c_void, name: &CStr) -> Option<F> {
    const { assert!(size_of::<F>() == size_of::<*const c_void>()) };
    // SAFETY: the caller's word.
    let address = unsafe { libc::dlsym(object, name.as_ptr()) };
    // SAFETY: as above; the sizes are equal.
    (!address.is_null()).then(|| unsafe { core::mem::transmute_copy(&address) })
}
