// fork_state.c: what a program can see of its own state around fork and around libc calls.
//
//   fork_state errno      the errno that each call leaves behind, one line a call
//   fork_state mask       the signal mask around fork and in its handlers
//   fork_state failure    fork fails with EAGAIN at the limit of processes, and works again later
//
// The first two print what they see; with and without the library it must be the same.
#include "storm.h"

#include <arpa/inet.h>
#include <grp.h>
#include <libintl.h>
#include <locale.h>
#include <netdb.h>
#include <pwd.h>
#include <stdint.h>
#include <sys/resource.h>
#include <syslog.h>
#include <time.h>

static time_t moment = 1700000000;
static struct tm tm;
static char text[1024];
static struct passwd user, *found;

// --- errno

#define SHOW(call)                                                                                 \
    do {                                                                                           \
        errno = 1234;                                                                              \
        long result = (long)(call);                                                                \
        int error = errno;                                                                         \
        printf("%s: errno %d, %s\n", #call, error, result == 0 ? "zero" : "not zero");             \
    } while (0)

static int show_errno(void) {
    // Zero, says the C standard.
    printf("at the start: errno %d\n", errno);
    struct addrinfo *list = NULL;
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(0x7f000001)};
    locale_t locale = NULL;
    // Twice: the first call of a process loads files, which leaves an errno of its own.
    for (int round = 0; round < 2; round++) {
        SHOW(localtime(&moment));
        SHOW(localtime_r(&moment, &tm));
        SHOW(gmtime(&moment));
        SHOW(mktime(&tm));
        SHOW(ctime(&moment));
        SHOW((tzset(), 0));
        SHOW(strftime(text, sizeof text, "%c %Z", &tm));
        SHOW(localtime(&(time_t){INT64_MAX}));
        SHOW(setenv("FORKFIX_TEST", "value", 1));
        SHOW(setenv("", "value", 1));
        SHOW(setenv("A=B", "value", 1));
        SHOW(unsetenv("FORKFIX_TEST"));
        SHOW(unsetenv("A=B"));
        SHOW(putenv("FORKFIX_TEST=again"));
        SHOW(setlocale(LC_ALL, "C.UTF-8"));
        SHOW(setlocale(LC_ALL, "no-such-locale"));
        SHOW(setlocale(LC_ALL, NULL));
        SHOW(locale = newlocale(LC_ALL_MASK, "C.UTF-8", NULL));
        SHOW((freelocale(locale), 0));
        SHOW(newlocale(LC_ALL_MASK, "no-such-locale", NULL));
        SHOW(strerror(ENOENT));
        SHOW(strerror(98765));
        SHOW(strerror_r(ENOENT, text, sizeof text));
        SHOW(textdomain("forkfix-test"));
        SHOW(gettext("message"));
        SHOW((random(), 0));
        SHOW((srandom(1), 0));
        SHOW(initstate(1, text, 4));
        SHOW(getpwnam("root"));
        SHOW(getpwnam("nobody-has-this-name"));
        SHOW(getpwuid(0));
        SHOW(getpwuid(54321));
        SHOW(getpwnam_r("root", &user, text, sizeof text, &found));
        SHOW(getpwnam_r("root", &user, text, 1, &found));
        SHOW(getgrnam("root"));
        SHOW(getgrnam("nobody-has-this-name"));
        SHOW(getgrgid(0));
        SHOW((setpwent(), 0));
        SHOW(getpwent());
        SHOW((endpwent(), 0));
        SHOW(gethostbyname("localhost"));
        SHOW(gethostbyaddr(&address.sin_addr, 4, AF_INET));
        SHOW(getaddrinfo("127.0.0.1", "80", NULL, &list));
        SHOW((freeaddrinfo(list), 0));
        SHOW(getaddrinfo("localhost", "no-such-service", NULL, &list));
        SHOW(getnameinfo((void *)&address, sizeof address, text, 1024, NULL, 0, NI_NUMERICHOST));
        SHOW(getservbyname("http", "tcp"));
        SHOW(getservbyname("no-such-service", "tcp"));
        SHOW(getprotobyname("tcp"));
        SHOW(getprotobynumber(254));
        SHOW(getnetbyname("loopback"));
        SHOW((openlog("forkfix-test", 0, LOG_USER), 0));
        SHOW((syslog(LOG_DEBUG, "text"), 0));
        SHOW((closelog(), 0));
        SHOW(fork() == 0 ? (_exit(0), 0) : 1);
        SHOW(wait(NULL) > 0);
    }
    return 0;
}

