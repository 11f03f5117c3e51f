// A critical section of OpenMP that another thread is in: a futex with a name.

#include "keeper.h"

static int entered;

void keep(void) {
#pragma omp critical(section)
    kept();
}

void need(void) {
#pragma omp critical(section)
    entered++;
}

int main(void) { return run_keeper(); }
