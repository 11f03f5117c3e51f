// order.c: when what runs. Marks go to stderr, where the loader's trace goes.
//
//   order             initialisers, two sets of fork handlers, fork, vfork
//   order inside      a handler registers handlers
//   order open        a prepare handler waits for a thread that asks for the time
//   order plugin PATH a library loaded later registers a child handler
#include <dlfcn.h>

#include "storm.h"

static void mark(const char *text) {
    if (write(2, text, strlen(text)) < 0) _exit(99);
}

__attribute__((constructor)) static void load(void) {
    getenv("HOME"); // to be seen in a trace
    mark("app loads\n");
}

static void prepare_1(void) { mark("prepare 1\n"); }
static void prepare_2(void) { mark("prepare 2\n"); }
static void parent_1(void) { mark("parent 1\n"); }
static void parent_2(void) { mark("parent 2\n"); }
static void child_1(void) { mark("child 1\n"); }
static void child_2(void) { mark("child 2\n"); }

// Both sides: the parent speaks when the child has ended.
static void both(pid_t pid, const char *how) {
    int status = -1;
    if (pid == 0) _exit(7);
    if (waitpid(pid, &status, 0) != pid || !WIFEXITED(status) || WEXITSTATUS(status) != 7)
        mark("a child was lost\n");
    mark(how);
}

static void register_more(void) {
    mark("prepare registers\n");
    if (pthread_atfork(prepare_1, parent_1, child_1) != 0) _exit(99);
}

// Without a second thread there is nothing for the library to wait for.
static void *idle(void *unused) {
    pause();
    return unused;
}

static atomic_int asked, told;

static void *teller(void *unused) {
    time_t now = 1000000000;
    struct tm to;
    for (int i = 0; i < 100; i++) {
        while (atomic_load(&asked) == i) sched_yield();
        localtime_r(&now, &to);
        atomic_store(&told, i + 1);
    }
    return unused;
}

static void ask(void) {
    int question = atomic_fetch_add(&asked, 1) + 1;
    while (atomic_load(&told) < question) sched_yield();
}

static int open_gate(void) {
    struct tally tally = {0};
    pthread_t thread;
    pthread_atfork(ask, NULL, NULL);
    if (pthread_create(&thread, NULL, teller, NULL) != 0) fail("pthread_create");
    for (int i = 0; i < 100; i++) {
        pid_t pid = fork();
        if (pid == 0) _exit(0);
        watch(&tally, pid);
    }
    pthread_join(thread, NULL);
    return report(tally);
}

int main(int argc, char **argv) {
    const char *mode = argc > 1 ? argv[1] : "";
    mark("main\n");
    if (strcmp(mode, "open") == 0) return open_gate();
    if (strcmp(mode, "plugin") == 0) {
        if (dlopen(argv[2], RTLD_NOW) == NULL) fail("dlopen");
    } else if (strcmp(mode, "inside") == 0) {
        pthread_atfork(register_more, NULL, NULL);
        both(fork(), "first fork\n");
    } else {
        pthread_t thread;
        if (pthread_create(&thread, NULL, idle, NULL) != 0) fail("pthread_create");
        pthread_atfork(prepare_1, parent_1, child_1);
        pthread_atfork(prepare_2, parent_2, child_2);
        both(vfork(), "vfork\n");
    }
    both(fork(), "fork\n");
    return 0;
}
