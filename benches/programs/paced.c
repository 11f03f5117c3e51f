// paced.c: a program that works, and forks now and then.
//
//   paced THREADS FORKS
//
// Each fork comes after about 10 ms of work; the other threads take turns with a lock meanwhile.
#include "timing.h"

enum { WORK = 10000000 };

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static volatile uint64_t sum;

static void work(int count) {
    for (int i = 0; i < count; i++) sum += (uint64_t)i % 7;
}

static void *take_turns(void *unused) {
    for (;;) {
        pthread_mutex_lock(&lock);
        work(1000);
        pthread_mutex_unlock(&lock);
        usleep(1000);
    }
    return unused;
}

int main(int argc, char **argv) {
    if (argc != 3) die("usage: paced THREADS FORKS");
    for (int i = atoi(argv[1]); i > 0; i--) {
        pthread_t thread;
        errno = pthread_create(&thread, NULL, take_turns, NULL);
        if (errno != 0) die("pthread_create");
    }
    for (int i = atoi(argv[2]); i > 0; i--) {
        work(WORK);
        pid_t child = fork();
        if (child == 0) _exit(0);
        int status;
        if (child < 0 || waitpid(child, &status, 0) != child || status != 0) die("fork");
    }
}
