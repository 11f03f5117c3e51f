//! Opening the ring: only if nobody but this user can have made it.

use core::cell::UnsafeCell;
use core::ffi::CStr;
use core::fmt::{self, Write};
use core::mem::offset_of;
use core::ptr;
use core::sync::atomic::Ordering;

use libc::c_int;

use super::format::{CAPACITY, Header, MAGIC, RING, Ring, Slot, VERSION};
use super::{events, on};
use crate::sys;
use crate::text::Text;

/// The directory that the user named, ended by a zero byte; nothing if none.
struct Directory(UnsafeCell<Text<1024>>);

// SAFETY: written and read by the constructor alone.
unsafe impl Sync for Directory {}

static DIRECTORY: Directory = Directory(UnsafeCell::new(Text::new()));

/// The option `record`; for the constructor. False if the path is empty or too long.
pub(crate) fn choose(path: &str) -> bool {
    // SAFETY: only the constructor calls this, and nothing else holds a reference meanwhile.
    let directory = unsafe { &mut *DIRECTORY.0.get() };
    *directory = Text::new();
    !path.is_empty() && write!(directory, "{path}\0").is_ok()
}

/// Why nothing is recorded though the user wants it.
#[derive(Debug)]
pub(crate) struct Problem {
    directory: &'static str,
    /// With the ring, else with the directory.
    with_ring: bool,
    fault: Fault,
}

#[derive(Debug)]
enum Fault {
    Unopened(c_int),
    NoDirectory,
    NoFile,
    Foreign,
    NotPrivate,
    Linked,
    Size,
    NoRing,
    Version,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "nothing is recorded, because {}", self.directory)?;
        if self.with_ring {
            write!(f, "/{RING}")?;
        }
        match &self.fault {
            Fault::Unopened(libc::EACCES) => f.write_str(" may not be opened by this user"),
            Fault::Unopened(error) => write!(f, " cannot be opened (error {error})"),
            Fault::NoDirectory => f.write_str(" is no directory (symbolic links are not followed)"),
            Fault::NoFile => f.write_str(" is no plain file (symbolic links are not followed)"),
            Fault::Foreign => f.write_str(" belongs to another user"),
            Fault::NotPrivate => f.write_str(" can be used by other users"),
            Fault::Linked => f.write_str(" has another name somewhere else"),
            Fault::Size => f.write_str(" has the wrong size"),
            Fault::NoRing => f.write_str(" does not begin like a ring"),
            Fault::Version => f.write_str(" was made by another version of forkfix"),
        }?;
        f.write_str("; let record= be what forkfix run --watch sets it to")
    }
}

/// Closes a descriptor when it is no longer needed.
struct Closing(c_int);

impl Drop for Closing {
    fn drop(&mut self) {
        sys::close(self.0);
    }
}

/// Opens the ring if the user named a directory, and says that this program has begun; for the constructor.
/// Nothing is wrong if it is gone: its reader is, and this is a process that outlives it.
pub(crate) fn open() -> Result<(), Problem> {
    // SAFETY: the constructor has written it, and nobody writes it any more.
    let directory = unsafe { &*DIRECTORY.0.get() };
    let Some(path) = directory.as_str().strip_suffix('\0').filter(|_| !on()) else {
        return Ok(());
    };
    let problem = |with_ring| move |fault| Problem { directory: path, with_ring, fault };
    let Some(fd) = open_directory(directory.as_bytes()).map_err(problem(false))? else {
        return Ok(());
    };
    if let Some(ring) = open_ring(fd.0).map_err(problem(true))? {
        super::RING.store(ring, Ordering::Relaxed);
        events::start();
    }
    Ok(())
}

