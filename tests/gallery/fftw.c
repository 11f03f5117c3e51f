// name: FFTW
// kind: C, OpenMP
// need: /usr/include/fftw3.h libfftw3-dev
// flags: -lfftw3_omp -lfftw3 -lm
// forks: 200
// bare: hangs
#include "gallery.h"

#include <fftw3.h>

enum { SIZE = 1 << 14, TONE = 3 };

static fftw_complex wave[SIZE], spectrum[SIZE];
static fftw_plan plan;

// The wave has one frequency, so that is what its spectrum has.
static bool finds_the_tone(void) {
    fftw_execute(plan);
    return spectrum[TONE][0] > SIZE - 0.001 && spectrum[TONE + 1][0] < 0.001;
}

int main(int argc, char **argv) {
    fftw_init_threads();
    fftw_plan_with_nthreads(4);
    plan = fftw_plan_dft_1d(SIZE, wave, spectrum, FFTW_FORWARD, FFTW_ESTIMATE);
    wave[TONE][0] = 1; // Not a wave yet, but its spectrum, which the way back makes one of.
    fftw_execute_dft(fftw_plan_dft_1d(SIZE, wave, wave, FFTW_BACKWARD, FFTW_ESTIMATE), wave, wave);
    return finds_the_tone() ? play(argv, strtok(strdup(fftw_version + 5), "-"), finds_the_tone, NULL, 0) : 1;
}
