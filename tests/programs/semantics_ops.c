// semantics_ops.c: makes each of a list of calls that are not variadic with arguments read from a file, and
// reports all that can be seen of them.
//
//   semantics_ops FILE             lines with two numbers and a text, apart by spaces
#include "semantics.h"

#include <aio.h>
#include <dirent.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <getopt.h>
#include <glob.h>
#include <iconv.h>
#include <langinfo.h>
#include <libintl.h>
#include <limits.h>
#include <locale.h>
#include <netdb.h>
#include <netinet/in.h>
#include <pthread.h>
#include <pwd.h>
#include <regex.h>
#include <semaphore.h>
#include <signal.h>
#include <sys/socket.h>
#include <syslog.h>
#include <time.h>
#include <uchar.h>
#include <wordexp.h>

// What the calls are given.
static long a, b;
static char t[256];

static const char *const LOCALES[] = {"C", "C.UTF-8", "POSIX", "", "de_DE.UTF-8", "nonsense", NULL};
static const char *const ZONES[] = {"UTC", "CET-1CEST,M3.5.0,M10.5.0/3", "EST5EDT", ":nonsense", ""};
static const char *const CHARSETS[] = {"UTF-8", "ISO-8859-1", "ASCII", "UTF-16LE", "nonsense", "WCHAR_T"};
#define PICK(list, number) list[(unsigned long)(number) % (sizeof list / sizeof list[0])]
#define BETWEEN(number, most) ((long)((unsigned long)(number) % ((most) + 1)))

// An answer in text that may be null.
static long say(const char *answer) {
    int error = errno;
    print_text("says", answer);
    errno = error;
    return 0;
}

static long show_time(const struct tm *tm) {
    int error = errno;
    if (tm == NULL) print_text("tm", NULL);
    else fprintf(report, " tm=%d-%d-%d %d:%d:%d/%d/%d/%d/%ld/%s", tm->tm_year, tm->tm_mon, tm->tm_mday,
                 tm->tm_hour, tm->tm_min, tm->tm_sec, tm->tm_wday, tm->tm_yday, tm->tm_isdst, tm->tm_gmtoff,
                 tm->tm_zone);
    errno = error;
    return 0;
}

static struct tm some_tm(void) {
    return (struct tm){.tm_year = BETWEEN(a, 300), .tm_mon = BETWEEN(b, 20), .tm_mday = BETWEEN(a, 40),
                       .tm_hour = BETWEEN(b, 30), .tm_min = BETWEEN(a, 70), .tm_isdst = BETWEEN(b, 2) - 1};
}

static void zone(void) {
    setenv("TZ", PICK(ZONES, b), 1);
    errno = 0;
}

