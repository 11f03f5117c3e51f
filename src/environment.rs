//! The environment that a program gets, and the variables in it that are ours.
//!
//! Invariant: entries that are not ours stay as they are, in their order, well-formed or not.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::Path;

use crate::sys::{self, PRELOAD, PRELOAD_SEPARATORS};

/// `off` makes the library inert.
pub(crate) const KILL_SWITCH: &str = "FORKFIX";
/// The library's options, `key=value:key=value`.
pub(crate) const OPTIONS: &str = "FORKFIX_OPTIONS";
/// The descriptor that the library answers to before it ends its process.
pub(crate) const HANDSHAKE: &str = "FORKFIX_HANDSHAKE";
/// Where the library is, if it is not beside the command.
pub(crate) const LIBRARY: &str = "FORKFIX_LIBRARY";

/// A process environment.
#[derive(Clone, Debug)]
pub(crate) struct Environment(Vec<OsString>);

impl Environment {
    /// The environment of this process.
    pub(crate) fn inherited() -> Self {
        Self(sys::environment())
    }

    /// One of these entries.
    #[cfg(test)]
    pub(crate) fn of(entries: Vec<OsString>) -> Self {
        Self(entries)
    }

    /// The entries, as `execve` takes them.
    pub(crate) fn entries(&self) -> &[OsString] {
        &self.0
    }

    /// The entries that have a name, as pairs.
    pub(crate) fn pairs(&self) -> impl Iterator<Item = (&OsStr, &OsStr)> {
        self.0.iter().filter_map(|entry| {
            let equals = entry.as_bytes().iter().position(|byte| *byte == b'=')?;
            let (name, value) = entry.as_bytes().split_at(equals);
            (equals > 0).then(|| (OsStr::from_bytes(name), OsStr::from_bytes(&value[1..])))
        })
    }

    /// The value of `name`, as `getenv` finds it.
    pub(crate) fn get(&self, name: &str) -> Option<&OsStr> {
        self.pairs().find(|(found, _)| *found == name).map(|(_, value)| value)
    }

    /// Gives `name` the value `value`, in the place where it stood.
    pub(crate) fn set(&mut self, name: &str, value: &OsStr) {
        let mut entry = OsString::from(name);
        entry.push("=");
        entry.push(value);
        match self.0.iter().position(|old| is_named(old, name)) {
            Some(place) => self.0[place] = entry,
            None => self.0.push(entry),
        }
    }

    /// Removes every entry called `name`.
    pub(crate) fn remove(&mut self, name: &str) {
        self.0.retain(|entry| !is_named(entry, name));
    }

    /// Whether the user switched forkfix off. The library takes the same values.
    pub(crate) fn is_switched_off(&self) -> bool {
        self.get(KILL_SWITCH).is_some_and(|value| value == "off" || value == "0")
    }

    /// The libraries that the preload variable names.
    pub(crate) fn preloads(&self) -> impl Iterator<Item = &OsStr> {
        let value = self.get(PRELOAD).unwrap_or_default().as_bytes();
        value
            .split(|byte| PRELOAD_SEPARATORS.contains(byte))
            .filter(|name| !name.is_empty())
            .map(OsStr::from_bytes)
    }

    /// Puts `library` in front of whatever the preload variable says; does nothing if it stands there.
    pub(crate) fn preload(&mut self, library: &Path) {
        if self.preloads().next() == Some(library.as_os_str()) {
            return;
        }
        let mut value = library.as_os_str().to_owned();
        if let Some(others) = self.get(PRELOAD).filter(|others| !others.is_empty()) {
            value.push(":");
            value.push(others);
        }
        self.set(PRELOAD, &value);
    }

    /// What `FORKFIX_OPTIONS` says of the option `key`.
    pub(crate) fn option(&self, key: &str) -> Option<String> {
        let options = self.get(OPTIONS).unwrap_or_default().to_string_lossy();
        let mut values = options.split(':').filter_map(|entry| entry.split_once('='));
        values.rfind(|(name, _)| *name == key).map(|(_, value)| value.to_owned())
    }

    /// Overrides options: those of `FORKFIX_OPTIONS` stay unless `overrides` has the same key.
    pub(crate) fn override_options(&mut self, overrides: &[(String, String)]) {
        if overrides.is_empty() {
            return;
        }
        let is_kept = |entry: &&[u8]| {
            let key = entry.split(|byte| *byte == b'=').next().unwrap_or_default();
            !entry.is_empty() && !overrides.iter().any(|(name, _)| name.as_bytes() == key)
        };
        let old = self.get(OPTIONS).unwrap_or_default().as_bytes();
        let mut entries: Vec<Vec<u8>> =
            old.split(|byte| *byte == b':').filter(is_kept).map(<[u8]>::to_vec).collect();
        entries.extend(overrides.iter().map(|(key, value)| format!("{key}={value}").into_bytes()));
        self.set(OPTIONS, &OsString::from_vec(entries.join(&b':')));
    }
}

fn is_named(entry: &OsStr, name: &str) -> bool {
    entry.as_bytes().strip_prefix(name.as_bytes()).is_some_and(|rest| rest.starts_with(b"="))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn environment(entries: &[&str]) -> Environment {
        Environment::of(entries.iter().map(OsString::from).collect())
    }

    /// An entry that preloads `libraries`.
    fn preloading(libraries: &str) -> String {
        format!("{PRELOAD}={libraries}")
    }

    #[test]
    fn foreign_entries_keep_their_place_and_form() {
        let mut environment =
            environment(&["A=1", "malformed", &preloading("/a.so"), "=odd=", "A=2"]);
        environment.preload(Path::new("/f.so"));
        let preload = preloading("/f.so:/a.so");
        assert_eq!(environment.0, ["A=1", "malformed", preload.as_str(), "=odd=", "A=2"]);
        assert_eq!(environment.get("A"), Some(OsStr::new("1")));
    }

    #[test]
    fn a_library_that_is_first_already_is_not_added_again() {
        for value in ["/f.so", "/f.so:/a.so", "::/f.so:/a.so"] {
            let mut environment = environment(&[&preloading(value)]);
            environment.preload(Path::new("/f.so"));
            assert_eq!(environment.0, [preloading(value).as_str()]);
        }
    }

    #[test]
    fn a_library_that_is_not_first_is_put_in_front() {
        for (before, after) in [
            ("/a.so:/f.so", "/f.so:/a.so:/f.so"),
            ("/f.so.1", "/f.so:/f.so.1"),
            ("/a b.so", "/f.so:/a b.so"),
            ("", "/f.so"),
        ] {
            let mut environment = environment(&[&preloading(before)]);
            environment.preload(Path::new("/f.so"));
            assert_eq!(environment.0, [preloading(after).as_str()]);
        }
    }

    #[test]
    fn a_space_separates_libraries_where_the_loader_says_so() {
        let mut environment = environment(&[&preloading("/f.so /a.so")]);
        environment.preload(Path::new("/f.so"));
        let after = if cfg!(target_os = "linux") { "/f.so /a.so" } else { "/f.so:/f.so /a.so" };
        assert_eq!(environment.0, [preloading(after).as_str()]);
    }

    #[test]
    fn options_override_by_key() {
        let mut environment = environment(&["FORKFIX_OPTIONS=log=info::stats=0:statsx=1"]);
        environment.override_options(&[("stats".into(), "1".into())]);
        assert_eq!(environment.option("stats").as_deref(), Some("1"));
        assert_eq!(environment.option("colour"), None);
        assert_eq!(environment.0, ["FORKFIX_OPTIONS=log=info:statsx=1:stats=1"]);
    }
}
