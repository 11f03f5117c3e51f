// cpp_locks.cc: forks while other threads hold locks of the C++ library.
//
//   cpp_locks LOCK FORKS MAX_HANGS
//
// What LOCK guards is two counters that are equal whenever nobody holds it. Each child takes it, and
// ends with 1 if they are not.
#include "storm.h"

#include <chrono>
#include <condition_variable>
#include <mutex>
#include <shared_mutex>
#include <thread>

namespace {

volatile long first, second;

void change() {
    first = first + 1;
    for (volatile int i = 0; i < 100; i++) {}
    second = second + 1;
}

void check() {
    if (first != second) _exit(1);
}

std::mutex plain;

void change_plain() {
    std::lock_guard<std::mutex> held(plain);
    change();
}

void check_plain() {
    std::lock_guard<std::mutex> held(plain);
    check();
}

std::timed_mutex timed;

void change_timed() {
    std::unique_lock<std::timed_mutex> held(timed, std::chrono::seconds(100));
    if (held) change();
}

void check_timed() {
    std::lock_guard<std::timed_mutex> held(timed);
    check();
}

std::recursive_mutex recursive;

void change_recursive() {
    std::lock_guard<std::recursive_mutex> outer(recursive);
    std::lock_guard<std::recursive_mutex> inner(recursive);
    change();
}

void check_recursive() {
    std::lock_guard<std::recursive_mutex> outer(recursive);
    std::lock_guard<std::recursive_mutex> inner(recursive);
    check();
}

std::shared_mutex shared;

void read_or_change() {
    for (int i = 0; i < 3; i++) {
        std::shared_lock<std::shared_mutex> held(shared);
        check();
    }
    std::lock_guard<std::shared_mutex> held(shared);
    change();
}

// A reader that is gone keeps writers out, and a writer everybody.
void read_and_write() {
    {
        std::shared_lock<std::shared_mutex> held(shared);
        check();
    }
    std::lock_guard<std::shared_mutex> held(shared);
    check();
}

std::condition_variable ready;
int items;
bool waiting;

// Each thread produces for the other one.
void produce_and_consume() {
    std::unique_lock<std::mutex> held(plain);
    change();
    items++;
    ready.notify_one();
    ready.wait_for(held, std::chrono::milliseconds(1), [] { return items > 1; });
    items--;
}

// A new thread waits, and is told.
void tell_a_new_thread() {
    std::unique_lock<std::mutex> held(plain);
    check();
    items = 0;
    std::thread consumer([] {
        std::unique_lock<std::mutex> held(plain);
        waiting = true;
        ready.wait(held, [] { return items > 0; });
    });
    while (!waiting) {
        held.unlock();
        sched_yield();
        held.lock();
    }
    items = 1;
    ready.notify_one();
    held.unlock();
    consumer.join();
}

struct {
    const char *name;
    call_fn *hammer, *child;
} const LOCKS[] = {
    {"mutex", change_plain, check_plain},
    {"timed_mutex", change_timed, check_timed},
    {"recursive_mutex", change_recursive, check_recursive},
    {"shared_mutex", read_or_change, read_and_write},
    {"condition_variable", produce_and_consume, tell_a_new_thread},
};

}  // namespace

int main(int argc, char **argv) {
    if (argc != 4) die("usage: cpp_locks LOCK FORKS MAX_HANGS");
    for (auto &lock : LOCKS) {
        if (strcmp(argv[1], lock.name) != 0) continue;
        struct storm what = {};
        what.forks = atoi(argv[2]);
        what.max_hangs = atoi(argv[3]);
        what.hammers = 2;
        what.hammer = lock.hammer;
        what.child = lock.child;
        return report(storm(what));
    }
    die("no such lock: %s", argv[1]);
}
