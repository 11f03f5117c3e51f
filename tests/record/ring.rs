//! A ring as the supervisor has it, for tests.

use std::fs::{File, OpenOptions};
use std::io;
use std::mem::offset_of;
use std::os::fd::AsRawFd;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::ptr;
use std::sync::atomic::{AtomicU64, Ordering};

use super::format::{self, CAPACITY, Event, Kind, MAGIC, Scene, Slot, VERSION, checksum};

/// The whole file.
pub(crate) const SIZE: usize = size_of::<format::Ring>();

/// A ring in a directory of its own, which both go with it.
pub(crate) struct Ring {
    directory: tempfile::TempDir,
    memory: *mut format::Ring,
}

// SAFETY: the memory is used by several threads and processes anyway, by atomic and volatile accesses alone.
unsafe impl Send for Ring {}
// SAFETY: as above.
unsafe impl Sync for Ring {}

impl Ring {
    pub(crate) fn new() -> Self {
        let directory = tempfile::tempdir().expect("there is room for files");
        std::fs::DirBuilder::new()
            .mode(0o700)
            .create(directory.path().join("own"))
            .expect("a directory");
        let ring = directory.path().join("own").join(format::RING);
        let mut options = OpenOptions::new();
        let file = options.read(true).write(true).create_new(true).mode(0o600).open(ring);
        let memory = map(&file.expect("a new file"));
        // SAFETY: mapped, and large enough; nobody else knows of it yet.
        let header = unsafe { &mut (*memory).header };
        header.magic = MAGIC;
        header.version = VERSION;
        header.slot_size = size_of::<Slot>() as u32;
        header.capacity = CAPACITY as u64;
        header.reader = std::process::id();
        Self { directory, memory }
    }

    /// The directory that `record=` names.
    pub(crate) fn directory(&self) -> PathBuf {
        self.directory.path().join("own")
    }

    pub(crate) fn file(&self) -> PathBuf {
        self.directory().join(format::RING)
    }

    /// A directory beside it that goes with it, too.
    pub(crate) fn beside(&self) -> &Path {
        self.directory.path()
    }

    /// The option that has a program record here.
    pub(crate) fn option(&self) -> String {
        format!("record={}", self.directory().display())
    }

    /// The header's counts: claimed, read, dropped.
    pub(crate) fn counts(&self) -> [&AtomicU64; 3] {
        let places = [
            offset_of!(format::Ring, header.claimed),
            offset_of!(format::Ring, header.read),
            offset_of!(format::Ring, header.dropped),
        ];
        // SAFETY: mapped as long as `self` lives; atomic.
        places.map(|place| unsafe { &*field(self.memory, place) })
    }

    pub(crate) fn set_magic(&self, magic: [u8; 8]) {
        let place = field(self.memory, offset_of!(format::Ring, header.magic));
        // SAFETY: mapped.
        unsafe { ptr::write_volatile(place, magic) };
    }

    pub(crate) fn set_version(&self, version: u32) {
        let place = field(self.memory, offset_of!(format::Ring, header.version));
        // SAFETY: mapped.
        unsafe { ptr::write_volatile(place, version) };
    }

    /// The event with this index, if it is there; it must be whole.
    pub(crate) fn event(&self, index: u64) -> Option<Event> {
        let slots: *mut Slot = field(self.memory, offset_of!(format::Ring, slots));
        let slot = slots.wrapping_add(index as usize % CAPACITY);
        // SAFETY: one of the slots, which are mapped; atomic.
        let number: &AtomicU64 = unsafe { &*field(slot, offset_of!(Slot, number)) };
        let number = number.load(Ordering::Acquire);
        if number != index + 1 {
            return None;
        }
        // SAFETY: as above; nobody writes there again before it was read.
        let event = unsafe { ptr::read_volatile(field(slot, offset_of!(Slot, event))) };
        // SAFETY: as above.
        let check: u64 = unsafe { ptr::read_volatile(field(slot, offset_of!(Slot, check))) };
        assert_eq!(check, checksum(number, &event), "event {index} is torn");
        Some(event)
    }

    /// All events so far.
    pub(crate) fn events(&self) -> Vec<Event> {
        let claimed = self.counts()[0].load(Ordering::Acquire);
        (0..claimed).map(|index| self.event(index).expect("nobody died while writing")).collect()
    }
}

impl Drop for Ring {
    fn drop(&mut self) {
        // SAFETY: mapped by `new`, and nobody uses it any more.
        unsafe { libc::munmap(self.memory.cast(), SIZE) };
    }
}

/// The field at `offset` of what is at `place`.
fn field<T, F>(place: *mut T, offset: usize) -> *mut F {
    place.wrapping_byte_add(offset).cast()
}

fn map(file: &File) -> *mut format::Ring {
    file.set_len(SIZE as u64).expect("there is room for a ring");
    let access = libc::PROT_READ | libc::PROT_WRITE;
    // SAFETY: a new mapping.
    let memory =
        unsafe { libc::mmap(ptr::null_mut(), SIZE, access, libc::MAP_SHARED, file.as_raw_fd(), 0) };
    assert_ne!(memory, libc::MAP_FAILED, "{}", io::Error::last_os_error());
    memory.cast()
}

/// What the event is.
pub(crate) fn kind(event: &Event) -> Kind {
    Kind::from_code(event.kind).expect("a kind that is known")
}

/// Text that is filled up with zeroes.
pub(crate) fn text(bytes: &[u8]) -> &str {
    let text = bytes.split(|byte| *byte == 0).next().unwrap_or_default();
    std::str::from_utf8(text).expect("text")
}

/// The scene at `address` in process `pid`.
pub(crate) fn scene(pid: u32, address: u64) -> Box<Scene> {
    // SAFETY: plain numbers and bytes.
    let mut scene: Box<Scene> = Box::new(unsafe { std::mem::zeroed() });
    let local =
        libc::iovec { iov_base: ptr::from_mut(&mut *scene).cast(), iov_len: size_of::<Scene>() };
    let remote = libc::iovec {
        iov_base: ptr::without_provenance_mut(address as usize),
        iov_len: size_of::<Scene>(),
    };
    let pid = libc::pid_t::try_from(pid).expect("a pid");
    // SAFETY: room for all of it.
    let read = unsafe { libc::process_vm_readv(pid, &raw const local, 1, &raw const remote, 1, 0) };
    assert_eq!(read, size_of::<Scene>() as isize, "{}", io::Error::last_os_error());
    scene
}
