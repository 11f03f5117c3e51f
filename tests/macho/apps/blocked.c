// blocked.c: a thread waits in getc for input that never comes, and the process forks.
//
//   blocked FORKS
#include <mach/mach.h>

#include "storm.h"

static FILE *input;
static atomic_bool reading;

static void *reader(void *unused) {
    atomic_store(&reading, true);
    getc(input);
    return unused;
}

static bool is_waiting(thread_t thread) {
    thread_basic_info_data_t info;
    mach_msg_type_number_t words = THREAD_BASIC_INFO_COUNT;
    if (thread_info(thread, THREAD_BASIC_INFO, (thread_info_t)&info, &words) != KERN_SUCCESS)
        fail("thread_info");
    return info.run_state == TH_STATE_WAITING;
}

int main(int argc, char **argv) {
    int fds[2];
    pthread_t thread;
    struct tally tally = {0};
    if (argc != 2 || pipe(fds) != 0 || (input = fdopen(fds[0], "r")) == NULL) return 99;
    if (pthread_create(&thread, NULL, reader, NULL) != 0) fail("pthread_create");
    while (!atomic_load(&reading)) sched_yield();
    while (!is_waiting(pthread_mach_thread_np(thread))) sched_yield();
    while (tally.forks < atoi(argv[1])) {
        pid_t child = fork();
        if (child == 0) {
            fprintf(stderr, "a child writes\n");
            _exit(0);
        }
        watch(&tally, child);
    }
    return report(tally);
}
