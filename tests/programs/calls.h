// calls.h: the libc calls that take a lock inside libc, by family, each with arguments with
// which it takes that lock.
#ifndef CALLS_H
#define CALLS_H

#include "calls_more.h"
#include "calls_names.h"
#include "storm.h"

#include <grp.h>
#include <langinfo.h>
#include <libintl.h>
#include <locale.h>
#include <netdb.h>
#include <netinet/in.h>
#include <pwd.h>
#include <resolv.h>
#include <semaphore.h>
#include <shadow.h>
#include <sys/socket.h>
#include <syslog.h>
#include <time.h>

static const time_t MOMENT = 1700000000;
static const struct in_addr LOOPBACK = {.s_addr = 0x0100007f};
static char buffer[8][65536];

// A buffer of the calling thread's own, for the reentrant calls.
static char *own_buffer(void) {
    static atomic_int next;
    static _Thread_local char *mine;
    if (mine == NULL) mine = buffer[atomic_fetch_add(&next, 1) % 8];
    return mine;
}

// Time zone.
static void call_localtime(void) { localtime(&MOMENT); }
static void call_localtime_r(void) {
    struct tm tm;
    localtime_r(&MOMENT, &tm);
}
static void call_gmtime_r(void) {
    struct tm tm;
    gmtime_r(&MOMENT, &tm);
}
static void call_mktime(void) {
    struct tm tm = {.tm_year = 123, .tm_mday = 1};
    mktime(&tm);
}
static void call_timegm(void) {
    struct tm tm = {.tm_year = 123, .tm_mday = 1};
    timegm(&tm);
}
static void call_ctime(void) { ctime(&MOMENT); }
static void call_strftime(void) {
    struct tm tm = {.tm_year = 123, .tm_mday = 1};
    char text[64];
    strftime(text, sizeof text, "%Z %s", &tm);
}
static void call_strptime(void) {
    struct tm tm;
    strptime("1700000000", "%s", &tm);
}

// Environment.
static void call_setenv(void) { setenv("FORKFIX_TEST", "value", 1); }
static void call_putenv(void) { putenv("FORKFIX_TEST=value"); }
static void call_unsetenv(void) { unsetenv("FORKFIX_TEST"); }

// Locale.
static void call_setlocale(void) { setlocale(LC_ALL, "C"); }
static void call_newlocale(void) {
    locale_t locale = newlocale(LC_ALL_MASK, "C.UTF-8", NULL);
    if (locale != NULL) freelocale(locale);
}
static void call_duplocale(void) {
    locale_t locale = duplocale(LC_GLOBAL_LOCALE);
    if (locale != NULL) freelocale(locale);
}

// gettext, and what speaks through it: readers in the child, a writer in the threads.
static void call_textdomain(void) { textdomain("forkfix-test"); }
static void call_bindtextdomain(void) { bindtextdomain("forkfix-test", "/nonexistent"); }
static void call_gettext(void) { gettext("message"); }
static void call_strerror(void) { strerror(ENOENT); }
static void call_strerror_r(void) {
    char text[64];
    (void)!strerror_r(ENOENT, text, sizeof text);
}
static void call_strsignal(void) { strsignal(SIGTERM); }
static void call_gai_strerror(void) { gai_strerror(EAI_AGAIN); }

// Random numbers.
static void call_random(void) { random(); }
static void call_rand(void) { rand(); }
static void call_srandom(void) { srandom(1); }

// syslog.
static void call_syslog(void) { syslog(LOG_DEBUG, "%d %s %f", 42, "text", 1.5); }
static void call_openlog(void) { openlog("forkfix-test", LOG_NDELAY, LOG_USER); }
static void call_setlogmask(void) { setlogmask(0xff); }
static void call_closelog(void) { closelog(); }

// Users and groups.
static void call_getpwnam(void) { getpwnam("root"); }
static void call_getpwuid(void) { getpwuid(0); }
static void call_getgrnam(void) { getgrnam("root"); }
static void call_getgrgid(void) { getgrgid(0); }
static void call_getspnam(void) { getspnam("root"); }
static void call_getpwent(void) {
    setpwent();
    getpwent();
    endpwent();
}
static void call_getgrent(void) {
    setgrent();
    getgrent();
    endgrent();
}

