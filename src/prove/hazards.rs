//! The table of hazards: which call the threads hammer, and which call the child makes. A row that
//! one system has no lock for is left out there.
//!
//! Invariant: one row, one lock of libc (or one race, in the spawn family); the row's two calls
//! meet in it. Most rows make the same call on both sides. Where the call only reads under an
//! rwlock, two readers never hang, so the child or the threads write.

use super::calls;

/// What the hazards are grouped by; the names are those of `--family`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, serde::Serialize, clap::ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Family {
    /// localtime, mktime, tzset, strftime …
    #[cfg(not(target_env = "musl"))]
    TimeZone,
    /// setenv, unsetenv, putenv
    #[cfg(not(target_env = "musl"))]
    Environment,
    /// setlocale, newlocale, gettext, strerror
    #[cfg(not(target_env = "musl"))]
    Locale,
    /// random, rand
    #[cfg(target_env = "gnu")]
    Random,
    /// syslog, openlog, closelog
    #[cfg(not(target_env = "musl"))]
    Syslog,
    /// Users, groups, services, protocols, netgroups
    #[cfg(not(target_env = "musl"))]
    Nss,
    /// Host names
    #[cfg(not(target_env = "musl"))]
    Resolver,
    /// Character sets
    #[cfg(target_env = "gnu")]
    Conversion,
    /// Streams
    Stdio,
    /// popen, exit handlers, timers, stacks of threads
    #[cfg(target_env = "gnu")]
    Processes,
    /// Loading libraries
    #[cfg(target_env = "gnu")]
    Loader,
    /// Expressions and directories that threads share, and the rest
    #[cfg(target_os = "linux")]
    Rest,
    /// Programs started while the environment changes
    Spawn,
}

impl Family {
    /// As `--family` takes it.
    pub(super) fn name(self) -> String {
        clap::ValueEnum::to_possible_value(&self)
            .map_or_else(String::new, |value| value.get_name().to_owned())
    }
}

/// A libc call with the name it has in the table.
#[derive(Clone, Copy)]
pub(super) struct Call {
    pub(super) name: &'static str,
    /// Returns whether the call succeeded. Runs in forked children: libc only, no allocation.
    pub(super) call: fn() -> bool,
}

/// What the main thread does again and again.
pub(super) enum Action {
    /// `fork`; the child makes this call once and exits.
    Fork(Call),
    /// `posix_spawn` with `environ`; the program checks its environment.
    Spawn,
}

/// One row.
pub(super) struct Hazard {
    /// Unique in the table.
    pub(super) id: &'static str,
    pub(super) family: Family,
    /// What the other threads do in a loop.
    pub(super) hammer: Call,
    pub(super) action: Action,
    /// Runs once in the worker, before any thread exists.
    pub(super) set_up: fn(),
    /// Whether the child's call is the first one of its kind in the process.
    pub(super) cold: bool,
    /// What the row cannot be run without.
    pub(super) need: Option<&'static Need>,
}

/// Something that not every machine has.
pub(super) struct Need {
    pub(super) is_met: fn() -> bool,
    /// One sentence for the report.
    pub(super) lacking: &'static str,
}

impl Hazard {
    /// Threads and child make the same call.
    const fn same(family: Family, id: &'static str, call: fn() -> bool) -> Self {
        let call = Call { name: id, call };
        Self::pair(family, id, call, call)
    }

    /// Threads make one call, the child another.
    const fn pair(family: Family, id: &'static str, hammer: Call, child: Call) -> Self {
        let action = Action::Fork(child);
        Self { id, family, hammer, action, set_up: nothing, cold: false, need: None }
    }

    const fn after(mut self, set_up: fn()) -> Self {
        self.set_up = set_up;
        self
    }

    /// The name in the table of what the threads do.
    const fn hammered_by(mut self, name: &'static str) -> Self {
        self.hammer.name = name;
        self
    }

    /// What the child does, for the table.
    pub(super) const fn child_name(&self) -> &'static str {
        match &self.action {
            Action::Fork(call) => call.name,
            Action::Spawn => "posix_spawn(environ)",
        }
    }

    /// The row with this identifier.
    pub(super) fn find(id: &str) -> Option<&'static Self> {
        all().into_iter().find(|hazard| hazard.id == id)
    }
}

fn nothing() {}

#[cfg(target_env = "gnu")]
#[path = "hazards/linux.rs"]
mod system;
#[cfg(target_env = "musl")]
#[path = "hazards/musl.rs"]
mod system;
#[cfg(target_os = "macos")]
#[path = "hazards/macos.rs"]
mod system;

/// The race that all systems have.
static SPAWN: Hazard = Hazard {
    action: Action::Spawn,
    ..Hazard::same(Family::Spawn, "posix_spawn", calls::change_environment)
        .hammered_by("setenv/unsetenv")
        .after(calls::fill_environment)
};

/// The rows for locks that glibc and libSystem both have. musl's fork takes them itself.
#[cfg(not(target_env = "musl"))]
static COMMON: &[Hazard] = {
    use Family::*;
    &[
        Hazard::same(TimeZone, "localtime", calls::localtime),
        Hazard::same(TimeZone, "localtime_r", calls::localtime_r),
        Hazard::same(TimeZone, "gmtime_r", calls::gmtime_r),
        Hazard::same(TimeZone, "mktime", calls::mktime),
        Hazard::same(TimeZone, "tzset", calls::tzset_again),
        Hazard::same(TimeZone, "strftime-zone", calls::strftime_zone),
        Hazard::same(Environment, "setenv", calls::setenv),
        Hazard::same(Environment, "unsetenv", calls::unsetenv),
        Hazard::same(Environment, "putenv", calls::putenv),
        Hazard::same(Locale, "setlocale", calls::setlocale),
        Hazard::same(Locale, "newlocale", calls::newlocale),
        Hazard::same(Syslog, "syslog", calls::syslog).after(calls::mask_syslog),
        Hazard::same(Syslog, "openlog", calls::openlog).after(calls::mask_syslog),
        Hazard::same(Nss, "getpwnam", calls::getpwnam).after(calls::files_only),
        Hazard::same(Nss, "getpwuid", calls::getpwuid).after(calls::files_only),
        Hazard::same(Nss, "getgrnam", calls::getgrnam).after(calls::files_only),
        Hazard::same(Nss, "getservbyname", calls::getservbyname).after(calls::files_only),
        Hazard::same(Nss, "getprotobyname", calls::getprotobyname).after(calls::files_only),
        Hazard::same(Nss, "getpwent", calls::getpwent).after(calls::files_only),
        Hazard::same(Resolver, "gethostbyname", calls::gethostbyname).after(calls::files_only),
        Hazard::same(Resolver, "getaddrinfo", calls::getaddrinfo).after(calls::files_only),
    ]
};

/// All rows, in the order of the report: by family.
pub(super) fn all() -> Vec<&'static Hazard> {
    let mut rows = vec![&SPAWN];
    #[cfg(not(target_env = "musl"))]
    rows.extend(COMMON);
    rows.extend(system::ROWS);
    rows.sort_by_key(|row| row.family);
    rows
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn identifiers_are_unique() {
        let ids: HashSet<_> = all().into_iter().map(|hazard| hazard.id).collect();
        assert_eq!(ids.len(), all().len());
    }

    #[test]
    fn every_family_has_a_row() {
        for family in <Family as clap::ValueEnum>::value_variants() {
            assert!(all().iter().any(|hazard| hazard.family == *family), "{family:?}");
        }
    }
}
