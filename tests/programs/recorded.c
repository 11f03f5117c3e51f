// recorded.c: forks that are recorded.
//
//   recorded stop      a thread holds a mutex, another sleeps; the child stops itself
//   recorded inside    a thread stays inside of a call
//   recorded closed    the program closes all descriptors; then it forks
//   recorded exec      the child runs a program that is not there, then one that is
//   recorded storm N   N children, beside a thread that comes and goes
//   recorded failing   fork fails
//
// Prints what the test compares: names and addresses.
#define _GNU_SOURCE
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_barrier_t begun;

static void must(bool done, const char *what) {
    if (!done) {
        perror(what);
        exit(1);
    }
}

static void sleep_for_ever(void) {
    struct timespec long_time = {100000, 0};
    for (;;) nanosleep(&long_time, NULL);
}

static void begin(const char *name) {
    pthread_setname_np(pthread_self(), name);
    printf("%s=%ld\n", name, (long)syscall(SYS_gettid));
    pthread_barrier_wait(&begun);
}

static void *hold(void *unused) {
    pthread_mutex_lock(&mutex);
    begin("holder");
    sleep_for_ever();
    return unused;
}

static void *sleep_beside(void *unused) {
    begin("sleeper");
    sleep_for_ever();
    return unused;
}

static ssize_t read_slowly(void *cookie, char *buffer, size_t size) {
    (void)cookie, (void)buffer, (void)size;
    begin("dawdler");
    sleep_for_ever();
    return 0;
}

static void *read_for_ever(void *unused) {
    FILE *stream = fopencookie(NULL, "r", (cookie_io_functions_t){.read = read_slowly});
    fgetc(stream);
    return unused;
}

static void *come_and_go(void *unused) {
    for (;;) {
        time_t now = time(NULL);
        struct tm split;
        localtime_r(&now, &split);
    }
    return unused;
}

static void start(void *(*run)(void *)) {
    pthread_t thread;
    must(pthread_create(&thread, NULL, run, NULL) == 0, "pthread_create");
}

__attribute__((noinline)) static pid_t fork_here(void) {
    pid_t pid = fork();
    must(pid >= 0, "fork");
    return pid;
}

static void reap(pid_t pid) {
    int status;
    must(waitpid(pid, &status, 0) == pid, "waitpid");
    must(WIFEXITED(status) && WEXITSTATUS(status) == 0, "child");
}

int main(int argc, char **argv) {
    const char *mode = argc > 1 ? argv[1] : "";
    setvbuf(stdout, NULL, _IOLBF, 0);
    pthread_setname_np(pthread_self(), "forker");
    printf("fork_here=%p\nmutex=%p\n", (void *)fork_here, (void *)&mutex);
    if (strcmp(mode, "stop") == 0) {
        must(pthread_barrier_init(&begun, NULL, 3) == 0, "barrier");
        start(hold);
        start(sleep_beside);
        pthread_barrier_wait(&begun);
        pid_t pid = fork_here();
        if (pid == 0) {
            raise(SIGSTOP);
            _exit(0);
        }
        reap(pid);
    } else if (strcmp(mode, "inside") == 0) {
        must(pthread_barrier_init(&begun, NULL, 2) == 0, "barrier");
        start(read_for_ever);
        pthread_barrier_wait(&begun);
        pid_t pid = fork_here();
        if (pid == 0) _exit(0);
        reap(pid);
        // Not by exit, which would wait for the stream.
        _exit(0);
    } else if (strcmp(mode, "closed") == 0) {
        for (int fd = 0; fd < 1000; fd++) close(fd);
        pid_t pid = fork_here();
        if (pid == 0) _exit(0);
        reap(pid);
    } else if (strcmp(mode, "exec") == 0) {
        pid_t pid = fork_here();
        if (pid == 0) {
            execl("/nowhere/to/be/found", "nothing", NULL);
            execl("/bin/true", "true", NULL);
            _exit(1);
        }
        reap(pid);
        pid = vfork();
        if (pid == 0) {
            execl("/nowhere/to/be/found", "nothing", NULL);
            _exit(0);
        }
        reap(pid);
    } else if (strcmp(mode, "storm") == 0) {
        start(come_and_go);
        for (int left = argc > 2 ? atoi(argv[2]) : 0; left > 0; left--) {
            pid_t pid = fork_here();
            if (pid == 0) _exit(0);
            reap(pid);
        }
    } else if (strcmp(mode, "failing") == 0) {
        // Nobody but root may have more processes than this; root is nobody for it.
        if (geteuid() == 0) must(setuid(65534) == 0, "setuid");
        struct rlimit none = {0, 0};
        must(setrlimit(RLIMIT_NPROC, &none) == 0, "setrlimit");
        must(fork() == -1 && errno == EAGAIN, "fork did not fail");
    } else {
        return 2;
    }
    return 0;
}
