// What the supervisor watches: children that hang, children that only look so, and programs that do to it what
// they can. `watched MODE [NUMBER]`.

#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static void need(int good, const char *what) {
    if (!good) {
        perror(what);
        _exit(99);
    }
}

static void futex_wait(uint32_t *word, int operation, const struct timespec *timeout) {
    while (atomic_load((_Atomic uint32_t *)word) == 0)
        if (syscall(SYS_futex, word, operation, 0, timeout, NULL, 0) && errno == ETIMEDOUT) return;
}

static uint32_t never;

/// Waits for what never comes.
static void *hang(void *unused) {
    futex_wait(&never, FUTEX_WAIT_PRIVATE, NULL);
    return unused;
}

static void sleep_ms(long ms) {
    struct timespec left = {ms / 1000, ms % 1000 * 1000000};
    while (nanosleep(&left, &left)) {
    }
}

static void burn_ms(long ms) {
    struct timespec from, now;
    clock_gettime(CLOCK_MONOTONIC, &from);
    do clock_gettime(CLOCK_MONOTONIC, &now);
    while ((now.tv_sec - from.tv_sec) * 1000 + (now.tv_nsec - from.tv_nsec) / 1000000 < ms);
}

static void *burn(void *ms) {
    burn_ms((long)ms);
    exit(0);
}

static void timed_wait(long ms) {
    struct timespec timeout = {ms / 1000, ms % 1000 * 1000000};
    futex_wait(&never, FUTEX_WAIT_PRIVATE, &timeout);
}

static pid_t forked(void) {
    fflush(stdout);
    pid_t pid = fork();
    need(pid >= 0, "fork");
    return pid;
}

/// Reaps `pid` and says how it ended.
static int waited(pid_t pid) {
    int status;
    while (waitpid(pid, &status, 0) < 0) need(errno == EINTR, "waitpid");
    if (WIFSIGNALED(status)) printf("child died by signal %d\n", WTERMSIG(status));
    else printf("child exited with %d\n", WEXITSTATUS(status));
    fflush(stdout);
    return status;
}

/// A child that does something for `ms` that is no hang. What it is, is said by `mode`.
static void slow_child(const char *mode, long ms) {
    static int pipes[2];
    need(pipe(pipes) == 0, "pipe");
    uint32_t *shared = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    need(shared != MAP_FAILED, "mmap");
    pid_t pid = forked();
    if (pid == 0) {
        char byte;
        pthread_t thread;
        if (!strcmp(mode, "burns")) burn_ms(ms);
        if (!strcmp(mode, "sleeps")) sleep_ms(ms);
        if (!strcmp(mode, "reads")) need(read(pipes[0], &byte, 1) == 1, "read");
        if (!strcmp(mode, "times")) timed_wait(ms);
        if (!strcmp(mode, "shares")) futex_wait(shared, FUTEX_WAIT, NULL);
        if (!strcmp(mode, "threads")) {
            for (int i = 0; i < 3; i++) pthread_create(&thread, NULL, hang, NULL);
            pthread_create(&thread, NULL, burn, (void *)ms);
            pthread_join(thread, NULL);
        }
        _exit(0);
    }
    sleep_ms(ms);
    need(write(pipes[1], "x", 1) == 1, "write");
    atomic_store((_Atomic uint32_t *)shared, 1);
    syscall(SYS_futex, shared, FUTEX_WAKE, 1, NULL, NULL, 0);
    need(waited(pid) == 0, "the child's status");
}

/// Healthy children at a steady rate.
static void healthy(long seconds, long rate) {
    struct timespec next;
    clock_gettime(CLOCK_MONOTONIC, &next);
    for (long i = 0; i < seconds * rate; i++) {
        pid_t pid = fork();
        need(pid >= 0, "fork");
        if (pid == 0) _exit(0);
        need(waitpid(pid, NULL, 0) == pid, "waitpid");
        next.tv_nsec += 1000000000 / rate;
        if (next.tv_nsec >= 1000000000) next.tv_nsec -= 1000000000, next.tv_sec++;
        clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &next, NULL);
    }
}

static volatile sig_atomic_t signals_seen;

static void count(int signal) {
    (void)signal;
    signals_seen++;
}

