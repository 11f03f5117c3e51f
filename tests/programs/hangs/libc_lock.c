// The lock of libc's time zone: reading the zone's file takes for ever, as it is a pipe, the argument. libc is
// called past the hooks, as by code that found its functions in another way.

#include "keeper.h"
#include <dlfcn.h>
#include <time.h>

static struct tm *(*broken_down)(const time_t *, struct tm *);

static void read_clock(void) {
    time_t now = 0;
    struct tm result;
    broken_down(&now, &result);
}

void keep(void) { read_clock(); }

void need(void) { read_clock(); }

int main(int count, char **arguments) {
    void *libc = dlopen("libc.so.6", RTLD_NOW);
    broken_down = (struct tm * (*)(const time_t *, struct tm *)) dlsym(libc, "localtime_r");
    if (count != 2 || !broken_down || setenv("TZ", arguments[1], 1)) return 2;
    pid_t tid = start_keeper();
    // This waits until the thread has opened the pipe, and makes it wait for what is never written.
    if (tid == 0 || open(arguments[1], O_WRONLY) < 0) return 2;
    until_asleep(tid);
    return fork_and_wait();
}
