// initialise.c: forks while another thread initialises what the child is going to use. This is no C++
// program: what is opened with RTLD_LOCAL brings its C++ library where nobody else sees it.
//
//   initialise MODE PLUGIN USE SCOPE FORKS MAX_HANGS
//
// USE is a function of initialise_plugin.cc, SCOPE is local or global. There is one variable for each
// fork. MODE is what the other thread's initialiser does, and what is right in the child:
//
//   first   takes a moment; the child finds the variable initialised
//   throw   takes a moment, and fails twice before it succeeds; so may the child's
//   stuck   waits until the child has ended; the child initialises the variable anew
//   race    the same, and two threads of the child use it at once
#include "storm.h"

enum { MOMENT = 300000 };

typedef int initialiser(int number);
typedef int use_fn(int number, initialiser *initialise);

static use_fn *use;
static atomic_int turn = -1, begun = -1, ended = -1, calls;
static int go_on[2];

static void take_a_moment(void) {
    for (volatile int i = 0; i < MOMENT; i++) {}
}

static int takes_a_moment(int number) {
    atomic_store(&begun, number);
    take_a_moment();
    return number;
}

static int fails_twice(int number) {
    takes_a_moment(number);
    return atomic_fetch_add(&calls, 1) % 3 == 2 ? number : -1;
}

static int waits(int number) {
    char byte;
    atomic_store(&begun, number);
    return read(go_on[0], &byte, 1) == 1 ? number : -1;
}

static int is_wrong(int number) {
    (void)number;
    _exit(1);
}

static int is_counted(int number) {
    atomic_fetch_add(&calls, 1);
    take_a_moment();
    return number;
}

// --- the children

static int number;

static void use_it(initialiser *initialise) {
    int value;
    while ((value = use(number, initialise)) < 0) {}
    if (value != number) _exit(1);
}

static void child_first(void) { use_it(is_wrong); }
static void child_throw(void) { use_it(fails_twice); }

static void child_stuck(void) {
    atomic_store(&calls, 0);
    use_it(is_counted);
    if (atomic_load(&calls) != 1) _exit(1);
}

static void *race_thread(void *unused) {
    use_it(is_counted);
    return unused;
}

static void child_race(void) {
    pthread_t threads[2];
    atomic_store(&calls, 0);
    for (int i = 0; i < 2; i++) start_thread(&threads[i], race_thread, NULL);
    for (int i = 0; i < 2; i++) pthread_join(threads[i], NULL);
    if (atomic_load(&calls) != 1) _exit(1);
}

static const struct mode {
    const char *name;
    initialiser *initialise;
    call_fn *child;
} MODES[] = {
    {"first", takes_a_moment, child_first},
    {"throw", fails_twice, child_throw},
    {"stuck", waits, child_stuck},
    {"race", waits, child_race},
};

// --- the parent

static void *initialise_in_turn(void *argument) {
    const struct mode *mode = argument;
    for (int next = 0;; next++) {
        while (atomic_load(&turn) < next) sched_yield();
        while (use(next, mode->initialise) < 0) {}
        atomic_store(&ended, next);
    }
    return NULL;
}

static const struct mode *find_mode(const char *name) {
    for (size_t i = 0; i < sizeof MODES / sizeof MODES[0]; i++)
        if (strcmp(name, MODES[i].name) == 0) return &MODES[i];
    die("no such mode: %s", name);
}

int main(int argc, char **argv) {
    if (argc != 7) die("usage: initialise MODE PLUGIN USE SCOPE FORKS MAX_HANGS");
    const struct mode *mode = find_mode(argv[1]);
    int scope = strcmp(argv[4], "local") == 0 ? RTLD_LOCAL : RTLD_GLOBAL;
    void *plugin = dlopen(argv[2], RTLD_NOW | scope);
    if (plugin == NULL) die("%s", dlerror());
    use = (use_fn *)dlsym(plugin, argv[3]);
    if (use == NULL) die("%s", dlerror());
    int forks = atoi(argv[5]), max_hangs = atoi(argv[6]);
    pthread_t thread;
    struct tally tally = {0};
    if (pipe(go_on) != 0) die("pipe");
    start_thread(&thread, initialise_in_turn, (void *)mode);
    while (tally.forks < forks && (max_hangs == 0 || tally.hangs < max_hangs)) {
        number = tally.forks;
        atomic_store(&turn, number);
        while (atomic_load(&begun) < number) sched_yield();
        count(&tally, fork_once(NULL, mode->child));
        if (mode->initialise == waits && write(go_on[1], "", 1) != 1) die("write");
        while (atomic_load(&ended) < number) sched_yield();
    }
    return report(tally);
}
