// controls.cc: what does not hang in children of libc's own programs, and must not become slower.
//
//   controls CALL COUNT    two threads make CALL COUNT times each, while the program forks now and then
#include "../../tests/programs/storm.h"

#include <mutex>
#include <stdexcept>

static void use_malloc() {
    void *block = malloc(100);
    asm volatile("" : : "r"(block) : "memory"); // Else the compiler leaves both out.
    free(block);
}

// A line of a log, into a file that is written to when its buffer is full.
static void use_stdio() {
    static thread_local FILE *file = tmpfile();
    if (fprintf(file, "%d: %s of %.2f\n", 42, "a line", 1.5) < 0) die("fprintf");
    if (ftell(file) > 1 << 20) rewind(file);
}

__attribute__((noinline)) static void fail(int number) { throw std::runtime_error(std::to_string(number)); }

static void use_throw() {
    try {
        fail(1);
    } catch (const std::exception &) {
    }
}

static void use_once() {
    static std::once_flag flag;
    std::call_once(flag, [] {});
}

static const struct {
    const char *name;
    call_fn *call;
} CALLS[] = {{"malloc", use_malloc}, {"stdio", use_stdio}, {"throw", use_throw}, {"once", use_once}};

static call_fn *call;
static int calls;

static void *make_calls(void *) {
    for (int i = 0; i < calls; i++) call();
    return nullptr;
}

int main(int argc, char **argv) {
    if (argc != 3) die("usage: controls CALL COUNT");
    for (const auto &known : CALLS)
        if (strcmp(known.name, argv[1]) == 0) call = known.call;
    if (call == nullptr) die("no call %s", argv[1]);
    calls = atoi(argv[2]);
    pthread_t threads[2];
    for (pthread_t &thread : threads) start_thread(&thread, make_calls, nullptr);
    for (int i = 0; i < 50; i++)
        if (fork_once(nullptr, call) != FINISHED) die("a child is lost");
    for (pthread_t thread : threads) pthread_join(thread, nullptr);
}
