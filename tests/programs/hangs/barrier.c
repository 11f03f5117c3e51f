// The threads of OpenMP's pool, which a child lacks.

#include "keeper.h"

static int sum;

static void parallel(void) {
#pragma omp parallel for reduction(+ : sum) num_threads(4)
    for (int i = 0; i < 1000; i++) sum += i;
}

void keep(void) { kept(); }

void need(void) { parallel(); }

int main(void) {
    parallel();
    return run_keeper();
}
