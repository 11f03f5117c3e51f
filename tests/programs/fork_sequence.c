// fork_sequence.c: forks at awkward moments, while other threads are inside libc.
//
//   fork_sequence MODE FORKS MAX_HANGS
//
//   signal           fork in a SIGALRM handler that interrupted localtime; other threads
//                    call random, and so do the children
//   signal-alone     the same in a process that has no other thread
//   two, eight       that many threads fork at once while two others hammer
//   nested           a prepare, a parent and a child handler fork, too
//   descendants      each child starts threads of its own and forks again
//   thread-storm     threads start and end all the time, and call libc as they end
//   thread-leak      the same; and 18,000 such threads must leave no memory behind
//   handlers         signal handlers call libc all the time, also in the forking thread
//   flockfile        one thread holds a stream's lock while it calls localtime, one flushes
//                    all streams
//   vfork            threads are inside for long; their first calls are made by children of vfork
//
// All modes but signal-alone hang bare.
#include "storm.h"

#include <regex.h>
#include <sys/time.h>
#include <time.h>

static int forks, max_hangs;
static atomic_int done, hangs, crashes;

static void add(enum verdict verdict) {
    atomic_fetch_add(&done, 1);
    atomic_fetch_add(&hangs, verdict == HUNG);
    atomic_fetch_add(&crashes, verdict == CRASHED);
}

static bool enough(void) {
    return atomic_load(&done) >= forks || (max_hangs > 0 && atomic_load(&hangs) >= max_hangs);
}

// For a child that has seen a hang further down: it hangs as well.
__attribute__((noreturn)) static void hang_too(void) {
    for (;;) syscall(SYS_futex, &(int){0}, 0 /* FUTEX_WAIT */, 0, NULL);
}

static struct tally total(void) {
    return (struct tally){atomic_load(&done), atomic_load(&hangs), atomic_load(&crashes)};
}

static void call_localtime(void) {
    time_t moment = 1700000000;
    localtime(&moment);
}

static void call_random(void) { random(); }

// --- signal

// Every other child goes on where the signal came, leaves the interrupted call, makes it once more
// and ends. It cannot make it in the handler: its own thread may hold the lock.
static volatile sig_atomic_t is_child;

static void fork_in_handler(int signal) {
    (void)signal;
    int error = errno;
    static bool returns;
    if (enough()) return;
    returns = !returns;
    pid_t pid = fork();
    if (pid < 0) die("fork");
    if (pid == 0) {
        call_random();
        if (!returns) _exit(0);
        is_child = 1;
        return;
    }
    add(watch(pid));
    errno = error;
}

static void fork_in_handlers(void) {
    struct sigaction action = {.sa_handler = fork_in_handler, .sa_flags = SA_RESTART};
    sigaction(SIGALRM, &action, NULL);
    // The first call sets the zone up, and allocates.
    call_localtime();
    struct itimerval often = {{0, 500}, {0, 500}};
    setitimer(ITIMER_REAL, &often, NULL);
    while (!enough()) {
        call_localtime();
        if (is_child) {
            call_localtime();
            _exit(0);
        }
    }
    often = (struct itimerval){0};
    setitimer(ITIMER_REAL, &often, NULL);
}

static struct tally storm_in_handlers(bool with_threads) {
    struct hammering hammering = {.call = call_random};
    pthread_t threads[2];
    // SIGALRM goes to the process; it must reach the main thread. The others are born with all
    // signals blocked: one that blocked them itself could be interrupted before.
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    for (int i = 0; with_threads && i < 2; i++)
        start_thread(&threads[i], hammer_thread, &hammering);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    fork_in_handlers();
    if (with_threads) stop_hammering(&hammering, threads, 2);
    return total();
}

// --- two, eight

static void *fork_until_enough(void *argument) {
    (void)argument;
    while (!enough()) add(fork_once(NULL, call_localtime));
    return NULL;
}

static struct tally storm_with_forkers(int count) {
    struct hammering hammering;
    pthread_t hammers[2], forkers[8];
    start_hammering(&hammering, hammers, 2, call_localtime);
    for (int i = 0; i < count; i++) start_thread(&forkers[i], fork_until_enough, NULL);
    for (int i = 0; i < count; i++) pthread_join(forkers[i], NULL);
    stop_hammering(&hammering, hammers, 2);
    return total();
}

// --- nested

static _Thread_local bool in_handler;

