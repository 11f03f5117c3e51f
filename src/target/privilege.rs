//! Whether executing a file makes the kernel set `AT_SECURE`, which makes the loader ignore the
//! preload variable.
//!
//! The rule is the kernel's: a program runs in secure mode if its effective user or group differs from
//! the *real* one of the process that executes it, or, unless that is root, if the file grants
//! capabilities. So a file that is setuid root is secure for a user and ordinary for root. On macOS
//! there are no capabilities, and dyld asks issetugid(2).

use std::fmt::{self, Display};
use std::fs::Metadata;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use crate::sys::{self, Ids};

/// `S_ISUID` of chmod(2).
const SET_UID: u32 = 0o4000;
/// `S_ISGID` and `S_IXGRP`: without the group's x bit, the other bit used to mean mandatory locking.
const SET_GID: u32 = 0o2010;
/// The bit of a capability attribute's first word that makes the permitted ones effective at once.
const EFFECTIVE: u32 = 1;

/// The reason for secure mode. It reads as the predicate of a sentence about a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Privilege {
    /// The file is setuid to this other user.
    User(u32),
    /// The file is setgid to this other group.
    Group(u32),
    /// The file has capabilities that its user lacks.
    Capabilities,
    /// This very process has an effective id that is not its real one.
    Inherited,
}

impl Display for Privilege {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::User(uid) => write!(f, "is setuid to user {uid}"),
            Self::Group(gid) => write!(f, "is setgid to group {gid}"),
            Self::Capabilities => write!(f, "has file capabilities"),
            Self::Inherited => write!(f, "would run with an effective id that is not the real one"),
        }
    }
}

/// What executing `path` would gain, if anything.
pub(crate) fn gained(path: &Path) -> Option<Privilege> {
    let metadata = path.metadata().ok()?;
    let honoured = !sys::on_nosuid_mount(path);
    let file = File {
        set_id: honoured && !sys::no_new_privileges(),
        capabilities: honoured
            && sys::capability_attribute(path).is_some_and(|attribute| grants(&attribute)),
    };
    judge(sys::ids(), &metadata.into(), &file)
}

/// Which of a file's marks the kernel honours.
struct File {
    set_id: bool,
    capabilities: bool,
}

/// Mode and owner of a file.
struct Owner {
    mode: u32,
    uid: u32,
    gid: u32,
}

impl From<Metadata> for Owner {
    fn from(metadata: Metadata) -> Self {
        Self { mode: metadata.mode(), uid: metadata.uid(), gid: metadata.gid() }
    }
}

fn judge(ids: Ids, owner: &Owner, file: &File) -> Option<Privilege> {
    let sets_uid = file.set_id && owner.mode & SET_UID == SET_UID;
    let sets_gid = file.set_id && owner.mode & SET_GID == SET_GID;
    let euid = if sets_uid { owner.uid } else { ids.euid };
    let egid = if sets_gid { owner.gid } else { ids.egid };
    if euid != ids.uid {
        return Some(if sets_uid { Privilege::User(euid) } else { Privilege::Inherited });
    }
    if egid != ids.gid {
        return Some(if sets_gid { Privilege::Group(egid) } else { Privilege::Inherited });
    }
    (file.capabilities && ids.uid != 0).then_some(Privilege::Capabilities)
}

/// Whether a capability attribute gives a user anything: a set that is not empty, or the mark that
/// makes it effective.
fn grants(attribute: &[u8]) -> bool {
    let word = |index: usize| {
        let bytes = attribute.get(4 * index..4 * index + 4)?;
        Some(u32::from_le_bytes(bytes.try_into().ok()?))
    };
    // Words: revision and flags, permitted, inheritable, permitted (high), inheritable (high).
    let permitted = word(1).unwrap_or(0) | word(3).unwrap_or(0);
    word(0).unwrap_or(0) & EFFECTIVE != 0 || permitted != 0
}

#[cfg(test)]
mod tests {
    use super::*;

    const USER: Ids = Ids { uid: 1000, euid: 1000, gid: 1000, egid: 1000 };
    const ROOT: Ids = Ids { uid: 0, euid: 0, gid: 0, egid: 0 };
    const HONOURED: File = File { set_id: true, capabilities: false };

    fn owner(mode: u32, uid: u32, gid: u32) -> Owner {
        Owner { mode: 0o100_000 | mode, uid, gid }
    }

    #[test]
    fn set_id_files_count_only_if_the_id_changes() {
        let judge = |ids, owner: Owner| judge(ids, &owner, &HONOURED);
        assert_eq!(judge(USER, owner(0o4755, 0, 0)), Some(Privilege::User(0)));
        assert_eq!(judge(ROOT, owner(0o4755, 0, 0)), None);
        assert_eq!(judge(ROOT, owner(0o4755, 1000, 0)), Some(Privilege::User(1000)));
        assert_eq!(judge(USER, owner(0o4755, 1000, 0)), None);
        assert_eq!(judge(USER, owner(0o2755, 0, 42)), Some(Privilege::Group(42)));
        assert_eq!(judge(USER, owner(0o2745, 0, 42)), None, "no x bit for the group");
        assert_eq!(judge(USER, owner(0o0755, 0, 0)), None);
    }

    #[test]
    fn a_process_with_raised_ids_hands_secure_mode_on() {
        let raised = Ids { euid: 0, ..USER };
        assert_eq!(judge(raised, &owner(0o755, 0, 0), &HONOURED), Some(Privilege::Inherited));
        assert_eq!(judge(raised, &owner(0o4755, 1000, 0), &HONOURED), None, "it gives them up");
    }

    #[test]
    fn marks_that_the_kernel_ignores_do_not_count() {
        let ignored = File { set_id: false, capabilities: false };
        assert_eq!(judge(USER, &owner(0o6755, 0, 0), &ignored), None);
    }

    #[test]
    fn capabilities_count_for_everybody_but_root() {
        let file = File { set_id: true, capabilities: true };
        assert_eq!(judge(USER, &owner(0o755, 0, 0), &file), Some(Privilege::Capabilities));
        assert_eq!(judge(ROOT, &owner(0o755, 0, 0), &file), None);
    }

    #[test]
    fn an_attribute_without_capabilities_grants_nothing() {
        let attribute = |first: u32, permitted: u32, high: u32| {
            [first, permitted, 0, high, 0].map(u32::to_le_bytes).concat()
        };
        assert!(!grants(&attribute(0x0200_0000, 0, 0)));
        assert!(grants(&attribute(0x0200_0001, 0, 0)));
        assert!(grants(&attribute(0x0200_0000, 1 << 13, 0)));
        assert!(grants(&attribute(0x0200_0000, 0, 1 << 7)));
        assert!(!grants(b""));
    }
}
