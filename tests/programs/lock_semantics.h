// lock_semantics.h: makes calls of locks and prints each with its result.
//
// A line is the call as it is written, its result, and `errno` if the call changed that. All calls of a group
// are made by one thread, unless the line begins with another one's name; the main thread forks after each group,
// so that whatever the library believes the first thread still holds, delays a fork.
#ifndef LOCK_SEMANTICS_H
#define LOCK_SEMANTICS_H

#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <string>
#include <thread>

enum { DEADLINE_S = 60, UNTOUCHED = 4711 };

const struct timespec PAST = {.tv_sec = 1}, BAD = {.tv_nsec = 1000000000};

inline const char *name_of(int code) {
    static const struct {
        int code;
        const char *name;
    } names[] = {
        {EAGAIN, "EAGAIN"}, {EBUSY, "EBUSY"},         {EDEADLK, "EDEADLK"},     {EINTR, "EINTR"},
        {EINVAL, "EINVAL"}, {ENOTRECOVERABLE, "ENOTRECOVERABLE"},               {EOVERFLOW, "EOVERFLOW"},
        {EPERM, "EPERM"},   {EOWNERDEAD, "EOWNERDEAD"}, {ETIMEDOUT, "ETIMEDOUT"},
    };
    static thread_local char number[16];
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (names[i].code == code) return names[i].name;
    snprintf(number, sizeof number, "%d", code);
    return number;
}

inline void print(const char *who, const char *call, const char *result) {
    int error = errno;
    printf("%s%s = %s", who, call, result);
    if (error != UNTOUCHED) printf(", errno %s", name_of(error));
    putchar('\n');
}

// The calling thread makes the call; `who` is what the line begins with.
#define CALL_AS(who, call) (errno = UNTOUCHED, print(who, #call, name_of(call)))
#define CALL(call) (errno = UNTOUCHED, print("", #call, name_of(call)))
// Another thread makes it, and ends.
#define OTHER(call) std::thread([&] { errno = UNTOUCHED, print("other: ", #call, name_of(call)); }).join()
// The same for what results in a number that is no error's.
#define VALUE(call) (errno = UNTOUCHED, print("", #call, std::to_string(call).c_str()))
#define OTHER_VALUE(call) \
    std::thread([&] { errno = UNTOUCHED, print("other: ", #call, std::to_string(call).c_str()); }).join()

typedef void group();

inline int child_status(pid_t child) {
    int status = -1;
    waitpid(child, &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 1000 + status;
}

// Runs the groups, with a fork after each.
inline void run_groups(group *const *groups, size_t count) {
    alarm(DEADLINE_S);
    setvbuf(stdout, NULL, _IOLBF, 0);
    pthread_barrier_t turn;
    pthread_barrier_init(&turn, NULL, 2);
    std::thread worker([&] {
        for (size_t i = 0; i < count; i++) {
            groups[i]();
            pthread_barrier_wait(&turn);
            pthread_barrier_wait(&turn);
        }
    });
    for (size_t i = 0; i < count; i++) {
        pthread_barrier_wait(&turn);
        pid_t child = fork();
        if (child == 0) _exit(0);
        printf("child of the main thread = %d\n", child_status(child));
        pthread_barrier_wait(&turn);
    }
    worker.join();
}

#endif