static void fork_within(void) {
    if (in_handler) return;
    in_handler = true;
    enum verdict verdict = fork_once(NULL, call_localtime);
    in_handler = false;
    if (verdict == CRASHED) die("a nested child crashed");
    // A hang of the outer child, in the child handler; of the main process otherwise.
    if (verdict == HUNG) add(HUNG);
}

static void fork_within_child(void) {
    if (in_handler) return;
    int before = atomic_load(&hangs);
    fork_within();
    if (atomic_load(&hangs) != before) hang_too();
}

// --- descendants

static void storm_again(void) {
    struct tally tally = storm((struct storm){10, 1, 2, call_localtime, call_localtime, NULL});
    if (tally.hangs > 0) hang_too();
    _exit(tally.crashes == 0 ? 0 : 1);
}

// --- thread-storm

static pthread_key_t key;
static atomic_int threads_ended;

static void call_at_thread_exit(void *value) {
    // Every destructor round but the last sets the key again, so that some of these calls come
    // after any destructor of anybody else has run.
    call_localtime();
    call_random();
    size_t round = (size_t)value;
    if (round < 4) pthread_setspecific(key, (void *)(round + 1));
}

static void *short_life(void *argument) {
    (void)argument;
    pthread_setspecific(key, (void *)1);
    for (int i = 0; i < 100; i++) {
        call_localtime();
        call_random();
    }
    return NULL;
}

static atomic_bool stop_starting;

static void *start_and_end_threads(void *argument) {
    (void)argument;
    while (!atomic_load(&stop_starting)) {
        pthread_t thread;
        start_thread(&thread, short_life, NULL);
        pthread_join(thread, NULL);
        atomic_fetch_add(&threads_ended, 1);
    }
    return NULL;
}

// Memory in use, in kB.
static long memory_kb(void) {
    char text[4096];
    if (read_proc(getpid(), "smaps_rollup", text, sizeof text) <= 0) die("smaps_rollup");
    return atol(strstr(text, "\nRss:") + 5);
}

static void wait_for_threads(int count) {
    while (atomic_load(&threads_ended) < count) sched_yield();
}

static void check_leak(void) {
    enum { WARM = 2000, MANY = 20000, GROWTH_KB = 512 };
    wait_for_threads(WARM);
    long before = memory_kb();
    wait_for_threads(MANY);
    long growth = memory_kb() - before;
    // A record of 64 bytes for each would be 1.1 MB.
    if (growth > GROWTH_KB) die("%d threads left %ld kB behind", MANY - WARM, growth);
}

static struct tally storm_of_threads(bool leak) {
    pthread_t starters[3];
    if (pthread_key_create(&key, call_at_thread_exit) != 0) die("pthread_key_create");
    for (int i = 0; i < 3; i++) start_thread(&starters[i], start_and_end_threads, NULL);
    if (leak) check_leak();
    while (!enough()) add(fork_once(NULL, done % 2 == 0 ? call_localtime : call_random));
    atomic_store(&stop_starting, true);
    for (int i = 0; i < 3; i++) pthread_join(starters[i], NULL);
    return total();
}

// --- handlers

static atomic_bool stop_signals;
static struct hammering signalled;
static pthread_t signalled_threads[2];

// Long enough to be in the middle of it when the fork comes.
static void call_random_in_handler(int signal) {
    (void)signal;
    for (int i = 0; i < 50; i++) call_random();
}

// To the process, which is any thread and often the one that forks, and to the threads that
// are inside libc.
static void *send_signals(void *argument) {
    (void)argument;
    sigset_t all;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, NULL);
    for (int i = 0; !atomic_load(&stop_signals); i++) {
        kill(getpid(), SIGUSR1);
        pthread_kill(signalled_threads[i % 2], SIGUSR1);
        sched_yield();
    }
    return NULL;
}

static void call_both(void) {
    call_localtime();
    call_random();
}

static struct tally storm_of_signals(void) {
    struct sigaction action = {.sa_handler = call_random_in_handler, .sa_flags = SA_RESTART};
    sigaction(SIGUSR1, &action, NULL);
    start_hammering(&signalled, signalled_threads, 2, call_localtime);
    pthread_t sender;
    start_thread(&sender, send_signals, NULL);
    while (!enough()) add(fork_once(NULL, call_both));
    atomic_store(&stop_signals, true);
    pthread_join(sender, NULL);
    stop_hammering(&signalled, signalled_threads, 2);
    return total();
}

