// processes.c: ways to make a process other than calling fork().
//
//   processes forkpty FORKS MAX_HANGS   the child of forkpty() calls localtime
//   processes daemon FORKS MAX_HANGS    what daemon() leaves behind calls localtime
//   processes vfork FORKS               the child of vfork() ends, every other one in exec
//   processes _Fork FORKS               the same with _Fork()
//   processes clone FORKS               the same with a bare clone system call
//   processes _Fork-beside-fork FORKS   _Fork() and exec, while another thread forks
//
// forkpty() and daemon() call a fork inside libc that no symbol leads to, so their children
// hang bare. The others run no handlers at all; their children call nothing that locks, and
// must still work.
#include "storm.h"

#include <pty.h>

static char *const TRUE[] = {"/bin/true", NULL};
static char *const EMPTY[] = {NULL};
static bool even;

static void call_localtime(void) {
    time_t moment = 1700000000;
    localtime(&moment);
}

// The terminal stays open until the next fork: closing it would end the child.
static pid_t fork_in_terminal(void) {
    static int terminal = -1;
    if (terminal >= 0) close(terminal);
    return forkpty(&terminal, NULL, NULL, NULL);
}

// The process that becomes a daemon: it has threads of its own, and says nothing.
static int become_daemon(void) {
    struct hammering hammering;
    pthread_t threads[2];
    start_hammering(&hammering, threads, 2, call_localtime);
    if (daemon(1, 1) != 0) die("daemon");
    call_localtime();
    _exit(0);
}

// As `fork`, but returns the daemon, which is ours because nearer ancestors are gone.
static pid_t fork_daemon(void) {
    pid_t pid = vfork();
    if (pid == 0) {
        execl("/proc/self/exe", "processes", "become-daemon", NULL);
        _exit(127);
    }
    // The first to end is the process that calls daemon(): unless it failed, its child is
    // handed to us as it ends.
    int status;
    if (waitpid(pid, &status, 0) != pid || status != 0) die("no daemon: status %#x", status);
    char text[64];
    char path[64];
    snprintf(path, sizeof path, "task/%d/children", getpid());
    if (read_proc(getpid(), path, text, sizeof text) <= 0) return 0;
    return atoi(text);
}

static struct tally storm_daemons(int forks, int max_hangs) {
    struct tally tally = {0};
    if (prctl(PR_SET_CHILD_SUBREAPER, 1) != 0) die("prctl");
    while (tally.forks < forks && (max_hangs == 0 || tally.hangs < max_hangs))
        count(&tally, watch(fork_daemon()));
    return tally;
}

static pid_t bare_clone(void) { return syscall(SYS_clone, SIGCHLD, NULL, NULL, NULL, NULL); }

// With an environment that lacks our variable, and with the process's own.
static void end(void) {
    even = !even;
    if (even) execve(TRUE[0], TRUE, EMPTY);
    _exit(0);
}
static void end_in_exec(void) {
    execve(TRUE[0], TRUE, environ);
    _exit(126);
}

static struct tally storm_vforks(int forks) {
    struct tally tally = {0};
    struct hammering hammering;
    pthread_t threads[2];
    start_hammering(&hammering, threads, 2, call_localtime);
    for (int i = 0; i < forks; i++) {
        pid_t pid = vfork();
        if (pid < 0) die("vfork");
        if (pid == 0) {
            if (i % 2 == 0) execve(TRUE[0], TRUE, environ);
            _exit(0);
        }
        count(&tally, watch(pid));
    }
    stop_hammering(&hammering, threads, 2);
    return tally;
}

static void fork_and_wait(void) {
    if (fork_once(NULL, call_localtime) == CRASHED) die("a forked child crashed");
}

int main(int argc, char **argv) {
    const char *mode = argc > 1 ? argv[1] : "";
    int forks = argc > 2 ? atoi(argv[2]) : 0;
    int max_hangs = argc > 3 ? atoi(argv[3]) : 0;
    struct storm plain = {forks, max_hangs, 2, call_localtime, end, NULL};
    if (strcmp(mode, "become-daemon") == 0) return become_daemon();
    if (forks == 0) die("usage: processes MODE FORKS [MAX_HANGS]");
    if (strcmp(mode, "daemon") == 0) return report(storm_daemons(forks, max_hangs));
    if (strcmp(mode, "vfork") == 0) return report(storm_vforks(forks));
    if (strcmp(mode, "forkpty") == 0) {
        plain.fork = fork_in_terminal;
        plain.child = call_localtime;
    } else if (strcmp(mode, "_Fork") == 0) {
        plain.fork = fork_without_handlers;
    } else if (strcmp(mode, "clone") == 0) {
        plain.fork = bare_clone;
    } else if (strcmp(mode, "_Fork-beside-fork") == 0) {
        plain.fork = fork_without_handlers;
        plain.hammers = 1;
        plain.hammer = fork_and_wait;
        plain.child = end_in_exec;
    } else {
        die("no mode %s", mode);
    }
    return report(storm(plain));
}