#define OPS(OP)                                                                                     \
    OP(strerror, say(strerror(a)))                                                                  \
    OP(strerror_small, say(strerror(a % 150)))                                                      \
    OP(strerror_r, say(strerror_r(a % 150, text, BETWEEN(b, 64))))                                  \
    OP(xpg_strerror_r, xpg_strerror_r(a % 150, text, BETWEEN(b, 64)))                               \
    OP(strerror_l, say(strerror_l(a % 150, newlocale(LC_ALL_MASK, "C", NULL))))                     \
    OP(strsignal, say(strsignal(a % 70)))                                                           \
    OP(gai_strerror, say(gai_strerror(a % 20)))                                                     \
    OP(hstrerror, say(hstrerror(a % 8)))                                                            \
    OP(perror, (perror(t), 0))                                                                      \
    OP(psignal, (psignal(BETWEEN(a, 64), t), 0))                                                    \
    OP(herror, (h_errno = a % 6, herror(t), 0))                                                     \
    OP(setlocale, say(setlocale(BETWEEN(a, 13), PICK(LOCALES, b))))                                 \
    OP(newlocale, try_locale())                                                                     \
    OP(gettext, say(gettext(t)))                                                                    \
    OP(dngettext, say(dngettext(t, "one", "many", a)))                                              \
    OP(textdomain, say(textdomain(t)))                                                              \
    OP(bindtextdomain, say(bindtextdomain(t, a & 1 ? "/tmp" : NULL)))                               \
    OP(random, (srandom(a), random() ^ random()))                                                   \
    OP(rand, (srand(b), rand() ^ rand()))                                                           \
    OP(initstate, swap_state())                                                                     \
    OP(localtime, (zone(), show_time(localtime(&a))))                                               \
    OP(localtime_r, (zone(), tzset(), show_time(localtime_r(&a, &(struct tm){0}))))              \
    OP(gmtime_r, show_time(gmtime_r(&a, &(struct tm){0})))                                       \
    OP(ctime_r, (zone(), say(ctime_r(&b, text))))                                                   \
    OP(mktime, make_time(mktime))                                                                   \
    OP(timegm, make_time(timegm))                                                                   \
    OP(strftime, format_time())                                                                     \
    OP(wcsftime, wcsftime(wide, BETWEEN(a, 40), L"%c %Z %s", &(struct tm){.tm_mday = 1}))           \
    OP(strptime, parse_time())                                                                      \
    OP(mblen, mblen(t, BETWEEN(a, 6)))                                                              \
    OP(mbtowc, mbtowc(wide, t, BETWEEN(a, 6)))                                                      \
    OP(wctomb, wctomb(text, b))                                                                     \
    OP(mbstowcs, mbstowcs(wide, t, BETWEEN(a, 300)))                                                \
    OP(mbrtowc, mbrtowc(wide, t, BETWEEN(b, 6), &(mbstate_t){0}))                                   \
    OP(mbrtoc16, mbrtoc16((char16_t *)wide, t, BETWEEN(b, 6), &(mbstate_t){0}))                     \
    OP(wcrtomb, wcrtomb(text, a, &(mbstate_t){0}))                                                  \
    OP(c32rtomb, c32rtomb(text, b, &(mbstate_t){0}))                                                \
    OP(mbsnrtowcs, mbsnrtowcs(wide, &(const char *){t}, BETWEEN(a, 20), BETWEEN(b, 30), &(mbstate_t){0})) \
    OP(wcsrtombs, wcsrtombs(text, &(const wchar_t *){(wchar_t[]){a % 300, b % 70000, 0}}, 64, &(mbstate_t){0})) \
    OP(btowc, btowc(a % 300))                                                                       \
    OP(wctob, wctob(b % 300))                                                                       \
    OP(iconv, convert())                                                                            \
    OP(fnmatch, fnmatch(t, "a.b", BETWEEN(a, 31)))                                                  \
    OP(regex, match())                                                                              \
    OP(fputs, fputs(t, stream))                                                                     \
    OP(puts, puts(t))                                                                               \
    OP(fputc, fputc(a, stream))                                                                     \
    OP(putw, putw(b, stream))                                                                       \
    OP(fwrite, fwrite(t, BETWEEN(a, 5), BETWEEN(b, 30), stream))                                    \
    OP(fputws, fputws(L"wide \u00e4 text", stream))                                                 \
    OP(fputwc, fputwc(a, stream))                                                                   \
    OP(fgetc, fgetc(stream))                                                                        \
    OP(fgets, say(fgets(text, BETWEEN(a, 40), stream)))                                             \
    OP(fread, fread(text, BETWEEN(a, 5), BETWEEN(b, 30), stream))                                   \
    OP(getline, read_line('\n'))                                                                    \
    OP(getdelim, read_line(t[0]))                                                                   \
    OP(fgetws, fgetws(wide, BETWEEN(b, 40), stream) != NULL)                                        \
    OP(ungetc, (ungetc(a, stream), fgetc(stream)))                                                  \
    OP(fseek, fseek(stream, b % 100, BETWEEN(a, 4)))                                                \
    OP(fwide, fwide(stream, a % 2))                                                                 \
    OP(setvbuf, setvbuf(stream, a & 1 ? text : NULL, BETWEEN(b, 3), 64) + fputs(t, stream))         \
    OP(fflush, (fputs(t, stdout), fflush(a & 1 ? stdout : NULL)))                                   \
    OP(fflush_unlocked, (fputs(t, stdout), fflush_unlocked(a & 1 ? stdout : NULL)))                 \
    OP(fflush_full, flush_to_full_device())                                                         \
    OP(fopen, open_and_close())                                                                     \
    OP(fmemopen, write_to_memory())                                                                 \
    OP(open_memstream, grow_in_memory())                                                            \
    OP(popen, run_beside())                                                                         \
    OP(system, (snprintf(text, ROOM, "exit %ld", BETWEEN(a, 255)), system(text)))                   \
    OP(system_null, system(NULL) != 0)                                                              \
    OP(getnameinfo, name_address())                                                                 \
    OP(getaddrinfo, numeric_address())                                                              \
    OP(getopt, parse_options())                                                                     \
    OP(glob, glob_here())                                                                           \
    OP(wordexp, expand())                                                                           \
    OP(telldir, read_directory())                                                                   \
    OP(sem_open, sem_open(t, a & 1 ? O_CREAT | O_EXCL : 0, 0600, -1) == SEM_FAILED)                 \
    OP(timer_create, make_timer())                                                                  \
    OP(aio_error, aio_error(&(struct aiocb){.aio_fildes = a}))                                      \
    OP(aio_suspend, aio_suspend(&(const struct aiocb *){NULL}, 1, &(struct timespec){0}))                                    \
    OP(setlogmask, (setlogmask(a & 255), setlogmask(b & 255)))                                      \
    OP(getpwnam, find_user())                                                                   \
    OP(pthread_getschedparam, pthread_getschedparam(pthread_self(), (int *)place, (void *)(place + 1))) \
    OP(pthread_kill, pthread_kill(pthread_self(), a % 2 ? 0 : 1000))

