//! Finds the file that a command names, as `execvp` does.

use std::ffi::OsStr;
use std::io::ErrorKind;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use crate::error::Error;
use crate::sys;

/// The file that executing `command` would run. `path` is the value of `PATH`, if it is set.
pub(crate) fn program(command: &OsStr, path: Option<&OsStr>) -> Result<PathBuf, Error> {
    if command.is_empty() {
        return Err(Error::EmptyCommand);
    }
    if command.as_bytes().contains(&b'/') {
        return executable(Path::new(command))
            .unwrap_or_else(|| Err(Error::NotFound { command: command.to_owned() }));
    }
    let default = sys::default_path();
    let path = path.unwrap_or(&default);
    let mut denied = None;
    for directory in path.as_bytes().split(|byte| *byte == b':') {
        // An empty entry means the working directory. The "./" keeps a slash in the name.
        let directory = if directory.is_empty() { b"." } else { directory };
        match executable(&Path::new(OsStr::from_bytes(directory)).join(command)) {
            Some(Ok(found)) => return Ok(found),
            Some(Err(error)) => denied = denied.or(Some(error)),
            None => {}
        }
    }
    Err(denied.unwrap_or_else(|| Error::NotFound { command: command.to_owned() }))
}

/// `path` if it may be executed, the reason if it may not, `None` if there is no such file.
pub(crate) fn executable(path: &Path) -> Option<Result<PathBuf, Error>> {
    let path = path.to_owned();
    match path.metadata() {
        Ok(metadata) if metadata.is_dir() => Some(Err(Error::Directory { path })),
        // Pipes, sockets and devices have no x bit that counts.
        Ok(metadata) if !metadata.is_file() || !sys::may_execute(&path) => {
            Some(Err(Error::NotExecutable { path }))
        }
        Ok(_) => Some(Ok(path)),
        Err(error) if error.kind() == ErrorKind::PermissionDenied => {
            Some(Err(Error::NotExecutable { path }))
        }
        Err(_) => None,
    }
}
