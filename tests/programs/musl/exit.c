// exit.c: a child is forked while the process is in exit().
//
//   exit WHO    who is in exit(): `thread` or `errx`, another thread than the one that forks; `main`, the
//               main thread, which returned from main(); `handler`, an exit handler that forks itself
//
// The child calls exit(), which must run the exit handlers that are left and write the streams out.
#include "../storm.h"

#include <err.h>

static int report_pipe[2];
static FILE *stream;
static atomic_bool in_exit, over;
static bool is_child;

static struct tally fork_and_judge(void) {
    struct tally tally = {0};
    pid_t pid = fork();
    if (pid < 0) die("fork");
    if (pid == 0) {
        is_child = true;
        fputs("stream", stream);
        exit(0);
    }
    enum verdict verdict = watch(pid);
    char text[32] = "";
    // Its streams are never written out: what is to be read is there.
    fcntl(report_pipe[0], F_SETFL, O_NONBLOCK);
    ssize_t got = read(report_pipe[0], text, sizeof text - 1);
    // The handler comes before the streams.
    if (verdict == FINISHED && (got < 0 || strcmp(text, "handler stream") != 0)) verdict = CRASHED;
    count(&tally, verdict);
    return tally;
}

// The handler that is left when the child is forked.
static void last_handler(void) {
    if (is_child && write(report_pipe[1], "handler ", 8) != 8) _exit(1);
}

// The one that is in progress.
static void first_handler(void) {
    atomic_store(&in_exit, true);
    while (!atomic_load(&over)) sched_yield();
}

static void forking_handler(void) {
    if (!is_child) report(fork_and_judge());
}

static void *call_exit(void *unused) {
    exit(0);
    return unused;
}

static void *call_errx(void *unused) {
    errx(0, "the end");
    return unused;
}

static void *fork_beside_exit(void *unused) {
    while (!atomic_load(&in_exit)) sched_yield();
    report(fork_and_judge());
    atomic_store(&over, true);
    return unused;
}

int main(int argc, char **argv) {
    if (argc != 2) die("usage: exit thread|errx|main|handler");
    if (pipe(report_pipe) != 0 || (stream = fdopen(dup(report_pipe[1]), "w")) == NULL) die("pipe");
    atexit(last_handler);
    bool handler = strcmp(argv[1], "handler") == 0;
    atexit(handler ? forking_handler : first_handler);
    pthread_t thread;
    if (handler) return 0;
    if (strcmp(argv[1], "main") == 0) {
        start_thread(&thread, fork_beside_exit, NULL);
        return 0;
    }
    start_thread(&thread, strcmp(argv[1], "errx") == 0 ? call_errx : call_exit, NULL);
    fork_beside_exit(NULL);
    pause();
}
