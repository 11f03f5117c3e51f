// time.c: the time zone (stdtime/FreeBSD/localtime.c: one lock, and a look at libnotify whether
// the zone has changed), and the clocks.
#define _GNU_SOURCE
#include <stdint.h>
#include <stdlib.h>
#include <sys/time.h>
#include <unistd.h>
#include <wchar.h>

#include "libsystem.h"

static struct model_lock zone_lock = {.name = "the lock of the time zone"};

static void zone_enter(void) {
    model_enter(&zone_lock);
    notify_globals(); // notify_check
}

#define ZONED(type, name, parameters, arguments)                                                   \
    static type standin_##name parameters {                                                        \
        zone_enter();                                                                              \
        type result = CALL(name arguments);                                                        \
        model_leave(&zone_lock);                                                                   \
        return result;                                                                             \
    }                                                                                              \
    EXPORT("_" #name, standin_##name)

ZONED(struct tm *, localtime, (const time_t *time), (time))
ZONED(struct tm *, localtime_r, (const time_t *time, struct tm *to), (time, to))
ZONED(struct tm *, gmtime, (const time_t *time), (time))
ZONED(struct tm *, gmtime_r, (const time_t *time, struct tm *to), (time, to))
ZONED(time_t, mktime, (struct tm *to), (to))
ZONED(time_t, timegm, (struct tm *to), (to))
ZONED(time_t, timelocal, (struct tm *to), (to))
ZONED(char *, ctime, (const time_t *time), (time))
ZONED(char *, ctime_r, (const time_t *time, char *to), (time, to))
ZONED(char *, asctime, (const struct tm *time), (time))
ZONED(char *, asctime_r, (const struct tm *time, char *to), (time, to))
ZONED(size_t, strftime, (char *to, size_t max, const char *format, const struct tm *time),
      (to, max, format, time))
ZONED(size_t, wcsftime, (wchar_t *to, size_t max, const wchar_t *format, const struct tm *time),
      (to, max, format, time))
ZONED(char *, strptime, (const char *text, const char *format, struct tm *to), (text, format, to))

static time_t standin_timeoff(struct tm *to, long offset) {
    return standin_timegm(to) - offset;
}
EXPORT("_timeoff", standin_timeoff)

// Leap seconds: there are none.
static time_t same_time(time_t time) {
    zone_enter();
    model_leave(&zone_lock);
    return time;
}
EXPORT("_time2posix", same_time)
EXPORT("_posix2time", same_time)

static void standin_tzset(void) {
    zone_enter();
    tzset();
    model_leave(&zone_lock);
}
EXPORT("_tzset", standin_tzset)
EXPORT("_tzsetwall", standin_tzset)

// A locale is an opaque object; none of the tests makes the time depend on one.
static size_t standin_strftime_l(char *to, size_t max, const char *format, const struct tm *time,
                                 void *locale) {
    (void)locale;
    return standin_strftime(to, max, format, time);
}
EXPORT("_strftime_l", standin_strftime_l)

static size_t standin_wcsftime_l(wchar_t *to, size_t max, const wchar_t *format,
                                 const struct tm *time, void *locale) {
    (void)locale;
    return standin_wcsftime(to, max, format, time);
}
EXPORT("_wcsftime_l", standin_wcsftime_l)

static char *standin_strptime_l(const char *text, const char *format, struct tm *to, void *locale) {
    (void)locale;
    return standin_strptime(text, format, to);
}
EXPORT("_strptime_l", standin_strptime_l)

static struct tm *standin_getdate(const char *text) {
    (void)text;
    zone_enter();
    model_leave(&zone_lock);
    return NULL;
}
EXPORT("_getdate", standin_getdate)

int clock_from_apple(int clock) {
    switch (clock) {
    case 0: return CLOCK_REALTIME;
    case 4:
    case 5: return CLOCK_MONOTONIC_RAW;
    case 6: return CLOCK_BOOTTIME; // goes on while the machine sleeps
    case 8:
    case 9: return CLOCK_MONOTONIC;
    case 12: return CLOCK_PROCESS_CPUTIME_ID;
    case 16: return CLOCK_THREAD_CPUTIME_ID;
    default: return -1;
    }
}

static int standin_clock_gettime(int clock, struct timespec *time) {
    return CALL(clock_gettime(clock_from_apple(clock), time));
}
EXPORT("_clock_gettime", standin_clock_gettime)

static uint64_t nanoseconds(int clock) {
    struct timespec time;
    if (standin_clock_gettime(clock, &time) != 0) return 0;
    return time.tv_sec * 1000000000ull + time.tv_nsec;
}
EXPORT("_clock_gettime_nsec_np", nanoseconds)

// Units as on Apple silicon, 24 MHz, on both architectures: who forgets the factor is found out.
static uint64_t mach_absolute_time(void) {
    return (uint64_t)((unsigned __int128)nanoseconds(8) * 3 / 125);
}
EXPORT("_mach_absolute_time", mach_absolute_time)
EXPORT("_mach_continuous_time", mach_absolute_time)

static int mach_timebase_info(uint32_t factor[2]) {
    factor[0] = 125;
    factor[1] = 3;
    return 0;
}
EXPORT("_mach_timebase_info", mach_timebase_info)

TRANSLATE(int, gettimeofday, (struct timeval * time, void *zone), (time, zone))
TRANSLATE(int, nanosleep, (const struct timespec *time, struct timespec *left), (time, left))
TRANSLATE(int, usleep, (unsigned time), (time))
PASS(time)
PASS(sleep)
PASS(difftime)
