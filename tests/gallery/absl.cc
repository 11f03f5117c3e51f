// name: Abseil
// kind: C++, locks of atomics and futexes
// need: /usr/include/absl/synchronization/mutex.h libabsl-dev
// need: pkg-config pkg-config
// flags: `pkg-config --cflags --libs absl_synchronization`
// flags: `echo -DVERSION='"'$(pkg-config --modversion absl_synchronization)'"'`
// forks: 400
// bare: hangs
// remains: absl::Mutex is an atomic number that no hook sees; use posix_spawn, or start a new program in the child
#include "gallery.h"

#include <absl/synchronization/mutex.h>

static absl::Mutex lock;
static int first, second;

static bool are_equal() {
    absl::MutexLock held(&lock);
    return first == second;
}

static void add() {
    absl::MutexLock held(&lock);
    first++, second++;
}

int main(int, char **argv) { return play(argv, VERSION, are_equal, add, HAMMERS); }
