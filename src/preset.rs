//! Presets: environment variables that keep forked children of known kinds of program from hanging or
//! crashing for reasons which no library can mend once the program runs.
//!
//! Invariant: what the user has set stays as it is.

use std::fmt::{self, Display};

use clap::ValueEnum;

use crate::environment::Environment;
use crate::sys;

/// The kinds of program.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Preset {
    /// Servers and workers that fork, such as Puma, Unicorn, Resque
    Ruby,
    /// Servers and workers that fork, such as gunicorn, Celery, Ansible
    Python,
    /// PHP-FPM
    Php,
    /// The PostgreSQL server
    Postgres,
    /// Programs that fork after a parallel region
    Openmp,
    /// List the presets, with the reason for each variable
    Help,
}

impl Preset {
    /// As `--preset` takes it.
    pub(crate) fn name(self) -> String {
        self.to_possible_value().map_or_else(String::new, |value| value.get_name().to_owned())
    }
}

/// Where a variable matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum System {
    Any,
    /// Elsewhere it has no meaning, or does harm: `no_proxy=*` would turn proxies off.
    Macos,
}

impl System {
    fn is_here(self) -> bool {
        match self {
            Self::Any => true,
            Self::Macos => sys::NAME == "macOS",
        }
    }
}

/// One variable of one or more presets.
struct Variable {
    name: &'static str,
    value: &'static str,
    presets: &'static [Preset],
    system: System,
    /// It is left out if one of these has a value, as the user has taken care of it in that way.
    unless: &'static [&'static str],
    /// What happens without it.
    symptom: &'static str,
    /// Who saw that, and that the variable helps.
    reports: &'static str,
    /// Whether a test of ours has seen it too; the others were read, not run.
    tested: bool,
}

/// All variables. A further preset is a variant above and its rows here.
const VARIABLES: &[Variable] = &[
    Variable {
        name: "OBJC_DISABLE_INITIALIZE_FORK_SAFETY",
        value: "YES",
        presets: &[Preset::Ruby, Preset::Python, Preset::Php],
        system: System::Macos,
        unless: &[],
        symptom: "a child ends with \"+[… initialize] may have been in progress in another thread when \
                  fork() was called\"",
        reports: "Ruby bug #14009, puma/puma#1421, ansible/ansible#31869, php/php-src#11818",
        tested: false,
    },
    Variable {
        name: "OS_ACTIVITY_MODE",
        value: "disable",
        presets: &[Preset::Ruby, Preset::Python],
        system: System::Macos,
        unless: &[],
        symptom: "on macOS 26 and later a child crashes, or uses all of a processor, in \
                  _os_log_preferences_refresh when it looks up a host name; the variable also turns \
                  the program's own messages to the system's log off",
        reports: "resque/resque#1939, OpenVoxProject/openvox#538",
        tested: false,
    },
    Variable {
        name: "PGGSSENCMODE",
        value: "disable",
        presets: &[Preset::Ruby, Preset::Python],
        system: System::Macos,
        unless: &[],
        symptom: "a child crashes in Kerberos when it connects to PostgreSQL; the variable does \
                  without encryption by Kerberos",
        reports: "ged/ruby-pg#311, ged/ruby-pg#538, psycopg/psycopg#1136",
        tested: false,
    },
    Variable {
        name: "no_proxy",
        value: "*",
        presets: &[Preset::Python],
        system: System::Macos,
        unless: &[
            "NO_PROXY",
            "http_proxy",
            "HTTP_PROXY",
            "https_proxy",
            "HTTPS_PROXY",
            "all_proxy",
            "ALL_PROXY",
        ],
        symptom: "a child crashes in _scproxy when it makes an HTTP request; the variable does \
                  without the proxies of System Settings",
        reports: "python/cpython#58037, benoitc/gunicorn#2761, benoitc/gunicorn#2788",
        tested: false,
    },
    Variable {
        name: "LC_ALL",
        value: "en_US.UTF-8",
        presets: &[Preset::Php, Preset::Postgres],
        system: System::Macos,
        unless: &["LANG"],
        symptom: "without a locale in the environment, gettext asks CoreFoundation, which starts a \
                  thread: \"postmaster became multithreaded during startup\", crashes of PHP",
        reports: "Homebrew/homebrew-core#124215, shivammathur/homebrew-php#1862, \
                  beyondcode/herd-community#1656",
        tested: false,
    },
    Variable {
        name: "OMP_NUM_THREADS",
        value: "1",
        presets: &[Preset::Openmp],
        system: System::Any,
        unless: &[],
        symptom: "the threads of libgomp's pool do not exist in a child, and its first parallel region \
                  waits for them; the variable does without parallel regions (on Linux the library has the \
                  child make a pool of its own, pools=gomp)",
        reports: "scikit-learn/scikit-learn#7650, dmlc/xgboost#2163",
        tested: true,
    },
];

