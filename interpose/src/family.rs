//! What a family of libc calls needs from the forker.
//!
//! Every row of the [hook table](crate::table) belongs to one family. A family is the unit of
//! waiting (its budget), and of giving up: if a thread could not be drained in time, the calls of
//! its family are answered in the child instead of being made (see [`hooks::answer`](crate::hooks)),
//! because the lock they need may be held for ever.

use crate::options;

/// A family of libc calls that share locks.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u32)]
pub(crate) enum Family {
    /// `tzset_lock`: everything that reads the time zone (`time/tzset.c`).
    TimeZone = 1,
    /// `envlock`: everything that changes the environment (`stdlib/setenv.c`).
    Environment,
    /// `__libc_setlocale_lock`, `_nl_state_lock`, gettext's `tree_lock` and what they load.
    /// `strerror` and its kin belong here: they take three of these locks even in the C locale.
    Locale,
    /// The lock of `random` and `rand` (`stdlib/random.c`).
    Random,
    /// `syslog_lock`, held over `connect` and `send` to the log daemon (`misc/syslog.c`).
    Syslog,
    /// Look-ups of users and groups: NSS modules, which may ask another machine.
    Users,
    /// Look-ups of hosts: the resolver.
    Hosts,
    /// Look-ups of services, protocols, networks, RPC programs and aliases; and the rare host
    /// look-ups that hold a lock while they wait for DNS.
    Names,
    /// Net groups (`nss/getnetgrent_r.c`).
    Netgroup,
    /// The terminal's name and who is logged in.
    Login,
    /// `system`, which holds its lock while the command runs.
    System,
    /// `popen`'s list of children.
    Popen,
    /// `exit`, and the list of what it has to call.
    Exit,
    /// Streams: a lock each, held over reads and writes that may block, and that of their list.
    Stdio,
}

impl Family {
    const ALL: [Self; 14] = [
        Self::TimeZone,
        Self::Environment,
        Self::Locale,
        Self::Random,
        Self::Syslog,
        Self::Users,
        Self::Hosts,
        Self::Names,
        Self::Netgroup,
        Self::Login,
        Self::System,
        Self::Popen,
        Self::Exit,
        Self::Stdio,
    ];

    /// The family whose code a slot holds; `None` for 0 (outside) and for the forker's own code.
    pub(crate) fn from_code(code: u32) -> Option<Self> {
        Self::ALL.get((code as usize).wrapping_sub(1)).copied()
    }

    /// Its bit in a set of families.
    pub(crate) fn bit(self) -> u32 {
        1 << (self as u32)
    }

    /// How it is called in messages.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::TimeZone => "time-zone",
            Self::Environment => "environment",
            Self::Locale => "locale",
            Self::Random => "random",
            Self::Syslog => "syslog",
            Self::Users => "users",
            Self::Hosts => "hosts",
            Self::Names => "names",
            Self::Netgroup => "netgroup",
            Self::Login => "login",
            Self::System => "system",
            Self::Popen => "popen",
            Self::Exit => "exit",
            Self::Stdio => "stdio",
        }
    }

    /// How long, in nanoseconds, the forker waits for a thread in this family.
    ///
    /// Calls that never wait for anything but a local file have the long budget, because only a
    /// stopped machine uses it up; calls that wait for other processes or machines have the short
    /// one, unless the thread is running (see [`forker`](crate::forker)).
    pub(crate) fn budget_ns(self) -> u64 {
        match self {
            Self::TimeZone | Self::Environment | Self::Locale | Self::Random | Self::Login => {
                options::bounded_ns()
            }
            Self::Syslog
            | Self::Users
            | Self::Hosts
            | Self::Names
            | Self::Netgroup
            | Self::System
            | Self::Popen
            | Self::Exit => options::blocking_ns(),
            Self::Stdio => options::stdio_ns(),
        }
    }

    /// Whether calls of this family are made in the child even if a thread was lost inside. It was most
    /// likely waiting without the lock (for the process it started, for an exit handler), or holds the
    /// lock of one stream, and an error for every other stream would do more harm.
    pub(crate) const fn passes(self) -> bool {
        matches!(self, Self::Popen | Self::Exit | Self::Stdio)
    }

    /// Whether a thread of this family that waits for a DNS server holds no lock, so that the
    /// forker need not wait for it.
    pub(crate) fn waits_without_locks(self) -> bool {
        self == Self::Hosts
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_and_families_agree() {
        for family in Family::ALL {
            assert_eq!(Family::from_code(family as u32), Some(family));
        }
        assert_eq!(Family::from_code(0), None);
        assert_eq!(Family::from_code(crate::gate::FORKER), None);
    }
}
