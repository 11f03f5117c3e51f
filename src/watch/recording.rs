//! The private directory of a run, which holds the ring.
//!
//! Invariant: nobody but this user can list, open or replace what is in it, and it is gone when the
//! [`Recording`] is. Only SIGKILL leaves one behind; the next run takes it away.

use std::ffi::CStr;
use std::fs::{self, DirBuilder, File};
use std::io::{self, Write};
use std::os::fd::{AsRawFd, FromRawFd};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use super::format::{self, Ring};
use super::ring;
use crate::environment::Environment;
use crate::error::Error;
use crate::sys;

/// How the names of these directories begin; 128 random bits follow.
const PREFIX: &str = "forkfix-";
/// The ring's name while it is not locked yet.
const UNLOCKED: &CStr = c"ring.new";
const RING: &CStr = c"ring";
const _: () = assert!(RING.count_bytes() == format::RING.len());

/// The directory of this run.
pub(super) struct Recording {
    path: PathBuf,
    directory: File,
}

impl Recording {
    /// Makes a directory and an empty ring in it. The ring stays locked as long as the file is open, which
    /// tells other runs that its reader lives.
    pub(super) fn create(environment: &Environment) -> Result<(Self, File), Error> {
        let mut failure = None;
        for base in bases(environment) {
            sweep(&base);
            match Self::create_in(&base) {
                Ok(made) => return Ok(made),
                Err(source) => failure = Some(Error::Recording { path: base, source }),
            }
        }
        let none = io::Error::from(io::ErrorKind::NotFound);
        Err(failure.unwrap_or(Error::Recording { path: "/tmp".into(), source: none }))
    }

    fn create_in(base: &Path) -> io::Result<(Self, File)> {
        let path = base.join(format!("{PREFIX}{}", random()?));
        DirBuilder::new().mode(0o700).create(&path)?;
        let directory = open_directory(&path)?;
        if !is_private(&directory.metadata()?) {
            return Err(io::Error::other("somebody else has put another directory in its place"));
        }
        let recording = Self { path, directory };
        let ring = recording.ring()?;
        Ok((recording, ring))
    }

    /// The ring, ready for writers.
    fn ring(&self) -> io::Result<File> {
        let flags = libc::O_RDWR | libc::O_CREAT | libc::O_EXCL;
        let mut ring = open_in(&self.directory, UNLOCKED, flags)?;
        reserve(&mut ring)?;
        ring::begin(&ring)?;
        lock(&ring)?;
        let directory = self.directory.as_raw_fd();
        // SAFETY: both names are C strings, relative to a descriptor that is open.
        let renamed =
            unsafe { libc::renameat(directory, UNLOCKED.as_ptr(), directory, RING.as_ptr()) };
        if renamed == 0 { Ok(ring) } else { Err(io::Error::last_os_error()) }
    }

    /// The path, as the library's option takes it. It is UTF-8 without colons.
    pub(super) fn path(&self) -> String {
        self.path.to_string_lossy().into_owned()
    }
}

impl Drop for Recording {
    fn drop(&mut self) {
        // Whoever has put another one in its place may keep that.
        let same = |one: fs::Metadata, other: fs::Metadata| {
            (one.dev(), one.ino()) == (other.dev(), other.ino())
        };
        let ours = fs::symlink_metadata(&self.path)
            .and_then(|there| Ok(same(there, self.directory.metadata()?)));
        if matches!(ours, Ok(true)) {
            let _ = fs::remove_dir_all(&self.path);
        }
    }
}

/// Makes an empty file as long as a ring, without holes: a process that writes into a mapping for which the disk has
/// no room is killed.
fn reserve(ring: &mut File) -> io::Result<()> {
    let length = size_of::<Ring>();
    // SAFETY: the descriptor is open, and the call touches no memory.
    let reserved = unsafe { libc::fallocate(ring.as_raw_fd(), 0, 0, length as libc::off_t) };
    // Not every file system can; to write takes milliseconds, which the program would start later.
    if reserved == 0 { Ok(()) } else { ring.write_all(&vec![0; length]) }
}

