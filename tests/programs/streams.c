// streams.c: forks while other threads use streams.
//
//   streams memory|wide-memory FORKS MAX_HANGS     all write to one stream in memory
//   streams error-text FORKS MAX_HANGS             each writes "%m" to a stream of its own, and makes locales
//   streams input                                  one thread waits for input, one flushes all streams
//   streams full|line FORKS FILE                   all write records to one stream
//
// A stream in memory is in no list, so fork does not reset its lock.
#include "storm.h"

#include <locale.h>
#include <wchar.h>

enum { RECORD = 64, THREADS = 3 };

static FILE *shared;

static void write_to_memory(void) {
    rewind(shared);
    fputs("text", shared);
}
static void write_wide_to_memory(void) {
    rewind(shared);
    fputws(L"text", shared);
}

static void make_locale(void) {
    locale_t own = newlocale(LC_ALL_MASK, "C.UTF-8", (locale_t)0);
    if (own != (locale_t)0) freelocale(own);
}

// The text of an error is looked up under libc's lock of locales, which who makes one holds for writing: not
// for long, unless another thread has the only processor.
static void write_error_text(void) {
    static _Thread_local FILE *own;
    if (own == NULL && (own = fopen("/dev/null", "w")) == NULL) die("/dev/null");
    fprintf(own, "%m");
    make_locale();
}

static void stay_on_one_processor(void) {
    cpu_set_t one;
    CPU_ZERO(&one);
    CPU_SET(sched_getcpu(), &one);
    if (sched_setaffinity(0, sizeof one, &one) != 0) die("sched_setaffinity");
}

// What a thread that another one watches is doing.
struct watched {
    void *(*body)(void);
    _Atomic pid_t tid;
    atomic_bool done;
};

static void *run_watched(void *argument) {
    struct watched *self = argument;
    atomic_store(&self->tid, gettid());
    self->body();
    atomic_store(&self->done, true);
    return NULL;
}

// Waits until the thread is done, true, or sits in the same endless wait, which begins like `wait`, at two
// looks.
static bool ends(struct watched *thread, bool (*waits)(const char *)) {
    char before[256] = "", now[256], name[64];
    while (!atomic_load(&thread->done)) {
        poll(NULL, 0, LOOK_EVERY_MS);
        snprintf(name, sizeof name, "task/%d/syscall", atomic_load(&thread->tid));
        if (read_proc(getpid(), name, now, sizeof now) <= 0) continue;
        if (waits(now) && strcmp(before, now) == 0) return false;
        strcpy(before, now);
    }
    return true;
}

static bool in_lock(const char *call) { return waits_for_ever(call, futex_in_proc()); }
// read() of descriptor 0; its number is that of our own read().
static bool in_read(const char *call) {
    char own[256];
    if (read_file("/proc/thread-self/syscall", own, sizeof own) <= 0) die("no /proc");
    size_t number = strcspn(own, " ");
    return strncmp(call, own, number) == 0 && strncmp(call + number, " 0x0 ", 5) == 0;
}

static void *wait_for_input(void) { return (void *)(long)getc(stdin); }
static void *flush_all(void) { return (void *)(long)fflush(NULL); }
static void *fork_once_here(void) {
    fork_once(NULL, write_to_memory);
    return NULL;
}

// Nobody but this thread can end what the others wait for.
static int fork_beside_input(void) {
    int ends_of_pipe[2];
    if (pipe(ends_of_pipe) != 0 || dup2(ends_of_pipe[0], 0) != 0) die("pipe");
    struct watched threads[THREADS] = {{.body = wait_for_input}, {.body = flush_all}, {.body = fork_once_here}};
    bool (*const waits[THREADS])(const char *) = {in_read, in_lock, in_lock};
    pthread_t handles[THREADS];
    bool ended[THREADS];
    for (int i = 0; i < THREADS; i++) {
        start_thread(&handles[i], run_watched, &threads[i]);
        ended[i] = ends(&threads[i], waits[i]);
    }
    if (write(ends_of_pipe[1], "x", 1) != 1) die("write");
    for (int i = 0; i < THREADS; i++) pthread_join(handles[i], NULL);
    printf("before the input: input=%d flush=%d fork=%d\n", ended[0], ended[1], ended[2]);
    return fflush(stdout);
}

static atomic_uint next_record;

// A record in several pieces, so that a stream in mid-write holds part of one. Its length divides that of the
// buffer, so that whole records are written out.
static void write_record(char writer) {
    unsigned number = atomic_fetch_add(&next_record, 1);
    fprintf(shared, "%c %010u %s%010u %s%*s\n", writer, number, "sum ", ~number, "end", RECORD - 32, "|");
}
static void write_as_thread(void) { write_record('t'); }
static void write_as_child(void) {
    // The number is the child's alone: the parent skips it.
    write_record('c');
    if (fflush(shared) != 0) die("fflush");
}
static pid_t fork_with_number(void) {
    pid_t pid = fork();
    if (pid > 0) atomic_fetch_add(&next_record, 1);
    return pid;
}

static int storm_of_records(bool full, int forks, const char *file) {
    shared = fopen(file, "a");
    if (shared == NULL || setvbuf(shared, NULL, full ? _IOFBF : _IOLBF, RECORD * 64) != 0) die("%s", file);
    struct tally tally =
        storm((struct storm){forks, 0, 2, write_as_thread, write_as_child, fork_with_number});
    if (fclose(shared) != 0) die("fclose");
    printf("numbers=%u\n", atomic_load(&next_record));
    return report(tally);
}

int main(int argc, char **argv) {
    char *memory;
    wchar_t *wide_memory;
    size_t size;
    if (argc == 2 && strcmp(argv[1], "input") == 0) {
        shared = open_memstream(&memory, &size);
        return fork_beside_input();
    }
    if (argc != 4) die("usage: streams MODE FORKS MAX_HANGS|FILE");
    int forks = atoi(argv[2]);
    if (strcmp(argv[1], "full") == 0 || strcmp(argv[1], "line") == 0)
        return storm_of_records(argv[1][0] == 'f', forks, argv[3]);
    int max_hangs = atoi(argv[3]);
    if (strcmp(argv[1], "error-text") == 0) {
        stay_on_one_processor();
        return report(storm((struct storm){forks, max_hangs, 8, write_error_text, make_locale, NULL}));
    }
    bool wide = strcmp(argv[1], "wide-memory") == 0;
    shared = wide ? open_wmemstream(&wide_memory, &size) : open_memstream(&memory, &size);
    call_fn *call = wide ? write_wide_to_memory : write_to_memory;
    return report(storm((struct storm){forks, max_hangs, 2, call, call, NULL}));
}
