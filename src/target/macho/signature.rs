//! The code signature: the flags and entitlements that decide about inserted libraries.

use object::macho::{self, CsFlags};
use object::read::macho::CodeSignature;

/// Lets the loader look at `DYLD_*` variables under the hardened runtime.
const DYLD_VARIABLES: &str = "com.apple.security.cs.allow-dyld-environment-variables";
/// Lets the loader map libraries of any developer, or of none.
const ANY_LIBRARY: &str = "com.apple.security.cs.disable-library-validation";

/// What a signature says; one without any flag is the same as none.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Signature {
    flags: CsFlags,
    allows_variables: bool,
    allows_any_library: bool,
}

impl Signature {
    /// Reads a slice's signature.
    pub(super) fn read(signature: &CodeSignature<'_>) -> object::Result<Self> {
        let mut this = Self::default();
        let mut blobs = signature.blobs();
        while let Some(blob) = blobs.next()? {
            match blob.magic() {
                macho::CSMAGIC_CODEDIRECTORY => {
                    // Alternate directories, for other hashes, have the same flags.
                    if let Some(directory) = blob.code_directory()? {
                        this.flags.0 |= directory.header().flags.get(object::BigEndian).0;
                    }
                }
                macho::CSMAGIC_EMBEDDED_ENTITLEMENTS | macho::CSMAGIC_EMBEDDED_DER_ENTITLEMENTS => {
                    this.allows_variables |= grants(blob.contents(), DYLD_VARIABLES);
                    this.allows_any_library |= grants(blob.contents(), ANY_LIBRARY);
                }
                _ => {}
            }
        }
        Ok(this)
    }

    /// Whether the loader leaves `DYLD_*` variables alone.
    pub(super) fn forbids_variables(&self) -> bool {
        self.has(macho::CS_RESTRICT) || (self.is_hardened() && !self.allows_variables)
    }

    /// Whether only libraries of the program's own developer are mapped. The hardened runtime includes
    /// that.
    pub(super) fn forbids_libraries(&self) -> bool {
        (self.is_hardened() || self.has(macho::CS_REQUIRE_LV)) && !self.allows_any_library
    }

    fn is_hardened(&self) -> bool {
        self.has(macho::CS_RUNTIME)
    }

    fn has(&self, flag: CsFlags) -> bool {
        self.flags.0 & flag.0 != 0
    }
}

/// Whether `entitlements`, a property list in XML or its DER form, has `key` with the value true.
fn grants(entitlements: &[u8], key: &str) -> bool {
    let key = key.as_bytes();
    let behind = |at: usize| &entitlements[at + key.len()..];
    let places = entitlements.windows(key.len()).enumerate();
    places.filter(|(_, window)| *window == key).any(|(at, _)| {
        // DER: BOOLEAN, of one byte, true.
        behind(at).starts_with(&[1, 1, 0xff])
            || behind(at).strip_prefix(b"</key>").is_some_and(|rest| {
                rest.trim_ascii_start().strip_prefix(b"<true").is_some_and(|rest| {
                    matches!(rest.trim_ascii_start().first(), Some(b'/' | b'>'))
                })
            })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entitlements_count_if_they_are_true() {
        let list = |value: &str| {
            format!(
                "<plist version=\"1.0\"><dict>\n<key>{ANY_LIBRARY}</key>\n  {value}\n\
                 <key>other</key><true/></dict></plist>"
            )
        };
        assert!(grants(list("<true/>").as_bytes(), ANY_LIBRARY));
        assert!(grants(list("<true />").as_bytes(), ANY_LIBRARY));
        assert!(!grants(list("<false/>").as_bytes(), ANY_LIBRARY));
        assert!(!grants(list("<true/>").as_bytes(), DYLD_VARIABLES));
        let der =
            |value| [b"\x30\x3a\x0c\x37", ANY_LIBRARY.as_bytes(), &[1, 1, value][..]].concat();
        assert!(grants(&der(0xff), ANY_LIBRARY));
        assert!(!grants(&der(0), ANY_LIBRARY));
        assert!(!grants(b"", ANY_LIBRARY));
    }
}
