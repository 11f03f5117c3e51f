// signals.c: Apple's signal numbers, sets of 32 bits, and struct sigaction.
#define _GNU_SOURCE
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <unistd.h>

#include "libsystem.h"

enum { LAST_SIGNAL = 31 };

// By Apple's number.
static const int linux_signals[LAST_SIGNAL + 1] = {
    0,       SIGHUP,  SIGINT,  SIGQUIT, SIGILL,  SIGTRAP,   SIGABRT, -1,
    SIGFPE,  SIGKILL, SIGBUS,  SIGSEGV, SIGSYS,  SIGPIPE,   SIGALRM, SIGTERM,
    SIGURG,  SIGSTOP, SIGTSTP, SIGCONT, SIGCHLD, SIGTTIN,   SIGTTOU, SIGIO,
    SIGXCPU, SIGXFSZ, SIGVTALRM, SIGPROF, SIGWINCH, -1,     SIGUSR1, SIGUSR2,
};

int signal_from_apple(int signal) {
    return signal >= 0 && signal <= LAST_SIGNAL ? linux_signals[signal] : -1;
}

int signal_to_apple(int signal) {
    for (int i = 0; i <= LAST_SIGNAL; i++)
        if (linux_signals[i] == signal) return i;
    return LAST_SIGNAL;
}

static void set_from_apple(sigset_t *to, uint32_t from) {
    sigemptyset(to);
    for (int i = 1; i <= LAST_SIGNAL; i++)
        if ((from >> (i - 1) & 1) && linux_signals[i] > 0) sigaddset(to, linux_signals[i]);
}

static uint32_t set_to_apple(const sigset_t *from) {
    uint32_t set = 0;
    for (int i = 1; i <= LAST_SIGNAL; i++)
        if (linux_signals[i] > 0 && sigismember(from, linux_signals[i])) set |= 1u << (i - 1);
    return set;
}

static int standin_pthread_sigmask(int how, const uint32_t *set, uint32_t *old) {
    // SIG_BLOCK, SIG_UNBLOCK and SIG_SETMASK are 1, 2, 3 there and 0, 1, 2 here.
    sigset_t host, before;
    if (set != NULL) set_from_apple(&host, *set);
    int error = pthread_sigmask(how - 1, set != NULL ? &host : NULL, &before);
    if (error == 0 && old != NULL) *old = set_to_apple(&before);
    return apple_error(error);
}
EXPORT("_pthread_sigmask", standin_pthread_sigmask)

static int standin_sigprocmask(int how, const uint32_t *set, uint32_t *old) {
    int error = standin_pthread_sigmask(how, set, old);
    return error == 0 ? 0 : FAIL(error, -1);
}
EXPORT("_sigprocmask", standin_sigprocmask)

static int standin_sigemptyset(uint32_t *set) {
    *set = 0;
    return 0;
}
EXPORT("_sigemptyset", standin_sigemptyset)

static int standin_sigfillset(uint32_t *set) {
    *set = ~0u;
    return 0;
}
EXPORT("_sigfillset", standin_sigfillset)

static int standin_sigaddset(uint32_t *set, int signal) {
    *set |= 1u << (signal - 1);
    return 0;
}
EXPORT("_sigaddset", standin_sigaddset)

struct apple_action {
    void (*handler)(int);
    uint32_t mask;
    int flags;
};

static void (*handlers[LAST_SIGNAL + 1])(int);

static void deliver(int signal) {
    int number = signal_to_apple(signal);
    handlers[number](number);
}

// SA_ONSTACK 1, SA_RESTART 2, SA_RESETHAND 4, SA_NOCLDSTOP 8, SA_NODEFER 0x10, SA_NOCLDWAIT 0x20.
static int flags_from_apple(int flags) {
    static const int linux_flags[] = {SA_ONSTACK,   SA_RESTART, SA_RESETHAND,
                                      SA_NOCLDSTOP, SA_NODEFER, SA_NOCLDWAIT};
    int result = 0;
    for (int i = 0; i < 6; i++)
        if (flags >> i & 1) result |= linux_flags[i];
    return result;
}

static int standin_sigaction(int signal, const struct apple_action *action,
                             struct apple_action *old) {
    int host = signal_from_apple(signal);
    if (host <= 0) return FAIL(EINVAL, -1);
    struct sigaction new, before;
    void (*handler)(int) = handlers[signal];
    if (action != NULL) {
        // The handler's second and third argument are not translated, and not given.
        if (action->flags & 0x40) return FAIL(EINVAL, -1);
        bool own = (uintptr_t)action->handler > 1; // neither SIG_DFL nor SIG_IGN
        if (own) handlers[signal] = action->handler;
        new = (struct sigaction){.sa_handler = own ? deliver : action->handler,
                                 .sa_flags = flags_from_apple(action->flags)};
        set_from_apple(&new.sa_mask, action->mask);
    }
    if (CALL(sigaction(host, action != NULL ? &new : NULL, &before)) != 0) return -1;
    if (old != NULL) {
        *old = (struct apple_action){.mask = set_to_apple(&before.sa_mask)};
        old->handler = before.sa_handler == deliver ? handler : before.sa_handler;
    }
    return 0;
}
EXPORT("_sigaction", standin_sigaction)

static void (*standin_signal(int signal, void (*handler)(int)))(int) {
    struct apple_action action = {handler, 0, 2}, old = {0};
    standin_sigaction(signal, &action, &old);
    return old.handler;
}
EXPORT("_signal", standin_signal)

static int standin_kill(pid_t pid, int signal) {
    return CALL(kill(pid, signal_from_apple(signal)));
}
EXPORT("_kill", standin_kill)

static int standin_raise(int signal) {
    return CALL(raise(signal_from_apple(signal)));
}
EXPORT("_raise", standin_raise)

static int standin_pthread_kill(pthread_t thread, int signal) {
    return apple_error(pthread_kill(thread, signal_from_apple(signal)));
}
EXPORT("_pthread_kill", standin_pthread_kill)
EXPORT("_pause", pause)
PASS(alarm)
