//! What lies where in a hung child: its objects, and the kernel's list of its memory.
//!
//! Paths are those of the child's own root, which may be that of a container. A file that was deleted or
//! replaced is reached through the kernel; one that cannot be is left out, rather than another one be taken for it.

use std::collections::HashMap;
use std::fs::OpenOptions;
use std::ops::Range;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::rc::Rc;

use procfs::process::{MMPermissions, MMapPath, MemoryMap, Process};

use super::memory::Memory;
use super::object::Object;

/// The objects that were seen, by device, file, size, and time of change: the children of a run have the same ones.
#[derive(Default)]
pub(super) struct Cache(HashMap<[u64; 4], Option<Rc<Object>>>);

/// An object in a process.
pub(super) struct Module {
    pub(super) range: Range<u64>,
    /// What is added to the addresses that the object states.
    pub(super) bias: u64,
    pub(super) object: Rc<Object>,
}

impl Module {
    /// `address` as the object states it.
    pub(super) fn stated(&self, address: u64) -> u64 {
        address.wrapping_sub(self.bias)
    }
}

/// All of a process.
pub(super) struct Modules {
    modules: Vec<Module>,
    maps: Vec<MemoryMap>,
}

/// How much of an object's beginning is compared with what the process has there: its headers and build id.
const HEAD: usize = 1024;

/// What the kernel's vdso can have at most, in bytes.
const VDSO: u64 = 64 << 10;

impl Modules {
    /// Those of process `pid`.
    pub(super) fn of(pid: u32, memory: &Memory, cache: &mut Cache) -> Self {
        let process = i32::try_from(pid).ok().and_then(|pid| Process::new(pid).ok());
        let maps = process.and_then(|process| process.maps().ok());
        let maps = maps.map_or_else(Vec::new, |maps| maps.0);
        let mut modules: Vec<Module> = Vec::new();
        for map in &maps {
            if modules.last().is_some_and(|last| last.range.contains(&map.address.0)) {
                continue;
            }
            let object = match &map.pathname {
                MMapPath::Path(path) if map.offset == 0 => cache.object(pid, map, path, memory),
                MMapPath::Vdso => vdso(map, memory),
                _ => None,
            };
            modules.extend(object.and_then(|object| Module::at(map, object)));
        }
        Self { modules, maps }
    }

    /// All objects.
    pub(super) fn iter(&self) -> impl Iterator<Item = &Module> {
        self.modules.iter()
    }

    /// The object that `address` lies in.
    pub(super) fn at(&self, address: u64) -> Option<&Module> {
        let after = self.modules.partition_point(|module| module.range.start <= address);
        self.modules.get(after.checked_sub(1)?).filter(|module| module.range.contains(&address))
    }

    /// The kernel's entry for `address`.
    fn map(&self, address: u64) -> Option<&MemoryMap> {
        let after = self.maps.partition_point(|map| map.address.0 <= address);
        self.maps.get(after.checked_sub(1)?).filter(|map| address < map.address.1)
    }

    /// Whether code lies at `address`.
    pub(super) fn is_code(&self, address: u64) -> bool {
        self.map(address).is_some_and(|map| map.perms.contains(MMPermissions::EXECUTE))
    }

    /// The end of the memory that begins at or before `address`: that of a stack, if it is a stack pointer.
    pub(super) fn end(&self, address: u64) -> u64 {
        self.map(address).map_or(address, |map| map.address.1)
    }

    /// What the memory at `address` is that belongs to no object, as the kernel calls it.
    pub(super) fn label(&self, address: u64) -> Option<&'static str> {
        Some(match self.map(address)?.pathname {
            MMapPath::Heap => "[heap]",
            MMapPath::Stack | MMapPath::TStack(_) => "[stack]",
            MMapPath::Path(_) => "[file]",
            _ => "[anonymous]",
        })
    }
}

impl Module {
    /// `object`, whose beginning lies at `map`.
    fn at(map: &MemoryMap, object: Rc<Object>) -> Option<Self> {
        let covers = |offset: u64, size: u64| {
            (offset & !0xfff) <= map.offset && map.offset <= offset.saturating_add(size)
        };
        let segment = object.segments.iter().find(|s| covers(s.offset, s.file_size))?;
        let stated = segment.address.wrapping_sub(segment.offset).wrapping_add(map.offset);
        let bias = map.address.0.wrapping_sub(stated);
        let extent = object.extent();
        let range = extent.start.wrapping_add(bias)..extent.end.wrapping_add(bias);
        (range.start < range.end).then_some(Self { range, bias, object })
    }
}

impl Cache {
    /// The object that is mapped at `map` from `path`.
    fn object(
        &mut self,
        pid: u32,
        map: &MemoryMap,
        path: &Path,
        memory: &Memory,
    ) -> Option<Rc<Object>> {
        let mut head = vec![0; HEAD];
        memory.read(map.address.0, &mut head)?;
        head.starts_with(b"\x7fELF").then_some(())?;
        let root = PathBuf::from(format!("/proc/{pid}/root"));
        let text = path.to_string_lossy();
        let path = Path::new(text.strip_suffix(" (deleted)").unwrap_or(&text));
        let rooted = root.join(path.strip_prefix("/").unwrap_or(path));
        let (start, end) = map.address;
        let places = [
            rooted,
            // The root may have changed since.
            path.to_owned(),
            PathBuf::from(format!("/proc/{pid}/map_files/{start:x}-{end:x}")),
            PathBuf::from(format!("/proc/{pid}/exe")),
        ];
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let open = |place: PathBuf| {
            // Not to wait for a writer, should a pipe have taken the file's place.
            let file =
                OpenOptions::new().read(true).custom_flags(libc::O_NONBLOCK).open(place).ok()?;
            let is = file.metadata().ok().filter(std::fs::Metadata::is_file)?;
            let changed = u64::from_ne_bytes(
                (is.mtime().wrapping_mul(1_000_000_000) + is.mtime_nsec()).to_ne_bytes(),
            );
            let key = [is.dev(), is.ino(), is.size(), changed];
            let open = || Object::open(name.clone(), file, root.clone());
            let object = self.0.entry(key).or_insert_with(open).clone()?;
            (object.head(HEAD) == head.get(..object.head(HEAD).len())?).then_some(object)
        };
        places.into_iter().find_map(open)
    }
}

/// The kernel's own object, which is nowhere but in memory.
fn vdso(map: &MemoryMap, memory: &Memory) -> Option<Rc<Object>> {
    let size = (map.address.1 - map.address.0).min(VDSO);
    let mut bytes = vec![0; usize::try_from(size).ok()?];
    memory.read(map.address.0, &mut bytes)?;
    Object::copied("[vdso]".to_owned(), bytes)
}