// --- mask

static char seen[4096];

static void note_mask(const char *where) {
    sigset_t mask;
    pthread_sigmask(SIG_SETMASK, NULL, &mask);
    size_t length = strlen(seen);
    length += snprintf(seen + length, sizeof seen - length, "%s:", where);
    for (int signal = 1; signal <= SIGRTMAX; signal++)
        if (sigismember(&mask, signal) == 1)
            length += snprintf(seen + length, sizeof seen - length, " %d", signal);
    snprintf(seen + length, sizeof seen - length, "\n");
}

static void note_prepare(void) { note_mask("prepare"); }
static void note_parent(void) { note_mask("parent"); }
static void note_child(void) { note_mask("child"); }

static void *wait_for_ever(void *argument) {
    (void)argument;
    for (;;) pause();
    return NULL;
}

static int show_masks(void) {
    pthread_atfork(note_prepare, note_parent, note_child);
    sigset_t mask;
    sigemptyset(&mask);
    sigaddset(&mask, SIGUSR1);
    sigaddset(&mask, SIGTERM);
    sigaddset(&mask, SIGRTMIN + 3);
    pthread_sigmask(SIG_SETMASK, &mask, NULL);
    pthread_t thread;
    for (int threads = 0; threads < 2; threads++) {
        seen[0] = '\0';
        fflush(stdout);
        pid_t pid = fork();
        note_mask(pid == 0 ? "after, child" : "after, parent");
        if (pid != 0 && watch(pid) != FINISHED) die("the child hung or crashed");
        printf("%s process, %s\n%s", pid == 0 ? "child" : "parent",
               threads == 0 ? "alone" : "with threads", seen);
        if (pid == 0) {
            fflush(stdout);
            _exit(0);
        }
        start_thread(&thread, wait_for_ever, NULL);
    }
    return 0;
}

// --- failure

static int prepares, parents;
static void count_prepare(void) { prepares++; }
static void count_parent(void) { parents++; }

static atomic_long calls;

static void call_localtime(void) {
    localtime(&moment);
    atomic_fetch_add(&calls, 1);
}

static void limit_processes(rlim_t limit, rlim_t maximum) {
    struct rlimit processes = {limit, maximum};
    if (setrlimit(RLIMIT_NPROC, &processes) != 0) die("setrlimit");
}

static int fail_and_recover(void) {
    enum { FAILURES = 100, NOBODY = 65534 };
    // The limit does not bind root.
    if (geteuid() == 0 && (setgroups(0, NULL) != 0 || setgid(NOBODY) != 0 || setuid(NOBODY) != 0))
        die("setuid");
    // For the parent to see the children in /proc although the ids changed.
    prctl(PR_SET_DUMPABLE, 1);
    struct rlimit before;
    getrlimit(RLIMIT_NPROC, &before);
    pthread_atfork(count_prepare, count_parent, NULL);
    struct hammering hammering;
    pthread_t threads[2];
    start_hammering(&hammering, threads, 2, call_localtime);
    limit_processes(1, before.rlim_max);
    for (int i = 0; i < FAILURES; i++) {
        errno = 1234;
        pid_t pid = fork();
        if (pid == 0) _exit(0);
        if (pid > 0 || errno != EAGAIN) die("fork: %d", pid);
        // The other threads go on.
        long reached = atomic_load(&calls);
        while (atomic_load(&calls) == reached) call_localtime();
    }
    if (prepares != FAILURES || parents != FAILURES) die("handlers: %d, %d", prepares, parents);
    limit_processes(before.rlim_cur, before.rlim_max);
    struct tally tally = {0};
    while (tally.forks < 200) count(&tally, fork_once(NULL, count_prepare));
    stop_hammering(&hammering, threads, 2);
    return report(tally);
}

int main(int argc, char **argv) {
    const char *mode = argc == 2 ? argv[1] : "";
    if (strcmp(mode, "errno") == 0) return show_errno();
    if (strcmp(mode, "mask") == 0) return show_masks();
    if (strcmp(mode, "failure") == 0) return fail_and_recover();
    die("usage: fork_state errno|mask|failure");
}
