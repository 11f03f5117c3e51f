//! The rows that only Linux has.

use super::Family::{Conversion, Loader, Locale, Nss, Processes, Random, Resolver, Rest, Stdio};
use super::{Call, Hazard, Need, calls};

const SETLOCALE: Call = Call { name: "setlocale", call: calls::setlocale };
const STRERROR: Call = Call { name: "strerror", call: calls::strerror };
const GETTEXT: Call = Call { name: "dcgettext", call: calls::dcgettext };
const TEXTDOMAIN: Call = Call { name: "textdomain", call: calls::textdomain };
const TRANSLATED: Call = Call { name: "newlocale", call: calls::new_translated_locale };
const RES_INIT: Call = Call { name: "res_init", call: calls::res_init };
const GETNAMEINFO: Call = Call { name: "getnameinfo", call: calls::getnameinfo };
const CONFIGURE: Call = Call { name: "__nss_configure_lookup", call: calls::configure_lookup };
const GETGRGID: Call = Call { name: "getgrgid_r", call: calls::getgrgid_r };
const SYSTEM: Call = Call { name: "system", call: calls::system };
const INTERRUPTS: Call = Call { name: "sigaction(SIGINT)", call: calls::heeds_interrupts };
const KILL: Call = Call { name: "pthread_kill", call: calls::signal_main };
const KILL_FROM_A_THREAD: Call =
    Call { name: "pthread_kill in a thread", call: calls::signal_main_from_a_thread };
const NOTHING: Call = Call { name: "nothing", call: calls::pause };
const EXIT: Call = Call { name: "exit", call: calls::exit };

/// Catalogues of libc's messages are packages of their own.
static TRANSLATION: Need = Need {
    is_met: calls::has_translation,
    lacking: "no locale with translated messages of libc is installed (on Debian, locales-all and libc-l10n)",
};

/// Before 2.33 each call leaves memory behind: a run takes gigabytes (`nss/nsswitch.c`).
static FRUGAL_CONFIGURATION: Need = Need {
    is_met: calls::configures_frugally,
    lacking: "__nss_configure_lookup of this glibc leaks memory with each call (before 2.33)",
};

pub(super) static ROWS: &[Hazard] = &[
    Hazard::pair(Locale, "strerror", SETLOCALE, STRERROR),
    Hazard::pair(Locale, "setlocale-readers", STRERROR, SETLOCALE),
    Hazard::pair(Locale, "gettext", TEXTDOMAIN, GETTEXT),
    Hazard::pair(Locale, "textdomain-readers", GETTEXT, TEXTDOMAIN),
    Hazard::pair(Locale, "strerror-translated", TRANSLATED, STRERROR)
        .after(calls::translate)
        .needs(&TRANSLATION),
    Hazard::pair(Locale, "newlocale-translated", TRANSLATED, TRANSLATED)
        .after(calls::translate)
        .needs(&TRANSLATION),
    Hazard::same(Random, "random", calls::random),
    Hazard::same(Random, "rand", calls::rand),
    Hazard::same(Nss, "setnetgrent", calls::setnetgrent).after(calls::files_only),
    Hazard::same(Nss, "getgrent", calls::getgrent).after(calls::files_only),
    Hazard::same(Nss, "getspnam", calls::getspnam).after(calls::files_only),
    Hazard::same(Nss, "getnetbyname", calls::getnetbyname).after(calls::files_only),
    Hazard::same(Nss, "getrpcbyname", calls::getrpcbyname).after(calls::files_only),
    Hazard::pair(Nss, "nss-cold", CONFIGURE, GETGRGID)
        .after(calls::files_only)
        .cold()
        .needs(&FRUGAL_CONFIGURATION),
    Hazard::pair(Resolver, "getnameinfo", RES_INIT, GETNAMEINFO).after(calls::files_only),
    Hazard::same(Conversion, "iconv_open", calls::iconv_open),
    Hazard::same(Conversion, "swprintf", calls::swprintf_number),
    Hazard::same(Conversion, "mbstowcs-cold", calls::first_conversion),
    Hazard::same(Stdio, "open_memstream", calls::write_to_memory).after(calls::open_memory),
    Hazard::same(Stdio, "open_wmemstream", calls::write_wide).after(calls::open_wide_memory),
    Hazard::same(Processes, "popen", calls::popen),
    Hazard::pair(Processes, "system", SYSTEM, INTERRUPTS),
    Hazard::same(Processes, "atexit", calls::exit_handler),
    Hazard::pair(Processes, "exit", NOTHING, EXIT)
        .hammered_by("exit, in a handler")
        .after(calls::begin_exit)
        .cold(),
    Hazard::same(Processes, "timer_create", calls::timer),
    Hazard::same(Processes, "pthread_getattr_np", calls::stack_of_main).after(calls::remember_main),
    Hazard::pair(Processes, "pthread_kill", KILL, KILL_FROM_A_THREAD).after(calls::remember_main),
    Hazard::same(Loader, "dl_iterate_phdr", calls::dl_iterate_phdr),
    Hazard::same(Loader, "dlopen", calls::dlopen),
    Hazard::same(Rest, "regexec", calls::regexec).after(calls::compile_regex),
    Hazard::same(Rest, "readdir", calls::readdir).after(calls::open_directory),
    Hazard::same(Rest, "sem_close", calls::sem_close),
    Hazard::same(Rest, "aio_error", calls::aio_error),
    Hazard::same(Rest, "aio_read", calls::aio_read),
    Hazard::same(Rest, "gai_cancel", calls::cancel_lookups),
    Hazard::same(Rest, "getaddrinfo_a", calls::look_up_later),
    Hazard::same(Rest, "setutxent", calls::setutent),
    Hazard::same(Rest, "sgetspent", calls::shadow_entry),
    Hazard::same(Rest, "addseverity", calls::severity),
    Hazard::same(Rest, "register_printf_specifier", calls::register_conversion),
];

impl Hazard {
    const fn cold(mut self) -> Self {
        self.cold = true;
        self
    }

    const fn needs(mut self, need: &'static Need) -> Self {
        self.need = Some(need);
        self
    }
}