// --- flockfile

static FILE *stream;

static void use_locked_stream(void) {
    flockfile(stream);
    for (int i = 0; i < 100; i++) {
        call_localtime();
        putc_unlocked('x', stream);
    }
    rewind(stream);
    funlockfile(stream);
}

static void flush_all(void) { fflush(NULL); }

static struct tally storm_of_streams(void) {
    stream = tmpfile();
    if (stream == NULL) die("tmpfile");
    struct hammering using, flushing;
    pthread_t user, flusher, forker;
    start_hammering(&using, &user, 1, use_locked_stream);
    start_hammering(&flushing, &flusher, 1, flush_all);
    start_thread(&forker, fork_until_enough, NULL);
    // This thread touches no stream: it sees a fork that does not come back. A child that hangs is
    // seen sooner.
    while (!enough()) {
        int before = atomic_load(&done);
        long start = now_ms();
        while (!enough() && atomic_load(&done) == before && now_ms() - start < 2 * DEADLINE_MS)
            usleep(1000);
        if (!enough() && atomic_load(&done) == before) {
            dprintf(2, "the fork does not come back\n");
            dprintf(1, "forks=%d hangs=1 crashes=0\n", before);
            _exit(0);
        }
    }
    pthread_join(forker, NULL);
    stop_hammering(&using, &user, 1);
    stop_hammering(&flushing, &flusher, 1);
    return total();
}

// --- vfork

static regex_t expression;
static char text[1500];

static void match_short_text(void) { regexec(&expression, "c", 0, NULL, 0); }

// The forker looks more than once whether such a call goes on.
static void match_long_text_after_vfork(void) {
    static _Thread_local bool began;
    if (!began) {
        began = true;
        pid_t child = vfork();
        if (child < 0) die("vfork");
        if (child == 0) {
            execv("/nonexistent", (char *[]){"nonexistent", NULL});
            _exit(0);
        }
        if (syscall(SYS_wait4, child, NULL, 0, NULL) != child) die("wait4");
    }
    regexec(&expression, text, 0, NULL, 0);
}

int main(int argc, char **argv) {
    if (argc != 4) die("usage: fork_sequence MODE FORKS MAX_HANGS");
    const char *mode = argv[1];
    forks = atoi(argv[2]);
    max_hangs = atoi(argv[3]);
    // With a fixed zone localtime allocates nothing, so a signal handler may fork amid it.
    setenv("TZ", "UTC0", 1);
    struct storm plain = {forks, max_hangs, 2, call_localtime, call_localtime, NULL};
    if (strcmp(mode, "signal") == 0) return report(storm_in_handlers(true));
    if (strcmp(mode, "signal-alone") == 0) return report(storm_in_handlers(false));
    if (strcmp(mode, "two") == 0) return report(storm_with_forkers(2));
    if (strcmp(mode, "eight") == 0) return report(storm_with_forkers(8));
    if (strcmp(mode, "thread-storm") == 0) return report(storm_of_threads(false));
    if (strcmp(mode, "thread-leak") == 0) return report(storm_of_threads(true));
    if (strcmp(mode, "handlers") == 0) return report(storm_of_signals());
    if (strcmp(mode, "flockfile") == 0) return report(storm_of_streams());
    if (strcmp(mode, "vfork") == 0) {
        memset(text, 'a', sizeof text - 1);
        if (regcomp(&expression, "(a|b)*c", REG_EXTENDED) != 0) die("regcomp");
        plain.hammer = match_long_text_after_vfork;
        plain.child = match_short_text;
        return report(storm(plain));
    }
    if (strcmp(mode, "descendants") == 0) {
        plain.child = storm_again;
        return report(storm(plain));
    }
    if (strcmp(mode, "cloned") == 0) {
        // No handler runs in this child; it is one when it has started its threads.
        pid_t pid = fork_without_handlers();
        if (pid == 0) return report(storm(plain));
        int status;
        if (pid < 0 || waitpid(pid, &status, 0) != pid) die("_Fork or waitpid failed");
        return WIFEXITED(status) ? WEXITSTATUS(status) : 1;
    }
    if (strcmp(mode, "nested") == 0) {
        pthread_atfork(fork_within, fork_within, fork_within_child);
        struct tally outer = storm(plain);
        outer.hangs += atomic_load(&hangs);
        return report(outer);
    }
    die("no mode %s", mode);
}