extern int xpg_strerror_r(int, char *, size_t) __asm__("__xpg_strerror_r");

static long try_locale(void) {
    locale_t made = newlocale(a & LC_ALL_MASK, PICK(LOCALES, b) ?: "C", NULL);
    if (made == NULL) return -1;
    say(nl_langinfo_l(CODESET, made));
    locale_t copy = duplocale(made);
    freelocale(made);
    freelocale(copy);
    return 1;
}

static long swap_state(void) {
    static char state[128];
    char *before = initstate(a, state, BETWEEN(b, 128));
    long number = random();
    if (before != NULL) setstate(before);
    return before == NULL ? -1 : number;
}

static long make_time(time_t (*how)(struct tm *)) {
    zone();
    struct tm tm = some_tm();
    long result = how(&tm);
    show_time(&tm);
    return result;
}

static long format_time(void) {
    zone();
    struct tm tm = some_tm();
    char format[300];
    snprintf(format, sizeof format, "%%Z %%z %%c %%Ey %.250s", t);
    return strftime(text, BETWEEN(a, 400), format, &tm);
}

static long parse_time(void) {
    struct tm tm = {0};
    snprintf(text, ROOM, "%ld", b % 4000000000);
    const char *rest = strptime(text, a & 1 ? "%s" : t, &tm);
    show_time(&tm);
    return rest == NULL ? -1 : rest - text;
}

static long convert(void) {
    iconv_t how = iconv_open(PICK(CHARSETS, a), PICK(CHARSETS, b));
    if (how == (iconv_t)-1) return -1;
    char *from = t, *to = text;
    size_t left = strlen(t), room = 64;
    long result = iconv(how, &from, &left, &to, &room);
    int error = errno;
    iconv_close(how);
    errno = error;
    return result * 1000 + room;
}

static long match(void) {
    regex_t regex;
    int result = regcomp(&regex, t, BETWEEN(a, 15));
    if (result != 0) return -(long)regerror(result, &regex, text, BETWEEN(b, 64));
    regmatch_t found[3] = {0}; // REG_NOSUB leaves them alone.
    result = regexec(&regex, "some text, a.b and 12 more", 3, found, BETWEEN(b, 3));
    if (result == 0) print_number("at", found[0].rm_so);
    regfree(&regex);
    return result;
}

static long read_line(int delimiter) {
    char *line = NULL;
    size_t size = 0;
    long got = getdelim(&line, &size, delimiter, stream);
    if (got >= 0) memcpy(text, line, got < ROOM ? got : ROOM);
    int error = errno;
    free(line);
    errno = error;
    return got;
}

static long flush_to_full_device(void) {
    FILE *full = fopen("/dev/full", "w");
    if (full == NULL) return -2;
    fputs(t, full);
    long result = a & 1 ? fflush(full) : fflush(NULL);
    print_number("flush", result);
    print_number("with", errno);
    print_number("broken", ferror(full) != 0);
    errno = 0;
    return fclose(full);
}

static long open_and_close(void) {
    FILE *opened = fopen(a & 1 ? "/proc/self/maps" : "/nonexistent/file", t);
    return opened == NULL ? -1 : fclose(opened);
}

static long write_to_memory(void) {
    FILE *memory = fmemopen(text, BETWEEN(a, 64), b & 1 ? "w+" : "a+");
    if (memory == NULL) return -1;
    print_number("put", fputs(t, memory));
    print_number("at", ftell(memory));
    return fclose(memory);
}

static long grow_in_memory(void) {
    char *into = NULL;
    size_t size = 0;
    FILE *memory = open_memstream(&into, &size);
    for (long i = 0; i < BETWEEN(a, 500); i++) fputs(t, memory);
    fseek(memory, b % 40, SEEK_SET);
    fputs("seen", memory);
    long result = fclose(memory);
    print_bytes("memory", into, size);
    free(into);
    return result;
}

