// empty.c: a library that does nothing: what preloading costs whatever is preloaded.

void forkfix_bench_empty(void);

void forkfix_bench_empty(void) {}