// Hosts.
static void call_gethostbyname(void) { gethostbyname("localhost"); }
static void call_gethostbyname_r(void) {
    struct hostent entry, *result;
    int error;
    gethostbyname_r("localhost", &entry, own_buffer(), sizeof buffer[0], &result, &error);
}
static void call_gethostbyaddr(void) { gethostbyaddr(&LOOPBACK, sizeof LOOPBACK, AF_INET); }
static void call_getaddrinfo(void) {
    struct addrinfo *list;
    if (getaddrinfo("localhost", "http", NULL, &list) == 0) freeaddrinfo(list);
}
static void call_getnameinfo(void) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr = LOOPBACK};
    char host[256];
    getnameinfo((struct sockaddr *)&address, sizeof address, host, sizeof host, NULL, 0, 0);
}
static void call_res_init(void) { res_init(); }

// Services, protocols, networks, RPC programs, netgroups.
static void call_getservbyname(void) { getservbyname("http", "tcp"); }
static void call_getservbyport(void) { getservbyport(htons(80), "tcp"); }
static void call_getprotobyname(void) { getprotobyname("tcp"); }
static void call_getprotobynumber(void) { getprotobynumber(6); }
static void call_getnetbyname(void) { getnetbyname("loopback"); }
static void call_getrpcbyname(void) { getrpcbyname("portmapper"); }
static void call_getrpcbynumber(void) { getrpcbynumber(100000); }
static void call_setnetgrent(void) {
    setnetgrent("nobody");
    endnetgrent();
}

// Semaphores with names. The file stays from call to call: one that hangs while it makes it would leave it.
__attribute__((destructor)) static void remove_semaphore(void) { sem_unlink("/forkfix-test"); }
static void call_sem_open(void) {
    sem_t *semaphore = sem_open("/forkfix-test", O_CREAT, 0600, 1);
    if (semaphore != SEM_FAILED) sem_close(semaphore);
}

// The first characters that are converted in a locale: what is needed for it is loaded then.
static locale_t unused_locale;
static void call_newlocale_beside_unused(void) {
    static atomic_flag made = ATOMIC_FLAG_INIT;
    if (!atomic_flag_test_and_set(&made)) unused_locale = newlocale(LC_ALL_MASK, "C.UTF-8", NULL);
    call_newlocale();
}
static void call_first_mbstowcs(void) {
    wchar_t wide[8];
    uselocale(unused_locale);
    if (mbstowcs(wide, "\u00e4", 8) == 0) _exit(1);
}
// The family of the calls that take their lock only the first few times in a process.
#define COLD "cold"