/// Sets the variables of `presets` that matter on this system.
pub(crate) fn apply(presets: &[Preset], environment: &mut Environment) {
    for variable in VARIABLES.iter().filter(|variable| variable.is_in(presets)) {
        let Variable { name, value, .. } = variable;
        if !variable.system.is_here() {
            log::info!("{name}={value} of the preset matters on macOS only");
        } else if let Some(user) = variable.left_to(environment) {
            log::info!("{name}={value} of the preset is left out, as {user} is set");
        } else {
            log::info!("the preset sets {name}={value}");
            environment.set(name, value.as_ref());
        }
    }
}

impl Variable {
    fn is_in(&self, presets: &[Preset]) -> bool {
        self.presets.iter().any(|preset| presets.contains(preset))
    }

    /// The variable that the user has set instead of this one, or this one.
    fn left_to(&self, environment: &Environment) -> Option<&'static str> {
        if environment.get(self.name).is_some() {
            return Some(self.name);
        }
        let has_value = |name: &str| environment.get(name).is_some_and(|value| !value.is_empty());
        self.unless.iter().find(|name| has_value(name)).copied()
    }
}

/// What `--preset help` prints.
pub(crate) struct Help;

impl Display for Help {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for preset in Preset::value_variants().iter().filter(|preset| **preset != Preset::Help) {
            let about = preset.to_possible_value();
            let about = about.as_ref().and_then(|value| value.get_help());
            writeln!(
                f,
                "{}: {}",
                preset.name(),
                about.map_or_else(String::new, ToString::to_string)
            )?;
            for variable in VARIABLES.iter().filter(|variable| variable.is_in(&[*preset])) {
                let Variable { name, value, symptom, reports, .. } = variable;
                let system = if variable.system == System::Macos { ", on macOS" } else { "" };
                let tested = if variable.tested { "tested" } else { "not tested by us" };
                writeln!(f, "  {name}={value}{system}\n    {symptom}\n    ({reports}; {tested})")?;
            }
        }
        write!(f, "A variable that is set already stays as it is.")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::ffi::{OsStr, OsString};

    fn environment(entries: &[&str]) -> Environment {
        Environment::of(entries.iter().map(OsString::from).collect())
    }

    fn row(name: &str) -> &'static Variable {
        VARIABLES.iter().find(|variable| variable.name == name).expect("there is such a row")
    }

    #[test]
    fn what_matters_here_is_set() {
        let mut here = environment(&["A=1"]);
        apply(&[Preset::Openmp, Preset::Ruby], &mut here);
        assert_eq!(here.get("OMP_NUM_THREADS"), Some(OsStr::new("1")));
        let macos = here.get("OBJC_DISABLE_INITIALIZE_FORK_SAFETY").is_some();
        assert_eq!(macos, cfg!(target_os = "macos"));
        assert_eq!(here.get("no_proxy"), None, "no part of these presets");
    }

    #[test]
    fn what_the_user_set_stays() {
        let mut set = environment(&["OMP_NUM_THREADS=4"]);
        apply(&[Preset::Openmp], &mut set);
        assert_eq!(set.entries(), ["OMP_NUM_THREADS=4"]);
        let left_to = |name, entries: &[&str]| row(name).left_to(&environment(entries));
        assert_eq!(left_to("no_proxy", &[]), None);
        assert_eq!(left_to("no_proxy", &["no_proxy="]), Some("no_proxy"));
        assert_eq!(left_to("no_proxy", &["https_proxy=x"]), Some("https_proxy"));
        assert_eq!(left_to("LC_ALL", &["LANG=de_DE.UTF-8"]), Some("LANG"));
        assert_eq!(left_to("LC_ALL", &["LANG="]), None, "gettext takes that for unset");
    }

    #[test]
    fn each_preset_has_a_row_and_each_row_its_reasons() {
        for preset in Preset::value_variants().iter().filter(|preset| **preset != Preset::Help) {
            assert!(VARIABLES.iter().any(|variable| variable.is_in(&[*preset])), "{preset:?}");
        }
        for variable in VARIABLES {
            assert!(variable.reports.contains('#'), "{}", variable.name);
            assert!(!variable.presets.contains(&Preset::Help), "{}", variable.name);
        }
    }

    #[test]
    fn the_documentation_has_every_row() {
        let document = include_str!("../docs/presets.md");
        for Variable { name, value, presets, reports, tested, .. } in VARIABLES {
            let cell = format!("| `{name}={value}` |");
            let row = document.lines().find(|line| line.contains(&cell));
            let row = row.unwrap_or_else(|| panic!("{name} is not in docs/presets.md"));
            assert!(presets.iter().all(|preset| row.contains(&preset.name())), "{row}");
            assert!(reports.split(", ").all(|report| row.contains(report)), "{row}");
            assert_eq!(row.contains("test of ours"), *tested, "{row}");
        }
    }
}
