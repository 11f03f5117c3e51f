// soak.c: everything at once, for as long as it is told.
//
//   soak SECONDS SEED MAX_HANGS
//
// Eight threads make random calls, take locks, run parallel regions and fork; short threads come, go and are
// cancelled, and signals hit any of them. Each child makes every kind of call and looks at what the locks guard; some
// fork again, start threads, execute a program, run out of memory, descriptors or processes, or are killed. The last lines are
// what hung and "seed=… operations=… descriptors=… forks=N hangs=N crashes=N": descriptors are those that are left
// over. Bare it hangs at once.

// Children of several soaks at once have little of a machine each.
#define DEADLINE_MS 60000
#include "soak_ops.h"

#include <sys/mman.h>

enum { WORKERS = 8, DEPTH = 2, FIRST = 20 };

static struct {
    atomic_long operations, forks, hangs, crashes;
} *shared;

// What this process is about to do; its parent reads it when it hangs.
static struct note {
    char text[64];
} *note;

static atomic_bool stop;
static int max_hangs;
static const char *self;

static void perform(const struct operation *operation) {
    operation->call();
    atomic_fetch_add_explicit(&shared->operations, 1, memory_order_relaxed);
}

static void fork_and_watch(int depth);

// --- children

static void *perform_a_few(void *seed) {
    random_state = (unsigned long)seed | 1;
    for (int i = 0; i < 20; i++) perform(&OPERATIONS[draw(CHEAP)]);
    return NULL;
}

// Two more threads, so that this child is a program like its parent.
static void among_threads(void (*what)(int), int depth) {
    pthread_t threads[2];
    int started = 0;
    for (long i = 0; i < 2; i++)
        started += pthread_create(&threads[started], NULL, perform_a_few, (void *)(long)draw(1 << 30)) == 0;
    what(depth);
    for (int i = 0; i < started; i++) pthread_join(threads[i], NULL);
}

static void without_descriptors(int unused) {
    struct rlimit limit = {64, 64};
    setrlimit(RLIMIT_NOFILE, &limit);
    while (open("/dev/null", O_RDONLY | O_CLOEXEC) >= 0) continue;
    pid_t pid = fork();
    if (pid == 0) {
        for (int i = 0; i < CHEAP; i++) perform(&OPERATIONS[i]);
        _exit(0);
    }
    int status = 0;
    if (pid > 0 && waitpid(pid, &status, 0) == pid && status != 0) _exit(7);
}

static void without_memory(int unused) {
    char text[128];
    unsigned long pages = 0;
    if (read_file("/proc/self/statm", text, sizeof text) > 0) sscanf(text, "%lu", &pages);
    struct rlimit limit = {(pages + 256) * 4096, RLIM_INFINITY};
    setrlimit(RLIMIT_AS, &limit);
    pid_t pid = fork();
    if (pid == 0) {
        // OpenMP ends the process if it cannot start its threads.
        for (int i = 0; i < CHEAP; i++)
            if (OPERATIONS[i].call != use_openmp) perform(&OPERATIONS[i]);
        _exit(0);
    }
    int status = 0;
    if (pid > 0 && waitpid(pid, &status, 0) == pid && status != 0) _exit(8);
    limit.rlim_cur = RLIM_INFINITY;
    setrlimit(RLIMIT_AS, &limit);
}

static void without_processes(int unused) {
    // Who may do everything has no limit.
    struct rlimit limit = {0, 0};
    if (setrlimit(RLIMIT_NPROC, &limit) != 0 || syscall(SYS_setresuid, 65534, 65534, 65534) != 0) return;
    pid_t pid = fork();
    if (pid == 0) _exit(0);
    if (pid > 0 || errno != EAGAIN) _exit(9);
}

static void child(int depth, unsigned seed) {
    random_state = seed | 1;
    int first = draw(CHEAP);
    for (int i = 0; i < CHEAP; i++) {
        const struct operation *operation = &OPERATIONS[(first + i) % CHEAP];
        snprintf(note->text, sizeof note->text, "%s", operation->name);
        perform(operation);
    }
    if (atomic_load(&torn)) _exit(5);
    if (depth < DEPTH) {
        unsigned kind = draw(16);
        snprintf(note->text, sizeof note->text, "kind %u", kind);
        if (kind < 2) among_threads(fork_and_watch, depth + 1);
        if (kind == 2) among_threads(without_descriptors, depth);
        if (kind == 3) among_threads(without_memory, depth);
        if (kind == 4) among_threads(without_processes, depth);
        // Not among the first: where all children execute, a fork waits for no lock.
        if (kind == 5 && atomic_load(&shared->forks) > FIRST) execl(self, "soak", "exec", NULL);
        if (kind == 6) perform(&OPERATIONS[CHEAP + draw(2)]);
        if (kind == 7) exit(0);
    }
    _exit(atomic_load(&torn) ? 6 : 0);
}

