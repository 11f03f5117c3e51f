// transfer.c: a child is forked while a thread is in the middle of writing a stream out: to a full pipe.
//
// The child writes a line to the stream and ends. In the pipe must be the thread's lines and the child's, each
// once: what the thread had in the stream's buffer is not the child's to write.
#include "../storm.h"

enum { LINES = 20000, LINE = 11 };

static int ends[2];
static FILE *stream;
static atomic_int writer;
static char seen[LINES * LINE * 2];
static size_t seen_size;

static void *write_lines(void *unused) {
    atomic_store(&writer, syscall(SYS_gettid));
    for (int i = 0; i < LINES; i++) fprintf(stream, "line %05d\n", i);
    fclose(stream);
    return unused;
}

static void *read_all(void *unused) {
    ssize_t got;
    while ((got = read(ends[0], &seen[seen_size], sizeof seen - seen_size)) > 0) seen_size += got;
    return unused;
}

// True if the writer sits in writev(): the pipe is full.
static bool is_stuck(void) {
    char name[64], call[256];
    snprintf(name, sizeof name, "task/%d/syscall", atomic_load(&writer));
    return read_proc(getpid(), name, call, sizeof call) > 0 && strncmp(call, "20 ", 3) == 0;
}

static void write_line(void) {
    close(ends[0]);
    if (fputs("child\n", stream) < 0) _exit(1);
    exit(0);
}

static bool is_whole(void) {
    char *childs = memmem(seen, seen_size, "child\n", 6);
    if (childs == NULL || seen_size != LINES * LINE + 6) return false;
    memmove(childs, childs + 6, &seen[seen_size] - (childs + 6));
    for (int i = 0; i < LINES; i++) {
        char line[LINE + 1];
        snprintf(line, sizeof line, "line %05d\n", i);
        if (memcmp(&seen[i * LINE], line, LINE) != 0) return false;
    }
    return true;
}

int main(void) {
    if (pipe(ends) != 0 || (stream = fdopen(ends[1], "w")) == NULL) die("pipe");
    pthread_t writing, reading;
    start_thread(&writing, write_lines, NULL);
    while (!is_stuck()) sched_yield();
    pid_t child = fork();
    if (child < 0) die("fork");
    if (child == 0) write_line();
    start_thread(&reading, read_all, NULL);
    struct tally tally = {0};
    enum verdict verdict = watch(child);
    pthread_join(writing, NULL);
    pthread_join(reading, NULL);
    count(&tally, verdict == FINISHED && !is_whole() ? CRASHED : verdict);
    return report(tally);
}
