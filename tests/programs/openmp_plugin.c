// openmp_plugin.c: a library that uses OpenMP, for openmp_later.c.
double compute(void) {
    double sum = 0;
#pragma omp parallel for num_threads(4) reduction(+ : sum)
    for (int i = 0; i < 1000; i++) sum += 1.0 / (1 + i * (double)i);
    return sum;
}