/// Where the directory may be made, best first.
fn bases(environment: &Environment) -> impl Iterator<Item = PathBuf> {
    let named = |name| environment.get(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let runtime = named("XDG_RUNTIME_DIR")
        .filter(|path| path.symlink_metadata().is_ok_and(|found| is_private(&found)));
    [runtime, named("TMPDIR"), Some("/tmp".into())]
        .into_iter()
        .flatten()
        .filter_map(|path| std::path::absolute(path).ok())
        .filter(|path| path.to_str().is_some_and(is_fit_for_options))
}

/// Whether a path can stand in `FORKFIX_OPTIONS`, where a colon begins the next option.
fn is_fit_for_options(path: &str) -> bool {
    !path.contains(|character: char| character == ':' || character.is_control())
}

/// A directory of this user that nobody else may enter.
fn is_private(found: &fs::Metadata) -> bool {
    found.is_dir() && found.uid() == sys::ids().euid && found.mode() & 0o777 == 0o700
}

/// Takes away directories whose reader was killed. Processes that still have such a ring mapped keep it.
fn sweep(base: &Path) {
    for entry in fs::read_dir(base).into_iter().flatten().flatten() {
        if entry.file_name().as_encoded_bytes().starts_with(PREFIX.as_bytes()) {
            let _ = sweep_one(&entry.path());
        }
    }
}

/// The same for one. An error says that it is not ours, or still in the making.
fn sweep_one(path: &Path) -> io::Result<()> {
    let directory = open_directory(path)?;
    if is_private(&directory.metadata()?) {
        lock(&open_in(&directory, RING, libc::O_RDWR)?)?;
        fs::remove_dir_all(path)?;
    }
    Ok(())
}

fn open_directory(path: &Path) -> io::Result<File> {
    let flags = libc::O_DIRECTORY | libc::O_NOFOLLOW;
    fs::OpenOptions::new().read(true).custom_flags(flags).open(path)
}

/// Opens `name`, which is no link, in `directory`.
fn open_in(directory: &File, name: &CStr, flags: i32) -> io::Result<File> {
    let flags = flags | libc::O_NOFOLLOW | libc::O_NONBLOCK | libc::O_CLOEXEC;
    // SAFETY: the name is a C string, relative to a descriptor that is open; the mode is a number.
    let fd = unsafe { libc::openat(directory.as_raw_fd(), name.as_ptr(), flags, 0o600) };
    if fd < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the kernel has just made this descriptor for us; nobody else owns it.
    Ok(unsafe { File::from_raw_fd(fd) })
}

/// Locks `file` for its reader; an error if another one has it.
fn lock(file: &File) -> io::Result<()> {
    // SAFETY: the call takes two numbers.
    let locked = unsafe { libc::flock(file.as_raw_fd(), libc::LOCK_EX | libc::LOCK_NB) };
    if locked == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// 128 random bits in hexadecimal.
fn random() -> io::Result<String> {
    let mut bytes = [0u8; 16];
    // SAFETY: the buffer has as many bytes as we say.
    let got = unsafe { libc::getrandom(bytes.as_mut_ptr().cast(), bytes.len(), 0) };
    if usize::try_from(got) != Ok(bytes.len()) {
        return Err(io::Error::last_os_error());
    }
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::*;

    fn environment(entries: &[(&str, &Path)]) -> Environment {
        let entry = |(name, path): &(&str, &Path)| format!("{name}={}", path.display()).into();
        Environment::of(entries.iter().map(entry).collect())
    }

    #[test]
    fn a_directory_is_private_and_goes_away() {
        let base = tempfile::tempdir().unwrap();
        let (recording, ring) = Recording::create_in(base.path()).unwrap();
        let path = PathBuf::from(recording.path());
        assert!(is_private(&path.metadata().unwrap()));
        assert_eq!(path.join("ring").metadata().unwrap().mode() & 0o777, 0o600);
        assert_eq!(ring.metadata().unwrap().len(), size_of::<Ring>() as u64);
        fs::write(path.join("planted"), "by the program").unwrap();
        drop(recording);
        assert_eq!(fs::read_dir(base.path()).unwrap().count(), 0);
    }

    #[test]
    fn what_was_put_in_its_place_stays() {
        let base = tempfile::tempdir().unwrap();
        let (recording, _ring) = Recording::create_in(base.path()).unwrap();
        let path = PathBuf::from(recording.path());
        fs::rename(&path, base.path().join("moved")).unwrap();
        let other = tempfile::tempdir().unwrap();
        fs::write(other.path().join("kept"), "").unwrap();
        symlink(other.path(), &path).unwrap();
        drop(recording);
        assert!(other.path().join("kept").exists());
    }

    #[test]
    fn only_what_a_dead_reader_left_is_swept() {
        let base = tempfile::tempdir().unwrap();
        let (living, ring) = Recording::create_in(base.path()).unwrap();
        let (dead, its_ring) = Recording::create_in(base.path()).unwrap();
        let (living, dead) = (living.path.clone(), std::mem::ManuallyDrop::new(dead).path.clone());
        let elsewhere = tempfile::tempdir().unwrap();
        let kept = elsewhere.path().join("ring");
        fs::write(&kept, "not ours").unwrap();
        symlink(elsewhere.path(), base.path().join(format!("{PREFIX}link"))).unwrap();
        let linked = base.path().join(format!("{PREFIX}linked"));
        DirBuilder::new().mode(0o700).create(&linked).unwrap();
        symlink(&kept, linked.join("ring")).unwrap();
        drop(its_ring);
        sweep(base.path());
        assert!(living.exists() && !dead.exists() && kept.exists() && linked.exists());
        drop(ring);
    }

    #[test]
    fn bases_are_ours_and_fit_for_options() {
        let private = tempfile::tempdir().unwrap();
        let first = |environment| bases(&environment).next().unwrap();
        fs::set_permissions(private.path(), fs::Permissions::from_mode(0o700)).unwrap();
        let runtime = environment(&[("XDG_RUNTIME_DIR", private.path())]);
        assert_eq!(first(runtime.clone()), private.path());
        fs::set_permissions(private.path(), fs::Permissions::from_mode(0o755)).unwrap();
        assert_eq!(first(runtime), Path::new("/tmp"));
        for (named, taken) in [("/a=b", "/a=b"), ("/a:b", "/tmp"), ("", "/tmp")] {
            assert_eq!(first(environment(&[("TMPDIR", Path::new(named))])), Path::new(taken));
        }
    }

    #[test]
    fn a_base_that_cannot_be_used_is_passed_over() {
        let missing = environment(&[("TMPDIR", Path::new("/nonexistent"))]);
        let (recording, _ring) = Recording::create(&missing).unwrap();
        assert!(recording.path().starts_with("/tmp/forkfix-"));
    }
}
