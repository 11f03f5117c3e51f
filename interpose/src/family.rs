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
    /// gconv, and the first conversion in a locale (`iconv/gconv_db.c`, `wcsmbs/wcsmbsload.c`).
    Conversion,
    /// Regular expressions: a lock each (`posix/regexec.c`).
    Regex,
    /// Directory streams: a lock each (`dirent`).
    Directory,
    /// Named semaphores (`sysdeps/pthread/sem_routines.c`).
    Semaphores,
    /// Asynchronous input and output, which helper threads make (`rt/aio_misc.c`).
    Aio,
    /// Asynchronous look-ups of hosts, which helper threads make (`resolv/gai_misc.c`).
    AsyncHosts,
    /// Timers and message queues that notify by a thread (`rt/timer_routines.c`).
    Timers,
    /// Calls that lock the descriptor of another thread (`nptl/descr.h`).
    Threads,
    /// Conversions that the program adds to `printf` (`stdio-common/reg-*.c`).
    PrintfTypes,
    /// `fmtmsg`, which writes to the console.
    Messages,
    /// Entries of password files in streams and texts, and the lock of these files.
    Entries,
    /// Formatting and parsing in memory: locks only for `%m`, wide characters and messages.
    Format,
    /// Streams: a lock each, held over reads and writes that may block, and that of their list.
    Stdio,
    /// Libraries that are being loaded. On musl only: of glibc's loader the locks are taken (`loader`).
    Loader,
    /// No call, but a lock of the program that a thread holds (`locks`).
    Held,
}

/// What a thread waits for in the kernel.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum HarmlessWait {
    /// A DNS server; glibc's stub resolver holds no lock then (`resolv/res_send.c`).
    Dns,
    /// A process; libc has let go of its locks before (`sysdeps/posix/system.c`, `libio/iopopen.c`).
    Process,
    /// A file, pipe or terminal. Only the stream's own lock is held, which fork resets, and the stream's
    /// pointers are as they were before the transfer (`libio/fileops.c`).
    Transfer,
    /// A word on the thread's own stack, which a helper thread of libc sets when a request is done; libc
    /// has let go of its lock before (`rt/aio_suspend.c`, `resolv/gai_suspend.c`).
    Completion,
}

impl Family {
    const ALL: [Self; 28] = [
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
        Self::Conversion,
        Self::Regex,
        Self::Directory,
        Self::Semaphores,
        Self::Aio,
        Self::AsyncHosts,
        Self::Timers,
        Self::Threads,
        Self::PrintfTypes,
        Self::Messages,
        Self::Entries,
        Self::Format,
        Self::Stdio,
        Self::Loader,
        Self::Held,
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
            Self::Conversion => "conversion",
            Self::Regex => "regex",
            Self::Directory => "directory",
            Self::Semaphores => "semaphores",
            Self::Aio => "aio",
            Self::AsyncHosts => "async-hosts",
            Self::Timers => "timers",
            Self::Threads => "threads",
            Self::PrintfTypes => "printf-types",
            Self::Messages => "messages",
            Self::Entries => "entries",
            Self::Format => "format",
            Self::Stdio => "stdio",
            Self::Loader => "loader",
            Self::Held => "lock",
        }
    }

    /// How long, in nanoseconds, the forker waits for a thread in this family.
    ///
    /// Calls that never wait for anything but a local file have the long budget, because only a
    /// stopped machine uses it up; calls that wait for other processes or machines have the short
    /// one, unless the thread is running (see [`forker`](crate::forker)).
    pub(crate) fn budget_ns(self) -> u64 {
        match self {
            Self::TimeZone
            | Self::Environment
            | Self::Locale
            | Self::Random
            | Self::Login
            | Self::Conversion
            | Self::Semaphores
            | Self::Aio
            | Self::AsyncHosts
            | Self::Timers
            | Self::Threads
            | Self::PrintfTypes
            | Self::Format => options::bounded_ns(),
            Self::Syslog
            | Self::Users
            | Self::Hosts
            | Self::Names
            | Self::Netgroup
            | Self::System
            | Self::Popen
            | Self::Exit
            | Self::Regex
            | Self::Directory
            | Self::Messages
            | Self::Entries
            | Self::Loader => options::blocking_ns(),
            Self::Stdio => options::stdio_ns(),
            Self::Held => options::locks_ns(),
        }
    }

    /// Whether calls of this family are made in the child even if a thread was lost inside. It was most
    /// likely waiting without the lock (for the process it started, for an exit handler), or holds the
    /// lock of one stream, and an error for every other stream would do more harm.
    pub(crate) const fn passes(self) -> bool {
        match self {
            Self::Exit
            | Self::Regex
            | Self::Directory
            | Self::Threads
            | Self::Format
            | Self::Stdio
            | Self::Loader
            | Self::Held => true,
            // Where nothing tells that a thread waits for a process, without the lock.
            Self::Popen => cfg!(target_os = "macos"),
            _ => false,
        }
    }

    /// What it means for the child that a thread was given up, for messages.
    pub(crate) fn consequence(self) -> &'static str {
        match self {
            Self::Exit => "the child can end all the same",
            Self::Held => "the child has its locks free",
            _ if self.passes() => "a child that needs the same lock may hang",
            _ => "the child will answer such calls with an error",
        }
    }

    /// The waits during which a thread of this family leaves nothing behind in a child, so that the forker
    /// need not wait for it.
    pub(crate) fn harmless_wait(self) -> Option<HarmlessWait> {
        match self {
            Self::Hosts => Some(HarmlessWait::Dns),
            Self::System | Self::Popen => Some(HarmlessWait::Process),
            Self::Stdio => Some(HarmlessWait::Transfer),
            Self::Aio | Self::AsyncHosts => Some(HarmlessWait::Completion),
            _ => None,
        }
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
