// syslog_format.c: what syslog writes, with every kind of argument.
//
// LOG_PERROR sends each message to stderr too, where a test can compare it. Built with
// _FORTIFY_SOURCE, the same source calls __syslog_chk and __vsyslog_chk.
#include <errno.h>
#include <stdarg.h>
#include <syslog.h>

__attribute__((format(printf, 1, 2))) static void log_list(const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    vsyslog(LOG_WARNING, format, arguments);
    va_end(arguments);
}

int main(void) {
    openlog("syslog_format", LOG_PERROR, LOG_USER);
    syslog(LOG_INFO, "nothing to fill in");
    syslog(LOG_INFO, "%d %s %f", 42, "text", 1.5);
    syslog(LOG_INFO, "%d %d %d %d %d %d %d %d", 1, 2, 3, 4, 5, 6, 7, 8);
    syslog(LOG_INFO, "%f %f %f %f %f %f %f %f %f", .5, 1.5, 2.5, 3.5, 4.5, 5.5, 6.5, 7.5, 8.5);
    syslog(LOG_INFO, "%s %Lf %lld %c %p", "long", 2.25L, 1LL << 40, 'x', (void *)0x1234);
    syslog(LOG_INFO, "%*d|%-8s|%.3f", 6, 42, "left", 3.14159);
    errno = ENOENT;
    syslog(LOG_INFO, "%m %d", 7);
    log_list("%d %s %f", 43, "list", 2.5);
    syslog(LOG_INFO, "%300d", 1);
    setlogmask(LOG_UPTO(LOG_ERR));
    syslog(LOG_INFO, "masked");
    closelog();
    return 0;
}