// What the threads do and what the child calls; the same unless `child` is given.
static const struct call {
    const char *family, *name;
    call_fn *hammer, *child;
    call_fn *set_up; // once, before there are threads
} CALLS[] = {
    {"time", "localtime", call_localtime, NULL},
    {"time", "localtime_r", call_localtime_r, NULL},
    {"time", "gmtime_r", call_gmtime_r, NULL},
    {"time", "mktime", call_mktime, NULL},
    {"time", "timegm", call_timegm, NULL},
    {"time", "ctime", call_ctime, NULL},
    {"time", "strftime", call_strftime, NULL},
    {"time", "strptime", call_strptime, NULL},
    {"time", "tzset", tzset, NULL},
    {"environment", "setenv", call_setenv, NULL},
    {"environment", "putenv", call_putenv, NULL},
    {"environment", "unsetenv", call_unsetenv, NULL},
    {"locale", "setlocale", call_setlocale, NULL},
    {"locale", "newlocale", call_newlocale, NULL},
    {"locale", "duplocale", call_duplocale, NULL},
    {"gettext", "textdomain", call_textdomain, NULL},
    {"gettext", "bindtextdomain", call_bindtextdomain, NULL},
    {"gettext", "gettext", call_textdomain, call_gettext},
    {"gettext", "strerror", call_textdomain, call_strerror},
    {"gettext", "strerror_r", call_textdomain, call_strerror_r},
    {"gettext", "strsignal", call_textdomain, call_strsignal},
    {"gettext", "gai_strerror", call_textdomain, call_gai_strerror},
    {"gettext", "textdomain_after_strerror", call_strerror, call_textdomain},
    {"random", "random", call_random, NULL},
    {"random", "rand", call_rand, NULL},
    {"random", "srandom", call_srandom, NULL},
    {"syslog", "syslog", call_syslog, NULL},
    {"syslog", "openlog", call_openlog, NULL},
    {"syslog", "setlogmask", call_setlogmask, NULL},
    {"syslog", "closelog", call_closelog, NULL},
    {"users", "getpwnam", call_getpwnam, NULL},
    {"users", "getpwuid", call_getpwuid, NULL},
    {"users", "getgrnam", call_getgrnam, NULL},
    {"users", "getgrgid", call_getgrgid, NULL},
    {"users", "getspnam", call_getspnam, NULL},
    {"users", "getpwent", call_getpwent, NULL},
    {"users", "getgrent", call_getgrent, NULL},
    {"hosts", "gethostbyname", call_gethostbyname, NULL},
    {"hosts", "gethostbyname_r", call_res_init, call_gethostbyname_r},
    {"hosts", "gethostbyaddr", call_gethostbyaddr, NULL},
    {"hosts", "getaddrinfo", call_getaddrinfo, NULL},
    {"hosts", "getnameinfo", call_res_init, call_getnameinfo},
    {"hosts", "res_init", call_res_init, NULL},
    {"services", "getservbyname", call_getservbyname, NULL},
    {"services", "getservbyport", call_getservbyport, NULL},
    {"services", "getprotobyname", call_getprotobyname, NULL},
    {"services", "getprotobynumber", call_getprotobynumber, NULL},
    {"services", "getnetbyname", call_getnetbyname, NULL},
    {"services", "getrpcbyname", call_getrpcbyname, NULL},
    {"services", "getrpcbynumber", call_getrpcbynumber, NULL},
    {"services", "setnetgrent", call_setnetgrent, NULL},
    {"rest", "sem_open", call_sem_open, NULL},
    {"rest", "first_mbstowcs", call_newlocale_beside_unused, call_first_mbstowcs},
    {"enumerations", "getaliasent", call_getaliasent, NULL},
    {"enumerations", "setaliasent", call_setaliasent, NULL},
    {"enumerations", "gethostent", call_gethostent, NULL},
    {"enumerations", "sethostent", call_sethostent, NULL},
    {"enumerations", "getnetent", call_getnetent, NULL},
    {"enumerations", "setnetent", call_setnetent, NULL},
    {"enumerations", "getprotoent", call_getprotoent, NULL},
    {"enumerations", "setprotoent", call_setprotoent, NULL},
    {"enumerations", "getrpcent", call_getrpcent, NULL},
    {"enumerations", "setrpcent", call_setrpcent, NULL},
    {"enumerations", "getservent", call_getservent, NULL},
    {"enumerations", "setservent", call_setservent, NULL},
    {"enumerations", "getsgent", call_getsgent, NULL},
    {"enumerations", "setsgent", call_setsgent, NULL},
    {"enumerations", "getspent", call_getspent, NULL},
    {"enumerations", "setspent", call_setspent, NULL},
    {"entries", "fgetpwent", call_fgetpwent, NULL},
    {"entries", "fgetgrent", call_fgetgrent, NULL},
    {"entries", "fgetspent", call_fgetspent, NULL},
    {"entries", "fgetsgent", call_fgetsgent, NULL},
    {"entries", "sgetsgent", call_sgetsgent, NULL},
    {"entries", "lckpwdf", call_lckpwdf, NULL, set_up_lckpwdf},
    {"lookups", "getaliasbyname", call_getaliasbyname, NULL},
    {"lookups", "gethostbyname2", call_gethostbyname2, NULL},
    {"lookups", "getnetbyaddr", call_getnetbyaddr, NULL},
    {"lookups", "getsgnam", call_getsgnam, NULL},
    {"lookups", "nss_module", call_nss_module, NULL},
    {"lookups", "getaddrinfo_sorted", call_getaddrinfo_sorted, NULL, set_up_getaddrinfo_sorted},
    {"lookups", "gethostbyname_sorted", call_gethostbyname_r, NULL, set_up_gethostbyname_sorted},
    {"more", "bindresvport", call_bindresvport, NULL},
    {"more", "dlsym_unique", call_dlsym_unique, NULL, set_up_dlsym_unique},
    {"more", "register_printf_type", call_register_printf_type, NULL},
    {COLD, "getnameinfo_domain", call_getnameinfo_domain, NULL, set_up_getnameinfo_domain},
    {COLD, "register_printf_modifier", call_register_printf_modifier, NULL,
     set_up_register_printf_modifier},
};
enum { CALL_COUNT = sizeof CALLS / sizeof CALLS[0] };

static inline const struct call *find_call(const char *name) {
    for (int i = 0; i < CALL_COUNT; i++)
        if (strcmp(CALLS[i].name, name) == 0) return &CALLS[i];
    die("no call %s", name);
}

static inline void set_up(const struct call *call) {
    if (call->set_up != NULL) call->set_up();
}

static inline int list_calls(void) {
    for (int i = 0; i < CALL_COUNT; i++) printf("%s %s\n", CALLS[i].family, CALLS[i].name);
    return 0;
}

#endif
