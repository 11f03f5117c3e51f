// login.c: syslog, terminals and the users' log. Each has a lock of its own in Apple's libc (gen/,
// gen/FreeBSD/): what they find is fixed here.
#define _GNU_SOURCE
#include <stdint.h>
#include <stdio.h>
#include <syslog.h>
#include <unistd.h>

#include "libsystem.h"

static struct model_lock syslog_lock = {.name = "the lock of syslog"};
static struct model_lock login_lock = {.name = "the lock of getlogin"};
static struct model_lock terminal_lock = {.name = "the lock of ttyname"};
static struct model_lock accounts_lock = {.name = "the lock of utmpx"};

// Messages go nowhere: only the format is evaluated.
static void log_message(int priority, const char *format, va_list list) {
    char line[1024];
    (void)priority;
    model_enter(&syslog_lock);
    vsnprintf(line, sizeof line, format, list);
    model_leave(&syslog_lock);
}

void standin_syslog(int priority, const char *format, REST) {
    OPEN_REST(list, format);
    log_message(priority, format, list);
}
EXPORT_VARIADIC("_syslog", standin_syslog, 2)

static void standin_vsyslog(int priority, const char *format, apple_list from) {
    FROM_APPLE_LIST(list, from);
    log_message(priority, format, list);
}
EXPORT("_vsyslog", standin_vsyslog)

static void standin_openlog(const char *name, int options, int facility) {
    (void)name, (void)options, (void)facility;
    model_enter(&syslog_lock);
    model_leave(&syslog_lock);
}
EXPORT("_openlog", standin_openlog)

static void standin_closelog(void) {
    standin_openlog(NULL, 0, 0);
}
EXPORT("_closelog", standin_closelog)

LOCKED(syslog_lock, int, setlogmask, (int mask), (mask))

static char *login_name(void) {
    model_enter(&login_lock);
    model_leave(&login_lock);
    return "root";
}
EXPORT("_getlogin", login_name)

static int copy_name(const char *name, char *to, size_t size) {
    return (size_t)snprintf(to, size, "%s", name) < size ? 0 : 34; // ERANGE
}

static int standin_getlogin_r(char *to, size_t size) {
    return copy_name(login_name(), to, size);
}
EXPORT("_getlogin_r", standin_getlogin_r)

static char *standin_ttyname(int fd) {
    (void)fd;
    model_enter(&terminal_lock);
    model_leave(&terminal_lock);
    return "/dev/ttys000";
}
EXPORT("_ttyname", standin_ttyname)

static int standin_ttyname_r(int fd, char *to, size_t size) {
    return copy_name(standin_ttyname(fd), to, size);
}
EXPORT("_ttyname_r", standin_ttyname_r)

static void *no_account(void) {
    model_enter(&accounts_lock);
    model_leave(&accounts_lock);
    return NULL;
}
EXPORT("_getutxent", no_account)
EXPORT("_getutxid", no_account)
EXPORT("_getutxline", no_account)
EXPORT("_pututxline", no_account)
EXPORT("_setutxent", no_account)
EXPORT("_endutxent", no_account)