/// Opens the directory; `None` if it is gone.
fn open_directory(path: &[u8]) -> Result<Option<Closing>, Fault> {
    let path = CStr::from_bytes_until_nul(path).map_err(|_| Fault::NoDirectory)?;
    let flags = libc::O_RDONLY | libc::O_DIRECTORY | libc::O_NOFOLLOW;
    let fd = match sys::open_at(libc::AT_FDCWD, path, flags) {
        Ok(fd) => Closing(fd),
        Err(libc::ENOENT) => return Ok(None),
        Err(libc::ENOTDIR | libc::ELOOP) => return Err(Fault::NoDirectory),
        Err(error) => return Err(Fault::Unopened(error)),
    };
    check_owner(&sys::about(fd.0).ok_or(Fault::NoDirectory)?)?;
    Ok(Some(fd))
}

/// Maps the ring; `None` if it is gone.
fn open_ring(directory: c_int) -> Result<Option<*mut Ring>, Fault> {
    let mut name = Text::<16>::new();
    let _ = write!(name, "{RING}\0");
    let name = CStr::from_bytes_until_nul(name.as_bytes()).map_err(|_| Fault::NoFile)?;
    // Not to wait for the other end, if it is a pipe.
    let flags = libc::O_RDWR | libc::O_NOFOLLOW | libc::O_NONBLOCK;
    let fd = match sys::open_at(directory, name, flags) {
        Ok(fd) => Closing(fd),
        Err(libc::ENOENT) => return Ok(None),
        Err(libc::ELOOP | libc::EISDIR | libc::ENXIO) => return Err(Fault::NoFile),
        Err(error) => return Err(Fault::Unopened(error)),
    };
    let about = sys::about(fd.0).ok_or(Fault::NoFile)?;
    if about.mode & libc::S_IFMT != libc::S_IFREG {
        return Err(Fault::NoFile);
    }
    check_owner(&about)?;
    if about.links != 1 {
        return Err(Fault::Linked);
    }
    if about.size != size_of::<Ring>() as u64 {
        return Err(Fault::Size);
    }
    let memory = sys::map_shared(fd.0, size_of::<Ring>()).ok_or(Fault::Unopened(libc::ENOMEM))?;
    let ring = memory.as_ptr().cast::<Ring>();
    // SAFETY: mapped just now.
    if let Err(fault) = unsafe { check_header(ring) } {
        // SAFETY: nobody has seen this mapping.
        unsafe { sys::unmap(memory, size_of::<Ring>()) };
        return Err(fault);
    }
    Ok(Some(ring))
}

/// It belongs to the user that this process acts as, and nobody else may do anything with it.
fn check_owner(about: &sys::About) -> Result<(), Fault> {
    if about.owner != sys::effective_user() {
        return Err(Fault::Foreign);
    }
    if about.mode & 0o077 != 0 {
        return Err(Fault::NotPrivate);
    }
    Ok(())
}

/// The file was made for this library.
///
/// # Safety
///
/// `ring` must be mapped. What stands in it may be anything.
unsafe fn check_header(ring: *mut Ring) -> Result<(), Fault> {
    const _: () = assert!(offset_of!(Ring, header) == 0);
    let header = ring.cast::<u8>();
    let magic = header.wrapping_add(offset_of!(Header, magic));
    // SAFETY: a field of the mapped ring; any bytes are valid.
    let magic = unsafe { ptr::read_volatile(magic.cast::<[u8; 8]>()) };
    let version = header.wrapping_add(offset_of!(Header, version));
    // SAFETY: as above.
    let version = unsafe { ptr::read_volatile(version.cast::<u32>()) };
    let slot_size = header.wrapping_add(offset_of!(Header, slot_size));
    // SAFETY: as above.
    let slot_size = unsafe { ptr::read_volatile(slot_size.cast::<u32>()) };
    let capacity = header.wrapping_add(offset_of!(Header, capacity));
    // SAFETY: as above.
    let capacity = unsafe { ptr::read_volatile(capacity.cast::<u64>()) };
    if magic != MAGIC {
        return Err(Fault::NoRing);
    }
    let expected = (VERSION, size_of::<Slot>() as u32, CAPACITY as u64);
    if (version, slot_size, capacity) == expected { Ok(()) } else { Err(Fault::Version) }
}
