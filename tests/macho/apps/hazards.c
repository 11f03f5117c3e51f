// hazards.c: threads make a call all the time, the process forks, and each child makes the call.
//
//   hazards list
//   hazards CALL FORKS MAX_HANGS [fork|vfork|forkpty]     0: never stop
#include <dlfcn.h>
#include <grp.h>
#include <locale.h>
#include <netdb.h>
#include <pwd.h>
#include <syslog.h>
#include <utmpx.h>

#include "storm.h"

extern pid_t forkpty(int *, char *, void *, void *);

static FILE *null;

static void call_localtime(void) {
    time_t now = 1000000000;
    struct tm to;
    localtime_r(&now, &to);
}

static void call_mktime(void) {
    struct tm to = {.tm_year = 101, .tm_mday = 1};
    mktime(&to);
}

static void call_setenv(void) {
    setenv("HAZARD", "value", 1);
}

static void call_unsetenv(void) {
    unsetenv("HAZARD");
}

static void call_setlocale(void) {
    setlocale(LC_ALL, NULL);
}

static void call_localeconv(void) {
    localeconv();
}

static void call_getpwnam(void) {
    getpwnam("root");
}

static void call_getgrgid(void) {
    getgrgid(0);
}

static void call_getaddrinfo(void) {
    struct addrinfo *found;
    if (getaddrinfo("localhost", NULL, NULL, &found) == 0) freeaddrinfo(found);
}

static void call_getservbyname(void) {
    getservbyname("http", "tcp");
}

static void call_syslog(void) {
    syslog(LOG_DEBUG, "%d", 1);
}

static void call_getlogin(void) {
    getlogin();
}

static void call_getutxent(void) {
    getutxent();
}

static void call_system(void) {
    system("true");
}

static void call_popen(void) {
    FILE *pipe = popen("true", "r");
    if (pipe != NULL) pclose(pipe);
}

static void call_fprintf(void) {
    fprintf(null, "%d\n", 1);
}

static void call_fopen(void) {
    fclose(fopen("/dev/null", "r"));
}

static void call_fflush(void) {
    fflush(NULL);
}

static void nothing(void) {}

static void call_atexit(void) {
    atexit(nothing);
}

static void call_exit(void) {
    exit(0);
}

// A thread that holds a lock which fork itself takes later than the program's handlers, and that
// waits at the library's gate, if there is one.
static void call_setenv_with_lock(void) {
    static void (*with_lock)(void (*)(void));
    if (with_lock == NULL)
        with_lock = (void (*)(void (*)(void)))dlsym(RTLD_DEFAULT, "macho_run_with_runtime_lock");
    with_lock(call_setenv);
}

static const struct hazard {
    const char *name;
    void (*hammer)(void);
    void (*child)(void);
} hazards[] = {
    {"localtime", call_localtime, call_localtime},
    {"mktime", call_mktime, call_mktime},
    {"setenv", call_setenv, call_setenv},
    {"unsetenv", call_unsetenv, call_unsetenv},
    {"setlocale", call_setlocale, call_setlocale},
    {"localeconv", call_localeconv, call_localeconv},
    {"getpwnam", call_getpwnam, call_getpwnam},
    {"getgrgid", call_getgrgid, call_getgrgid},
    {"getaddrinfo", call_getaddrinfo, call_getaddrinfo},
    {"getservbyname", call_getservbyname, call_getservbyname},
    {"syslog", call_syslog, call_syslog},
    {"getlogin", call_getlogin, call_getlogin},
    {"getutxent", call_getutxent, call_getutxent},
    {"system", call_system, call_system},
    {"popen", call_popen, call_popen},
    {"fprintf", call_fprintf, call_fprintf},
    {"fopen", call_fopen, call_fopen},
    {"fflush", call_fprintf, call_fflush},
    {"exit", call_atexit, call_exit},
    {"runtime-lock", call_setenv_with_lock, call_setenv},
};

static void (*hammered)(void);
static atomic_int running;
static atomic_bool stop;

static void *hammer(void *unused) {
    hammered();
    atomic_fetch_add(&running, 1);
    while (!atomic_load(&stop)) hammered();
    return unused;
}

// `*master`: the terminal of a child of forkpty, which hangs up on it when this is closed.
static pid_t fork_by(const char *way, int *master) {
    *master = -1;
    if (strcmp(way, "vfork") == 0) return vfork();
    if (strcmp(way, "forkpty") == 0) return forkpty(master, NULL, NULL, NULL);
    return fork();
}

static struct tally storm(const struct hazard *hazard, int forks, int max_hangs, const char *way) {
    struct tally tally = {0};
    pthread_t threads[HAMMERS];
    hammered = hazard->hammer;
    for (int i = 0; i < HAMMERS; i++)
        if (pthread_create(&threads[i], NULL, hammer, NULL) != 0) fail("pthread_create");
    while (atomic_load(&running) < HAMMERS) sched_yield();
    while (tally.forks < forks && (max_hangs == 0 || tally.hangs < max_hangs)) {
        int master;
        pid_t child = fork_by(way, &master);
        if (child == 0) {
            hazard->child();
            _exit(0);
        }
        watch(&tally, child);
        if (master >= 0) close(master);
    }
    atomic_store(&stop, true);
    for (int i = 0; i < HAMMERS; i++) pthread_join(threads[i], NULL);
    return tally;
}

int main(int argc, char **argv) {
    null = fopen("/dev/null", "w");
    for (size_t i = 0; i < sizeof hazards / sizeof *hazards; i++) {
        if (argc == 2) printf("%s\n", hazards[i].name);
        if (argc < 4 || strcmp(argv[1], hazards[i].name) != 0) continue;
        const char *way = argc > 4 ? argv[4] : "fork";
        return report(storm(&hazards[i], atoi(argv[2]), atoi(argv[3]), way));
    }
    return argc == 2 ? 0 : 99;
}
