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
}

impl Hazard {
    /// Threads and child make the same call.
    const fn same(family: Family, id: &'static str, call: fn() -> bool) -> Self {
        let call = Call { name: id, call };
        Self { id, family, hammer: call, action: Action::Fork(call), set_up: nothing }
    }

    /// Threads make one call, the child another.
    #[cfg(target_os = "linux")]
    const fn pair(family: Family, id: &'static str, hammer: Call, child: Call) -> Self {
        Self { id, family, hammer, action: Action::Fork(child), set_up: nothing }
    }

    const fn after(mut self, set_up: fn()) -> Self {
        self.set_up = set_up;
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
        HAZARDS.iter().find(|hazard| hazard.id == id)
    }
}

fn nothing() {}

/// The calls of glibc that readers and writers meet in.
#[cfg(target_env = "gnu")]
mod met {
    use super::{Call, calls};

    pub(super) const SETLOCALE: Call = Call { name: "setlocale", call: calls::setlocale };
    pub(super) const STRERROR: Call = Call { name: "strerror", call: calls::strerror };
    pub(super) const GETTEXT: Call = Call { name: "dcgettext", call: calls::dcgettext };
    pub(super) const TEXTDOMAIN: Call = Call { name: "textdomain", call: calls::textdomain };
    pub(super) const RES_INIT: Call = Call { name: "res_init", call: calls::res_init };
    pub(super) const GETNAMEINFO: Call = Call { name: "getnameinfo", call: calls::getnameinfo };
}
#[cfg(target_env = "gnu")]
use met::*;

/// The calls that meet in a stream which a thread holds.
#[cfg(target_env = "musl")]
const HOLD: Call = Call { name: "flockfile", call: calls::hold_stream };
#[cfg(target_env = "musl")]
const FLUSH: Call = Call { name: "fflush(NULL)", call: calls::flush_all };