static void fork_and_watch(int depth) {
    unsigned seed = draw(1u << 31);
    // Each has a note of its own, which both see.
    struct note *own = mmap(NULL, sizeof *own, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (own == MAP_FAILED) die("mmap");
    pid_t pid = fork();
    if (pid < 0) die("fork");
    if (pid == 0) {
        note = own;
        child(depth, seed);
    }
    atomic_fetch_add(&shared->forks, 1);
    bool killed = draw(16) == 0;
    if (killed) {
        perform(&OPERATIONS[draw(CHEAP)]);
        kill(pid, SIGKILL);
    }
    int status = 0;
    if (!ends_in_time(pid, &status)) {
        dprintf(1, "a child hung at depth %d: %s\n", depth, own->text);
        atomic_fetch_add(&shared->hangs, 1);
    } else if (status != 0 && !killed) {
        dprintf(1, "a child ended with status %#x at depth %d: %s\n", status, depth, own->text);
        atomic_fetch_add(&shared->crashes, 1);
    }
    munmap(own, sizeof *own);
}

// --- the parent

static void unlock(void *mutex) { pthread_mutex_unlock((pthread_mutex_t *)mutex); }

// glibc leaves locks behind at some of its points of cancellation, so most calls are made without.
static void *live_shortly(void *seed) {
    pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, NULL);
    perform_a_few(seed);
    pthread_setcancelstate(PTHREAD_CANCEL_ENABLE, NULL);
    pthread_mutex_lock(&guarded.mutex);
    pthread_cleanup_push(unlock, &guarded.mutex);
    for (;;) pthread_cond_wait(&guarded.cond, &guarded.mutex);
    pthread_cleanup_pop(1);
}

static void start_and_cancel(void) {
    pthread_t thread;
    start_thread(&thread, live_shortly, (void *)(long)draw(1 << 30));
    pthread_cancel(thread);
    pthread_join(thread, NULL);
}

static void *work(void *number) {
    random_state = (unsigned long)number * 0x9e3779b97f4a7c15ull | 1;
    while (!atomic_load(&stop)) {
        unsigned kind = draw(200);
        if (kind == 0) fork_and_watch(0);
        else if (kind == 1) start_and_cancel();
        else if (kind == 2) perform(&OPERATIONS[CHEAP + draw(2)]);
        else perform(&OPERATIONS[draw(CHEAP)]);
    }
    return NULL;
}

static atomic_int signals;

static void on_signal(int number) {
    (void)number;
    atomic_fetch_add(&signals, 1);
}

static int descriptors(void) {
    int count = 0;
    DIR *directory = opendir("/proc/self/fd");
    while (readdir(directory) != NULL) count++;
    closedir(directory);
    return count;
}

int main(int argc, char **argv) {
    self = argv[0];
    if (argc == 2 && strcmp(argv[1], "exec") == 0) return 0;
    if (argc != 4) die("usage: soak SECONDS SEED MAX_HANGS");
    long end = now_ms() + 1000 * atol(argv[1]);
    unsigned long seed = strtoul(argv[2], NULL, 10);
    max_hangs = atoi(argv[3]);
    shared = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (shared == MAP_FAILED) die("mmap");
    prepare_operations();
    struct sigaction action = {.sa_handler = on_signal, .sa_flags = SA_RESTART};
    sigaction(SIGUSR1, &action, NULL);
    for (int i = 0; i < CHEAP; i++) OPERATIONS[i].call();
    int before = descriptors();
    pthread_t threads[WORKERS];
    for (long i = 0; i < WORKERS; i++) start_thread(&threads[i], work, (void *)(seed * WORKERS + i + 1));
    while (now_ms() < end && atomic_load(&shared->crashes) == 0 &&
           (max_hangs == 0 || atomic_load(&shared->hangs) < max_hangs)) {
        usleep(1000);
        pthread_kill(threads[now_ms() % WORKERS], SIGUSR1);
    }
    atomic_store(&stop, true);
    for (int i = 0; i < WORKERS; i++) pthread_join(threads[i], NULL);
    if (atomic_load(&torn)) die("what a lock guards is torn in the parent");
    printf("seed=%lu operations=%ld signals=%d descriptors=%d ", seed, atomic_load(&shared->operations), signals,
           descriptors() - before);
    struct tally tally = {(int)shared->forks, (int)shared->hangs, (int)shared->crashes};
    return report(tally);
}
