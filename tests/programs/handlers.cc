// handlers.cc: handlers that a program, its libraries and its plugins register for fork.
//
//   handlers order PLUGIN        program and plugin register; the plugin is closed and opened again
//   handlers inside              handlers register handlers
//   handlers concurrent          a thread registers 1,000 handlers while another one forks
//   handlers exit                forks in atexit, in a static destructor, in a library's destructor
//   handlers lock FORKS MAX      a handler takes a lock that threads hold while they call libc
//   handlers libc FORKS MAX      handlers call libc
//   handlers many FORKS MAX      1,000 handlers
//   handlers early FORKS MAX     a library's constructor starts threads and forks
//
// The first four print the order in which handlers ran (p: prepare, P: parent, c: child), which
// must be the same with and without our library. The others hang bare.
#include "storm.h"

#include <pwd.h>
#include <time.h>

extern "C" struct tally early_storm(void);
extern "C" void early_fork_at_exit(void (*fork)(const char *));

static char trace[4096];

static void note(const char *event) {
    if (strlen(trace) + strlen(event) + 2 > sizeof trace) die("the trace is full");
    strcat(strcat(trace, " "), event);
}

// Forks; parent and child print what ran.
static void traced_fork(const char *when) {
    trace[0] = '\0';
    pid_t pid = fork();
    if (pid < 0) die("fork");
    if (pid == 0) {
        dprintf(1, "%s, child:%s\n", when, trace);
        _exit(0);
    }
    if (watch(pid) != FINISHED) die("%s: the child hung or crashed", when);
    dprintf(1, "%s, parent:%s\n", when, trace);
}

template <char name> struct traced {
    static void add(char phase) {
        const char event[] = {phase, name, '\0'};
        note(event);
    }
    static void prepare() { add('p'); }
    static void parent() { add('P'); }
    static void child() { add('c'); }
    static void enroll() { pthread_atfork(prepare, parent, child); }
};

// --- order

static void *open_plugin(const char *path) {
    void *plugin = dlopen(path, RTLD_NOW);
    if (plugin == NULL) die("%s", dlerror());
    auto enroll = reinterpret_cast<void (*)(void (*)(const char *))>(dlsym(plugin, "plugin_enroll"));
    enroll(note);
    return plugin;
}

static int show_order(const char *path) {
    traced_fork("none");
    traced<'A'>::enroll();
    traced_fork("program");
    void *plugin = open_plugin(path);
    traced<'C'>::enroll();
    traced_fork("program and plugin");
    pthread_atfork(traced<'D'>::prepare, NULL, NULL);
    pthread_atfork(NULL, traced<'E'>::parent, NULL);
    pthread_atfork(NULL, NULL, traced<'F'>::child);
    pthread_atfork(NULL, NULL, NULL);
    traced<'A'>::enroll();
    traced_fork("single handlers, and one twice");
    dlclose(plugin);
    traced_fork("plugin closed");
    open_plugin(path);
    traced_fork("plugin opened again");
    return 0;
}

// --- inside

static int rounds;

static void enroll_in_prepare() {
    note("p(enroll X)");
    if (rounds++ < 2) traced<'X'>::enroll();
}
static void enroll_in_parent() {
    note("P(enroll Y)");
    if (rounds < 2) traced<'Y'>::enroll();
}
static void enroll_in_child() {
    note("c(enroll Z)");
    if (rounds < 5) traced<'Z'>::enroll();
}

static int show_registration_inside() {
    pthread_atfork(enroll_in_prepare, enroll_in_parent, enroll_in_child);
    traced<'A'>::enroll();
    for (int i = 0; i < 3; i++) traced_fork("registration in handlers");
    // The child inherits what its own handlers registered.
    pid_t pid = fork();
    if (pid == 0) {
        traced_fork("in the child");
        _exit(0);
    }
    return watch(pid) == FINISHED ? 0 : 1;
}

// --- concurrent, many

enum { MANY = 1000 };
static int prepares, parents, children;
static atomic_bool enrolled_all;

static void enroll_counters() {
    pthread_atfork([] { prepares++; }, [] { parents++; }, [] { children++; });
}

static void *enroll_many(void *) {
    for (int i = 0; i < MANY; i++) {
        enroll_counters();
        sched_yield();
    }
    atomic_store(&enrolled_all, true);
    return NULL;
}

// Whatever ran before the fork must run after it, on both sides.
static void balanced_fork() {
    prepares = parents = children = 0;
    pid_t pid = fork();
    if (pid < 0) die("fork");
    if (pid == 0) _exit(prepares == children && parents == 0 ? 0 : 1);
    if (watch(pid) != FINISHED) die("the child hung, crashed or counted wrong");
    if (prepares != parents || children != 0) die("%d but %d", prepares, parents);
}

static int register_concurrently() {
    pthread_t thread;
    start_thread(&thread, enroll_many, NULL);
    while (!atomic_load(&enrolled_all)) balanced_fork();
    pthread_join(thread, NULL);
    balanced_fork();
    dprintf(1, "%d handlers\n", prepares);
    return 0;
}

// --- lock, libc

static pthread_mutex_t application_lock = PTHREAD_MUTEX_INITIALIZER;
static void lock() { pthread_mutex_lock(&application_lock); }
static void unlock() { pthread_mutex_unlock(&application_lock); }

static void call_localtime() {
    time_t moment = 1700000000;
    localtime(&moment);
}

// One of the threads makes its calls under the application's lock, and one makes them without.
static void call_localtime_locked_or_not() {
    static atomic_int next;
    static thread_local int mine = atomic_fetch_add(&next, 1);
    if (mine % 2 == 0) {
        lock();
        call_localtime();
        unlock();
    } else {
        call_localtime();
    }
}

static void call_libc() {
    call_localtime();
    setenv("FORKFIX_TEST", "value", 1);
    if (getpwnam("root") == NULL) die("no root");
    free(malloc(1000));
}

// --- exit

static bool at_exit;

static struct forks_when_destroyed {
    ~forks_when_destroyed() {
        if (!at_exit) return;
        call_libc();
        traced_fork("static destructor");
    }
} forks_when_destroyed;

static int leave() {
    at_exit = true;
    traced<'A'>::enroll();
    early_fork_at_exit(traced_fork);
    atexit([] {
        call_libc();
        traced_fork("atexit");
    });
    traced_fork("main");
    return 0;
}

int main(int argc, char **argv) {
    const char *mode = argc > 1 ? argv[1] : "";
    if (strcmp(mode, "order") == 0 && argc == 3) return show_order(argv[2]);
    if (strcmp(mode, "inside") == 0) return show_registration_inside();
    if (strcmp(mode, "concurrent") == 0) return register_concurrently();
    if (strcmp(mode, "exit") == 0) return leave();
    if (argc != 4) die("usage: handlers MODE [PLUGIN | FORKS MAX_HANGS]");
    call_fn *hammer = call_localtime;
    if (strcmp(mode, "early") == 0) return report(early_storm());
    if (strcmp(mode, "lock") == 0) {
        pthread_atfork(lock, unlock, unlock);
        hammer = call_localtime_locked_or_not;
    } else if (strcmp(mode, "libc") == 0) {
        pthread_atfork(call_libc, call_libc, call_libc);
        hammer = call_libc;
    } else if (strcmp(mode, "many") == 0) {
        for (int i = 0; i < MANY; i++) enroll_counters();
    } else {
        die("no mode %s", mode);
    }
    return report(storm({atoi(argv[2]), atoi(argv[3]), 2, hammer, call_localtime, NULL}));
}