/// All rows, in the order of the report.
pub(super) static HAZARDS: &[Hazard] = {
    use Family::*;
    &[
        #[cfg(not(target_env = "musl"))]
        Hazard::same(TimeZone, "localtime", calls::localtime),
        #[cfg(not(target_env = "musl"))]
        Hazard::same(TimeZone, "localtime_r", calls::localtime_r),
        #[cfg(not(target_env = "musl"))]
        Hazard::same(TimeZone, "gmtime_r", calls::gmtime_r),
        #[cfg(not(target_env = "musl"))]
        Hazard::same(TimeZone, "mktime", calls::mktime),
        #[cfg(not(target_env = "musl"))]
        Hazard::same(TimeZone, "tzset", calls::tzset_again),
        #[cfg(not(target_env = "musl"))]
        Hazard::same(TimeZone, "strftime-zone", calls::strftime_zone),
        #[cfg(not(target_env = "musl"))]
        Hazard::same(Environment, "setenv", calls::setenv),
        #[cfg(not(target_env = "musl"))]
        Hazard::same(Environment, "unsetenv", calls::unsetenv),
        #[cfg(not(target_env = "musl"))]
        Hazard::same(Environment, "putenv", calls::putenv),
        #[cfg(not(target_env = "musl"))]
        Hazard::same(Locale, "setlocale", calls::setlocale),
        #[cfg(not(target_env = "musl"))]
        Hazard::same(Locale, "newlocale", calls::newlocale),
        #[cfg(target_os = "macos")]
        Hazard::same(Locale, "localeconv", calls::localeconv),
        #[cfg(target_env = "gnu")]
        Hazard::pair(Locale, "strerror", SETLOCALE, STRERROR),
        #[cfg(target_env = "gnu")]
        Hazard::pair(Locale, "setlocale-readers", STRERROR, SETLOCALE),
        #[cfg(target_env = "gnu")]
        Hazard::pair(Locale, "gettext", TEXTDOMAIN, GETTEXT),
        #[cfg(target_env = "gnu")]
        Hazard::pair(Locale, "textdomain-readers", GETTEXT, TEXTDOMAIN),
        #[cfg(target_env = "gnu")]
        Hazard::same(Random, "random", calls::random),
        #[cfg(target_env = "gnu")]
        Hazard::same(Random, "rand", calls::rand),
        #[cfg(not(target_env = "musl"))]
        Hazard::same(Syslog, "syslog", calls::syslog).after(calls::mask_syslog),
        #[cfg(not(target_env = "musl"))]
        Hazard::same(Syslog, "openlog", calls::openlog).after(calls::mask_syslog),
        #[cfg(not(target_env = "musl"))]
        Hazard::same(Nss, "getpwnam", calls::getpwnam).after(calls::files_only),
        #[cfg(not(target_env = "musl"))]
        Hazard::same(Nss, "getpwuid", calls::getpwuid).after(calls::files_only),
        #[cfg(not(target_env = "musl"))]
        Hazard::same(Nss, "getgrnam", calls::getgrnam).after(calls::files_only),
        #[cfg(not(target_env = "musl"))]
        Hazard::same(Nss, "getservbyname", calls::getservbyname).after(calls::files_only),
        #[cfg(not(target_env = "musl"))]
        Hazard::same(Nss, "getprotobyname", calls::getprotobyname).after(calls::files_only),
        #[cfg(not(target_env = "musl"))]
        Hazard::same(Nss, "getpwent", calls::getpwent).after(calls::files_only),
        #[cfg(target_env = "gnu")]
        Hazard::same(Nss, "setnetgrent", calls::setnetgrent).after(calls::files_only),
        #[cfg(not(target_env = "musl"))]
        Hazard::same(Resolver, "gethostbyname", calls::gethostbyname).after(calls::files_only),
        #[cfg(not(target_env = "musl"))]
        Hazard::same(Resolver, "getaddrinfo", calls::getaddrinfo).after(calls::files_only),
        #[cfg(target_env = "gnu")]
        Hazard::pair(Resolver, "getnameinfo", RES_INIT, GETNAMEINFO).after(calls::files_only),
        #[cfg(target_env = "gnu")]
        Hazard::same(Conversion, "iconv_open", calls::iconv_open),
        #[cfg(target_env = "gnu")]
        Hazard::same(Conversion, "swprintf", calls::swprintf_number),
        #[cfg(target_env = "gnu")]
        Hazard::same(Stdio, "open_memstream", calls::write_to_memory).after(calls::open_memory),
        #[cfg(target_env = "gnu")]
        Hazard::same(Processes, "popen", calls::popen),
        #[cfg(target_env = "gnu")]
        Hazard::same(Processes, "atexit", calls::exit_handler),
        #[cfg(target_env = "gnu")]
        Hazard::same(Processes, "timer_create", calls::timer),
        #[cfg(target_env = "gnu")]
        Hazard::same(Processes, "pthread_getattr_np", calls::stack_of_main)
            .after(calls::remember_main),
        #[cfg(target_env = "gnu")]
        Hazard::same(Loader, "dl_iterate_phdr", calls::dl_iterate_phdr),
        #[cfg(target_env = "gnu")]
        Hazard::same(Loader, "dlopen", calls::dlopen),
        #[cfg(target_env = "gnu")]
        Hazard::same(Rest, "regexec", calls::regexec).after(calls::compile_regex),
        #[cfg(target_env = "gnu")]
        Hazard::same(Rest, "readdir", calls::readdir).after(calls::open_directory),
        #[cfg(target_env = "gnu")]
        Hazard::same(Rest, "aio_error", calls::aio_error),
        #[cfg(target_env = "gnu")]
        Hazard::same(Rest, "gai_cancel", calls::cancel_lookups),
        #[cfg(target_env = "gnu")]
        Hazard::same(Rest, "setutxent", calls::setutent),
        #[cfg(target_env = "gnu")]
        Hazard::same(Rest, "sgetspent", calls::shadow_entry),
        #[cfg(target_env = "gnu")]
        Hazard::same(Rest, "addseverity", calls::severity),
        #[cfg(target_os = "macos")]
        Hazard::same(Stdio, "fputs", calls::fputs).after(calls::open_stream),
        #[cfg(target_env = "musl")]
        Hazard::same(Stdio, "fputs", calls::fputs).after(calls::open_stream),
        #[cfg(target_env = "musl")]
        Hazard::pair(Stdio, "flockfile", HOLD, FLUSH).after(calls::open_stream),
        #[cfg(target_env = "musl")]
        Hazard::same(Rest, "rewinddir", calls::rewinddir).after(calls::open_directory),
        #[cfg(target_env = "musl")]
        Hazard::same(Rest, "pthread_getschedparam", calls::priority_of_main)
            .after(calls::remember_main),
        Hazard {
            id: "posix_spawn",
            family: Spawn,
            hammer: Call { name: "setenv/unsetenv", call: calls::change_environment },
            action: Action::Spawn,
            set_up: calls::fill_environment,
        },
    ]
};

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn identifiers_are_unique() {
        let ids: HashSet<_> = HAZARDS.iter().map(|hazard| hazard.id).collect();
        assert_eq!(ids.len(), HAZARDS.len());
    }

    #[test]
    fn every_family_has_a_row() {
        for family in <Family as clap::ValueEnum>::value_variants() {
            assert!(HAZARDS.iter().any(|hazard| hazard.family == *family), "{family:?}");
        }
    }
}
