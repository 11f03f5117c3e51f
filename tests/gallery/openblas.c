// name: OpenBLAS
// kind: C, a pool of threads
// need: /usr/include/x86_64-linux-gnu/cblas.h libopenblas-dev
// flags: -lopenblas
// forks: 20
// bare: hangs
// when: full
// remains: its own fork handler waits for threads of its pool while another thread uses them; set OPENBLAS_NUM_THREADS=1
#include "gallery.h"
#include <cblas.h>

enum { SIZE = 200 };
static double ones[] = {[0 ... SIZE * SIZE - 1] = 1}, products[2][SIZE * SIZE];

static bool multiplies(double *into) {
    cblas_dgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, SIZE, SIZE, SIZE, 1, ones, SIZE, ones, SIZE, 0, into, SIZE);
    return into[0] == SIZE && into[SIZE * SIZE - 1] == SIZE;
}
static void multiply(void) { multiplies(products[0]); }

// The parent hangs, too, so that each fork has one of its own.
static bool forks(void) {
    struct hammering multiplying;
    pthread_t thread;
    start_hammering(&multiplying, &thread, 1, multiply);
    int status, pid = fork();
    if (pid == 0) _exit(prctl(PR_SET_PDEATHSIG, SIGKILL) == 0 && multiplies(products[1]) ? 0 : WRONG);
    return waitpid(pid, &status, 0) == pid && status == 0;
}
int main(int argc, char **argv) { return play(argv, strtok(openblas_get_config() + 9, " "), forks, NULL, 0); }
