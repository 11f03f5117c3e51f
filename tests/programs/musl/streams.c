// streams.c: streams that a thread of the parent has locked when a child is forked.
//
//   streams HOW WHAT FORKS MAX_HANGS
//
// HOW is what the other threads do with the stream: `hold` it with flockfile, or `write` to it all the
// time; or the forking thread holds it: `own`. WHAT is what the child does with it.
#include "../storm.h"

static FILE *stream;

static void hold(void) {
    flockfile(stream);
    funlockfile(stream);
}

static void write_line(void) { fprintf(stream, "a line of %d\n", 42); }

static void use_print(void) {
    if (fputs("a line of a child\n", stream) < 0) _exit(1);
}

static void use_flush_all(void) { fflush(NULL); }

static void use_exit(void) { exit(0); }

static void use_close(void) {
    if (fclose(stream) != 0) _exit(1);
}

static pid_t fork_holding(void) {
    flockfile(stream);
    pid_t pid = fork();
    if (pid != 0) funlockfile(stream);
    return pid;
}

static const struct {
    const char *name;
    call_fn *call;
} hammers[] = {{"hold", hold}, {"write", write_line}}, uses[] = {{"print", use_print}, {"flush-all", use_flush_all}, {"exit", use_exit}, {"close", use_close}};

int main(int argc, char **argv) {
    if (argc != 5) die("usage: streams hold|write|own print|flush-all|exit|close FORKS MAX_HANGS");
    struct storm plan = {atoi(argv[3]), atoi(argv[4]), 2, NULL, NULL, NULL};
    for (size_t i = 0; i < sizeof hammers / sizeof *hammers; i++)
        if (strcmp(argv[1], hammers[i].name) == 0) plan.hammer = hammers[i].call;
    for (size_t i = 0; i < sizeof uses / sizeof *uses; i++)
        if (strcmp(argv[2], uses[i].name) == 0) plan.child = uses[i].call;
    if (strcmp(argv[1], "own") == 0) {
        plan.fork = fork_holding;
        plan.hammer = (call_fn *)sched_yield;
    }
    if (plan.hammer == NULL || plan.child == NULL) die("unknown");
    stream = fopen("/dev/null", "w");
    if (stream == NULL) die("/dev/null");
    return report(storm(plan));
}