static long run_beside(void) {
    snprintf(text, ROOM, "echo text; exit %ld", BETWEEN(a, 255));
    FILE *out = popen(text, b % 3 ? "r" : "nonsense");
    if (out == NULL) return -1;
    read(fileno(out), text, 5);
    return pclose(out);
}

static long name_address(void) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = (in_addr_t)a,
                                  .sin_port = htons(b & 0xffff)};
    return getnameinfo((struct sockaddr *)&address, a & 3 ? sizeof address : 2, text, BETWEEN(b, 40), text + 100,
                       BETWEEN(a, 40), NI_NUMERICHOST | NI_NUMERICSERV | (b & 1 ? NI_DGRAM : 0));
}

static long numeric_address(void) {
    struct addrinfo hints = {.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV, .ai_family = b % 3 ? 0 : AF_INET};
    struct addrinfo *list = NULL;
    snprintf(text, ROOM, "%lu.%lu.0.1", BETWEEN(a, 255), BETWEEN(b, 300));
    int result = getaddrinfo(text, a & 1 ? "80" : NULL, &hints, &list);
    for (struct addrinfo *each = list; each != NULL; each = each->ai_next) print_number("type", each->ai_socktype);
    if (list != NULL) freeaddrinfo(list);
    return result;
}

static long parse_options(void) {
    char *arguments[] = {"program", t, a & 1 ? "-b" : "--long", "x", NULL};
    const struct option names[] = {{"long", b & 1, NULL, 'l'}, {0}};
    optind = 0;
    long all = 0;
    for (int got; (got = getopt_long(4, arguments, "ab:", names, NULL)) != -1;) all = all * 131 + got;
    return all;
}

static long glob_here(void) {
    glob_t found;
    int result = glob(t, BETWEEN(a, 127) & ~GLOB_APPEND & ~GLOB_DOOFFS, NULL, &found);
    if (result == 0 && found.gl_pathc > 0) print_text("first", found.gl_pathv[0]);
    if (result == 0) globfree(&found);
    return result;
}

static long expand(void) {
    if (strstr(t, "$$") != NULL) return -2; // The process's id.
    if (strstr(t, "$[") != NULL) return -3; // glibc 2.36 reads past the end if there is no `]` (`parse_arith`).
    wordexp_t words;
    int result = wordexp(t, &words, WRDE_NOCMD);
    if (result == 0) {
        for (size_t i = 0; i < words.we_wordc; i++) print_text("word", words.we_wordv[i]);
        wordfree(&words);
    }
    return result;
}

static long read_directory(void) {
    DIR *directory = opendir("/proc/self/fdinfo/..");
    if (directory == NULL) return -1;
    struct dirent *entry = readdir(directory);
    long at = telldir(directory);
    seekdir(directory, at);
    rewinddir(directory);
    print_number("entry", entry != NULL);
    return closedir(directory);
}

static long make_timer(void) {
    struct sigevent event = {.sigev_notify = BETWEEN(b, 5), .sigev_signo = SIGTERM};
    timer_t timer;
    return timer_create(BETWEEN(a, 15), &event, &timer) == 0 ? timer_delete(timer) : -1;
}

static long find_user(void) {
    struct passwd *found = getpwnam(a & 1 ? "root" : t);
    return found == NULL ? -1 : (long)found->pw_uid;
}

struct op {
    const char *name;
    long (*call)(void);
};
#define DEFINE(name, expression) \
    static long op_##name(void) { return expression; }
#define ENTRY(name, expression) {#name, op_##name},
OPS(DEFINE)
static const struct op ALL[] = {OPS(ENTRY)};

int main(int argc, char **argv) {
    FILE *cases = argc == 2 ? fopen(argv[1], "r") : NULL;
    if (cases == NULL) broken("usage: semantics_ops FILE");
    prepare_reports();
    setlocale(LC_ALL, "C.UTF-8");
    char name[512];
    while (fscanf(cases, "%ld %ld %255s", &a, &b, t) == 3) {
        for (size_t i = 0; i < sizeof ALL / sizeof ALL[0]; i++) {
            snprintf(name, sizeof name, "%s(%ld, %ld, %s)", ALL[i].name, a, b, t);
            begin(name, t, BETWEEN(a, 30));
            end(ALL[i].call());
        }
    }
    return fclose(cases) | fflush(report);
}
