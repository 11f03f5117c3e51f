// aborts.c: abort(), beside forks and by itself.
//
//   aborts children FORKS MAX_HANGS   two threads call abort all the time and jump out of the handler;
//                                     each child calls it, too, and must die of SIGABRT
//   aborts after FORKS MAX_HANGS      two threads jump out of abort once and then call localtime_r all
//                                     the time; each child calls that once
//   aborts HOW                        prints how a process ends that calls abort with SIGABRT blocked,
//                                     where HOW is "default", "ignored", "handled" by a handler that
//                                     returns, or "first": the first process of a PID name space
//
// "children" and "after" hang bare.
#include "storm.h"

#include <setjmp.h>
#include <sys/resource.h>

static _Thread_local sigjmp_buf before_abort;

static void jump_out(int signal) { siglongjmp(before_abort, signal); }

static void survive_abort(void) {
    if (sigsetjmp(before_abort, 1) == 0) abort();
}

static void call_localtime_r(void) {
    const time_t moment = 1700000000;
    struct tm tm;
    localtime_r(&moment, &tm);
}

static void survive_abort_once(void) {
    static _Thread_local bool survived;
    if (!survived) survive_abort();
    survived = true;
    call_localtime_r();
}

static enum verdict fork_and_abort(void) {
    pid_t child = fork();
    if (child < 0) die("fork");
    if (child == 0) {
        signal(SIGABRT, SIG_DFL);
        abort();
    }
    int status;
    if (!ends_in_time(child, &status)) return HUNG;
    return WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT ? FINISHED : CRASHED;
}

static struct tally children(int forks, int max_hangs) {
    struct tally tally = {0};
    struct hammering hammering;
    pthread_t threads[2];
    start_hammering(&hammering, threads, 2, survive_abort);
    while (tally.forks < forks && (max_hangs == 0 || tally.hangs < max_hangs))
        count(&tally, fork_and_abort());
    stop_hammering(&hammering, threads, 2);
    return tally;
}

static void say(int signal) { dprintf(1, "signal %d\n", signal); }

static void end(const char *how) {
    bool first = strcmp(how, "first") == 0;
    int flags = CLONE_NEWPID | (geteuid() == 0 ? 0 : CLONE_NEWUSER);
    if (first && unshare(flags) != 0) die("unshare");
    pid_t child = fork();
    if (child < 0) die("fork");
    if (child == 0) {
        if (strcmp(how, "handled") == 0) signal(SIGABRT, say);
        if (strcmp(how, "ignored") == 0) signal(SIGABRT, SIG_IGN);
        sigset_t blocked;
        sigemptyset(&blocked);
        sigaddset(&blocked, SIGABRT);
        sigprocmask(SIG_BLOCK, &blocked, NULL);
        abort();
    }
    int status;
    if (!ends_in_time(child, &status)) die("abort does not return, but does not end the process either");
    printf("%s: status %#x\n", how, status);
}

int main(int argc, char **argv) {
    const struct rlimit none = {0, 0}; // No core files.
    setrlimit(RLIMIT_CORE, &none);
    if (argc == 2) {
        end(argv[1]);
        return 0;
    }
    if (argc != 4) die("usage: aborts children|after FORKS MAX_HANGS | aborts HOW");
    signal(SIGABRT, jump_out);
    int forks = atoi(argv[2]), max_hangs = atoi(argv[3]);
    if (strcmp(argv[1], "children") == 0) return report(children(forks, max_hangs));
    struct storm after = {forks, max_hangs, 2, survive_abort_once, call_localtime_r, NULL};
    return report(storm(after));
}
