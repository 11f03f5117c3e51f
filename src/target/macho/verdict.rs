//! Whether a library can be inserted into a program, by what its file says: pure functions of facts,
//! so that they can be tested anywhere.
//!
//! The library is built for `x86_64` and `arm64`. Into a program that it does not fit it must not be
//! inserted at all: dyld ends a program whose inserted library cannot be mapped (`loadInsertedLibraries`
//! in dyld's `DyldRuntimeState`, "terminating because inserted dylib … could not be loaded").

#![cfg_attr(
    not(any(target_os = "macos", test)),
    expect(dead_code, reason = "macOS alone runs such programs; the tests run everywhere")
)]

use std::fmt::{self, Display};
use std::path::Path;

use object::macho;

use super::{File, Machine, Slice, platform_name};

/// The processors that Macs have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Host {
    /// `x86_64`.
    Intel,
    /// `arm64`; `x86_64` runs under Rosetta.
    Apple,
}

impl Host {
    /// The machines that run here, the preferred ones first.
    fn machines(self) -> &'static [Machine] {
        match self {
            Self::Intel => &[Machine::X86_64],
            Self::Apple => &[Machine::Arm64e, Machine::Arm64, Machine::X86_64],
        }
    }
}

/// What counts besides the file's content.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Place {
    /// System Integrity Protection covers the file.
    pub(crate) is_protected: bool,
    /// It is to run a script, and its user did not name it.
    pub(crate) is_interpreter: bool,
}

/// Why the library cannot be inserted into a program. It reads as the predicate of a sentence about
/// the file, and ends with what to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Obstacle {
    /// No slice of the file runs here.
    Machine { has: String, host: Host },
    /// The slice that runs is for another platform.
    Platform(String),
    /// dyld removes `DYLD_*` from the environment of what is protected, so it also ends there for
    /// programs which that one starts.
    Protected {
        /// A copy is out of protection, but could not be mapped into either.
        copy_helps: bool,
    },
    /// The same of a program that runs a script.
    ProtectedInterpreter,
    /// The slice that runs has authenticated pointers.
    Arm64e,
    /// The library's file has no image for the slice that runs.
    LibraryLacks(Machine),
    /// It asks to be left alone.
    RestrictSection,
    /// Its signature asks for that.
    HardenedRuntime,
    /// Its signature lets in libraries of its own developer only.
    LibraryValidation,
}

const SIGN_A_COPY: &str = "sign a copy of it anew, with 'codesign -s - --force COPY', and run that";

impl Display for Obstacle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Machine { has, host } => {
                let native = if *host == Host::Apple { Machine::Arm64 } else { Machine::X86_64 };
                write!(f, "is built for {has}, which this Mac does not run; build it for {native}")
            }
            Self::Platform(name) => write!(
                f,
                "is built for {name}, so a library for macOS cannot be inserted into it; build it \
                 for macOS"
            ),
            Self::Protected { copy_helps: true } => write!(
                f,
                "is protected by System Integrity Protection, so its loader ignores the library; \
                 copy it and run the copy, or use another build of it, for example Homebrew's"
            ),
            Self::Protected { copy_helps: false } => write!(
                f,
                "is protected by System Integrity Protection, so its loader ignores the library; \
                 use another build of it, for example Homebrew's"
            ),
            Self::ProtectedInterpreter => write!(
                f,
                "is protected by System Integrity Protection, so its loader ignores the library; \
                 name another interpreter, for example Homebrew's, and the script as its argument"
            ),
            Self::Arm64e => write!(
                f,
                "runs as arm64e, for which the library is not built, and inserting it would end the \
                 program; take another slice out of it with 'lipo -thin', or use a build for arm64"
            ),
            Self::LibraryLacks(machine) => write!(
                f,
                "runs as {machine}, which the library's file has no image for, and inserting it would \
                 end the program; install the library that is built for all machines"
            ),
            Self::RestrictSection => write!(
                f,
                "has the section __RESTRICT,__restrict, so its loader ignores the library; link it \
                 without that section"
            ),
            Self::HardenedRuntime => write!(
                f,
                "is signed with the hardened runtime and without the entitlement \
                 com.apple.security.cs.allow-dyld-environment-variables, so its loader ignores the \
                 library; {SIGN_A_COPY}"
            ),
            Self::LibraryValidation => write!(
                f,
                "is signed so that it takes libraries of its own developer only (library \
                 validation), and inserting ours would end the program; {SIGN_A_COPY}"
            ),
        }
    }
}

impl File {
    /// Whether it is a program, for any machine.
    pub(crate) fn is_program(&self) -> bool {
        self.slices.iter().any(|slice| slice.kind == macho::MH_EXECUTE)
    }

    /// Whether it is a shared library.
    pub(crate) fn is_shared(&self) -> bool {
        self.slices.iter().all(|slice| slice.kind == macho::MH_DYLIB)
    }

    /// The machines it is built for, unless this process is one of them.
    pub(crate) fn foreign_machine(&self) -> Option<String> {
        let ours = if cfg!(target_arch = "aarch64") { Machine::Arm64 } else { Machine::X86_64 };
        (!self.has(ours)).then(|| self.machines())
    }

    /// Whether there is an image for `machine`.
    pub(crate) fn has(&self, machine: Machine) -> bool {
        self.slices.iter().any(|slice| slice.machine == machine)
    }

    /// The machine of the slice that `host` would run, and the libraries that it loads, if ours can be
    /// inserted into it; else why not.
    pub(crate) fn judge(&self, host: Host, place: Place) -> Result<(Machine, &[String]), Obstacle> {
        let slice =
            self.runs_on(host).ok_or_else(|| Obstacle::Machine { has: self.machines(), host })?;
        match slice.obstacle(place) {
            Some(obstacle) => Err(obstacle),
            None => Ok((slice.machine, &slice.libraries)),
        }
    }

    fn runs_on(&self, host: Host) -> Option<&Slice> {
        host.machines()
            .iter()
            .find_map(|machine| self.slices.iter().find(|slice| slice.machine == *machine))
    }
}

impl Slice {
    fn obstacle(&self, place: Place) -> Option<Obstacle> {
        let is_arm64e = self.machine == Machine::Arm64e;
        let checks = [
            (place.is_protected && place.is_interpreter, Obstacle::ProtectedInterpreter),
            (place.is_protected, Obstacle::Protected { copy_helps: !is_arm64e }),
            (
                self.platform != macho::PLATFORM_MACOS,
                Obstacle::Platform(platform_name(self.platform)),
            ),
            (is_arm64e, Obstacle::Arm64e),
            (self.is_restricted, Obstacle::RestrictSection),
            (self.signature.forbids_variables(), Obstacle::HardenedRuntime),
            (self.signature.forbids_libraries(), Obstacle::LibraryValidation),
        ];
        checks.into_iter().find_map(|(applies, obstacle)| applies.then_some(obstacle))
    }
}

/// Whether System Integrity Protection covers every file below the directory of `path`, which is
/// canonical. Other files are covered one by one, by a flag (`SF_RESTRICTED`).
///
/// Source: Apple, "About System Integrity Protection on your Mac".
pub(crate) fn is_protected_path(path: &Path) -> bool {
    const PROTECTED: [&str; 4] = ["/System", "/bin", "/sbin", "/usr"];
    // The second is where macOS 10.15 and later keep the users' own files.
    const EXCEPTED: [&str; 2] = ["/usr/local", "/System/Volumes/Data"];
    let is_below = |directories: &[&str]| directories.iter().any(|below| path.starts_with(below));
    is_below(&PROTECTED) && !is_below(&EXCEPTED)
}
