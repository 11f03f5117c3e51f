// controls_tbb.cc: sums that oneTBB's threads share, and children that do without (see docs/runtimes.md).
//
//   controls_tbb COUNT
#include "../../tests/programs/storm.h"

#include <functional>
#include <tbb/blocked_range.h>
#include <tbb/parallel_reduce.h>

static long sum() {
    using range = tbb::blocked_range<long>;
    auto part = [](const range &some, long start) {
        for (long i = some.begin(); i < some.end(); i++) start += i % 7;
        return start;
    };
    return tbb::parallel_reduce(range(0, 100000), 0L, part, std::plus<long>());
}

int main(int argc, char **argv) {
    if (argc != 2) die("usage: controls_tbb COUNT");
    const long expected = sum();
    int count = atoi(argv[1]);
    for (int i = 0; i < count; i++) {
        if (sum() != expected) die("the sum is wrong");
        if (i % 1000 == 0 && fork_once(nullptr, [] {}) != FINISHED) die("a child is lost");
    }
}
