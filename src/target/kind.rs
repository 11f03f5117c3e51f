//! What kind of file the kernel would see: an image of its own format, a script, or neither.

use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, Read, Seek};
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

use super::system::{self, Image};

/// As much of a file as the kernel looks at to tell how to run it, in bytes.
const HEAD: u64 = 256;

/// The kinds of executable file.
pub(crate) enum Kind {
    /// A program or shared library of this system's format.
    Image(Image),
    /// A program or shared library of another system.
    Foreign {
        /// That system.
        system: String,
    },
    /// A file that starts with `#!`.
    Script {
        /// The path after `#!`.
        interpreter: PathBuf,
        /// Everything after that path, which the kernel passes as one argument.
        argument: Option<String>,
    },
    /// Text without `#!`: `execvp` and shells give it to `/bin/sh`.
    Text,
    /// Nothing that can be run.
    Broken,
}

/// Tells the kind of `file`.
pub(crate) fn read(mut file: File) -> io::Result<Kind> {
    let mut head = Vec::new();
    Read::by_ref(&mut file).take(HEAD).read_to_end(&mut head)?;
    if let Some(line) = head.strip_prefix(b"#!") {
        return Ok(script(line));
    }
    file.rewind()?;
    if let Some(kind) = system::image(&head, file) {
        return Ok(kind);
    }
    // Shells tell text from data by the same test: a NUL in what should be the first line.
    let first_line = head.split(|byte| *byte == b'\n').next().unwrap_or_default();
    Ok(if first_line.contains(&0) { Kind::Broken } else { Kind::Text })
}

/// Parses the line after `#!` as the kernel does.
fn script(line: &[u8]) -> Kind {
    let line = line.split(|byte| *byte == b'\n').next().unwrap_or_default();
    let line = line.trim_ascii();
    let end = line.iter().position(u8::is_ascii_whitespace).unwrap_or(line.len());
    let (interpreter, argument) = line.split_at(end);
    if interpreter.is_empty() {
        return Kind::Broken;
    }
    let argument = String::from_utf8_lossy(argument.trim_ascii()).into_owned();
    Kind::Script {
        interpreter: PathBuf::from(OsStr::from_bytes(interpreter)),
        argument: Some(argument).filter(|argument| !argument.is_empty()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(line: &str) -> Option<(String, Option<String>)> {
        match script(line.as_bytes()) {
            Kind::Script { interpreter, argument } => {
                Some((interpreter.to_str()?.to_owned(), argument))
            }
            _ => None,
        }
    }

    #[test]
    fn a_script_names_its_interpreter_and_one_argument() {
        assert_eq!(parsed("/bin/sh\nexit\n"), Some(("/bin/sh".into(), None)));
        assert_eq!(parsed(" /bin/sh -e -u \nx"), Some(("/bin/sh".into(), Some("-e -u".into()))));
        assert_eq!(parsed("\t/bin/sh"), Some(("/bin/sh".into(), None)));
        assert_eq!(parsed("  \n/bin/sh"), None);
    }
}
