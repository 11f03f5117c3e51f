// name: oneTBB
// kind: C++, a pool of threads that rest
// need: /usr/include/tbb/parallel_reduce.h libtbb-dev
// flags: -ltbb
// forks: 400
// bare: works
#include "gallery.h"

#include <tbb/blocked_range.h>
#include <tbb/parallel_reduce.h>
#include <tbb/version.h>

static bool adds_up() {
    auto add = [](const tbb::blocked_range<long> &range, long sum) {
        for (long i = range.begin(); i < range.end(); i++) sum += i;
        return sum;
    };
    return tbb::parallel_reduce(tbb::blocked_range<long>(0, 100000), 0L, add, std::plus<>()) == 4999950000;
}

int main(int, char **argv) {
    if (!adds_up()) return 1; // There is a pool. See docs/runtimes.md for when it is busy.
    return play(argv, TBB_runtime_version(), adds_up, nullptr, 0);
}
