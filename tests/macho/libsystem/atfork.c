// atfork.c: fork in the order of libSystem's init.c (Libsystem-1336 and newer) and the handlers of
// libpthread's pthread_atfork.c.
//
// prepare  the dlopen lock; handlers, newest first; the libraries' own locks
// parent   the libraries' own locks; the dlopen lock; handlers, oldest first
// child    the libraries' hooks: libc, objc, libcoreservices, libnotify, XPC; the dlopen lock;
//          handlers, oldest first
//
// The lock of the handlers' table is held from the first prepare handler to the last of the others.
// Of the libraries' own locks, Objective-C's is modelled; those of malloc and others are glibc's
// here, which its fork takes.
#define _GNU_SOURCE
#include <pty.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>
#include <utmp.h>

#include "../loader/loader.h"
#include "libsystem.h"

typedef void handler(void);

// One page of 16 kB, less what it needs itself.
enum { MAX_HANDLERS = 682 };

static struct {
    handler *prepare, *parent, *child;
} handlers[MAX_HANDLERS];
static int handler_count;
static struct lock handler_lock;

static int standin_pthread_atfork(handler *prepare, handler *parent, handler *child) {
    if (lock_is_mine(&handler_lock)) {
        say("BUG IN CLIENT OF LIBPTHREAD: pthread_atfork in a fork handler");
        abort();
    }
    lock_take(&handler_lock, "the lock of fork handlers");
    int error = handler_count == MAX_HANDLERS ? ENOMEM : 0;
    if (error == 0) {
        handlers[handler_count].prepare = prepare;
        handlers[handler_count].parent = parent;
        handlers[handler_count++].child = child;
    }
    lock_leave(&handler_lock);
    return error;
}
EXPORT("_pthread_atfork", standin_pthread_atfork)

static void step(const char *what) {
    if (traced("@fork")) trace("fork", what);
}

static void prepare(bool with_handlers) {
    step("dlopen-lock");
    lock_take(&dlopen_lock.lock, dlopen_lock.name);
    if (with_handlers) {
        lock_take(&handler_lock, "the lock of fork handlers");
        step("prepare-handlers");
        for (int i = handler_count; i-- > 0;)
            if (handlers[i].prepare != NULL) handlers[i].prepare();
    }
    step("libraries");
    objc_fork_prepare();
}

static void parent(bool with_handlers) {
    objc_fork_parent();
    lock_leave(&dlopen_lock.lock);
    if (!with_handlers) return;
    step("parent-handlers");
    for (int i = 0; i < handler_count; i++)
        if (handlers[i].parent != NULL) handlers[i].parent();
    lock_leave(&handler_lock);
}

static void child(bool with_handlers) {
    forget_threads();
    threads_fork_child();
    environment_fork_child();
    objc_fork_child();
    // _libcoreservices_fork_child: initialises its directories anew, and reads the environment.
    environment_lookup("HOME");
    step("notify-child");
    notify_fork_child();
    step("xpc-child");
    xpc_atfork_child();
    lock_leave(&dlopen_lock.lock);
    if (!with_handlers) return;
    step("child-handlers");
    for (int i = 0; i < handler_count; i++)
        if (handlers[i].child != NULL) handlers[i].child();
    lock_leave(&handler_lock);
}

// The system call alone, as libsystem_kernel exports it.
static pid_t standin___fork(void) {
    step("clone");
    return CALL(fork());
}
EXPORT("___fork", standin___fork)

static pid_t do_fork(bool with_handlers) {
    prepare(with_handlers);
    // From libsystem_c to libsystem_kernel: a replacement is seen.
    pid_t (*clone)(void) = interposed("___fork", standin___fork);
    pid_t pid = clone();
    if (pid == 0) child(with_handlers);
    else parent(with_handlers);
    return pid;
}

pid_t fork_inside_libc(void) {
    return do_fork(true);
}
EXPORT("_fork", fork_inside_libc)

// Since macOS 12: fork without the handlers.
static pid_t standin_vfork(void) {
    return do_fork(false);
}
EXPORT("_vfork", standin_vfork)

// A process as if it was started anew, for tests of what a first use does: none of the hooks above,
// which would initialise libnotify and XPC. Not of macOS.
EXPORT("_macho_run_snapshot", _Fork)

static int standin_daemon(int keep_directory, int keep_output) {
    pid_t pid = fork_inside_libc();
    if (pid < 0) return -1;
    if (pid > 0) _exit(0);
    if (CALL(setsid()) < 0) return -1;
    if (!keep_directory && chdir("/") != 0) return -1;
    if (!keep_output && freopen("/dev/null", "r+", stdout) == NULL) return -1;
    return 0;
}
EXPORT("_daemon", standin_daemon)

static pid_t standin_forkpty(int *master, char *name, void *modes, void *size) {
    int slave;
    if (modes != NULL || size != NULL) refuse("forkpty: modes and sizes are not implemented");
    if (CALL(openpty(master, &slave, name, NULL, NULL)) < 0) return -1;
    pid_t pid = fork_inside_libc();
    if (pid == 0) {
        close(*master);
        login_tty(slave);
    } else {
        close(slave);
    }
    return pid;
}
EXPORT("_forkpty", standin_forkpty)