/// Says how often SIGUSR1 and SIGINT came until SIGTERM does, and dies by that.
static void counts_signals(void) {
    signal(SIGUSR1, count);
    signal(SIGINT, count);
    sigset_t term;
    sigemptyset(&term);
    sigaddset(&term, SIGTERM);
    sigprocmask(SIG_BLOCK, &term, NULL);
    printf("ready %d\n", getpid());
    fflush(stdout);
    siginfo_t information;
    while (sigwaitinfo(&term, &information) < 0) {
    }
    printf("seen %d\n", (int)signals_seen);
    fflush(stdout);
    signal(SIGTERM, SIG_DFL);
    raise(SIGTERM);
    sigprocmask(SIG_UNBLOCK, &term, NULL);
}

/// The mapping of the ring in this process.
static unsigned char *ring(size_t *size) {
    FILE *maps = fopen("/proc/self/maps", "r");
    char line[4096];
    unsigned long from, to;
    while (maps && fgets(line, sizeof line, maps))
        if (strstr(line, "/forkfix-") && strstr(line, "/ring")) {
            need(sscanf(line, "%lx-%lx", &from, &to) == 2, "maps");
            fclose(maps);
            *size = to - from;
            return (unsigned char *)from;
        }
    fprintf(stderr, "the ring is not mapped\n");
    _exit(98);
}

/// Writes over its own ring, over and over, forking all the while; then lets a child hang.
static void scribbles(long ms) {
    size_t size;
    unsigned char *bytes = ring(&size);
    srandom(7);
    struct timespec from, now;
    clock_gettime(CLOCK_MONOTONIC, &from);
    do {
        size_t at = random() % (random() % 2 ? 4096 : size - 64);
        for (int i = 0; i < 64; i++) bytes[at + i] = (unsigned char)random();
        pid_t pid = fork();
        if (pid == 0) _exit(0);
        waitpid(pid, NULL, 0);
        clock_gettime(CLOCK_MONOTONIC, &now);
    } while ((now.tv_sec - from.tv_sec) * 1000 + (now.tv_nsec - from.tv_nsec) / 1000000 < ms);
    sleep_ms(500);
    pid_t pid = forked();
    if (pid == 0) hang(NULL);
    waited(pid);
}

int main(int argc, char **argv) {
    const char *mode = argc > 1 ? argv[1] : "";
    long number = argc > 2 ? atol(argv[2]) : 0;
    pid_t pid;
    if (!strcmp(mode, "hangs")) {
        pid = forked();
        if (pid == 0) hang(NULL);
        return waited(pid) ? 3 : 0;
    }
    if (!strcmp(mode, "hangs-in-threads")) {
        pid = forked();
        if (pid == 0) {
            pthread_t thread;
            pthread_create(&thread, NULL, hang, NULL);
            pthread_join(thread, NULL);
        }
        return waited(pid) ? 3 : 0;
    }
    if (!strcmp(mode, "leaves")) {
        // A child that hangs, whose parent does not wait for it.
        pid = forked();
        if (pid == 0) hang(NULL);
        sleep_ms(number);
        return 5;
    }
    if (!strcmp(mode, "leaves-sleeping")) {
        if (forked() == 0) {
            sleep_ms(number);
            return 0;
        }
        return 5;
    }
    if (!strcmp(mode, "orphans")) {
        // Grandchildren whose parents are gone, and which end soon.
        for (long i = 0; i < number; i++) {
            pid = fork();
            if (pid == 0) {
                if (fork() == 0) sleep_ms(20);
                _exit(0);
            }
            waitpid(pid, NULL, 0);
        }
        printf("supervisor %d\n", getppid());
        fflush(stdout);
        char byte;
        return read(0, &byte, 1) == 1 ? 0 : 1;
    }
    if (!strcmp(mode, "stands")) hang(NULL);
    if (!strcmp(mode, "healthy")) healthy(number, 1000);
    else if (!strcmp(mode, "signals")) counts_signals();
    else if (!strcmp(mode, "scribbles")) scribbles(number);
    else if (!strcmp(mode, "waits")) {
        printf("ready %d\n", getpid());
        fflush(stdout);
        char byte = 0;
        need(read(0, &byte, 1) >= 0, "read");
        for (int i = 0; i < 100; i++) {
            pid = fork();
            if (pid == 0) _exit(0);
            need(waitpid(pid, NULL, 0) == pid, "waitpid");
        }
        printf("got %d\n", byte);
        return byte;
    } else slow_child(mode, number);
    return 0;
}
