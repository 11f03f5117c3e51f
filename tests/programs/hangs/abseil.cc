// A mutex of Abseil's: a number that threads wait at in a futex of their own.

#include "keeper.h"
#include <absl/synchronization/mutex.h>

absl::Mutex ledger;
long entries;

void keep() {
    absl::MutexLock held(&ledger);
    kept();
}

void need() {
    absl::MutexLock held(&ledger);
    ++entries;
}

int main() { return run_keeper(); }
