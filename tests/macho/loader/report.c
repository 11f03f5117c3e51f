// report.c: how the loader refuses, and what it says about a crash.
#define _GNU_SOURCE
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <ucontext.h>
#include <unistd.h>

#include "loader.h"

static void say_list(const char *format, va_list arguments) {
    char line[1024];
    int length = snprintf(line, sizeof line, "macho-run: ");
    length += vsnprintf(line + length, sizeof line - length - 1, format, arguments);
    if (length > (int)sizeof line - 2) length = sizeof line - 2;
    line[length++] = '\n';
    if (write(2, line, length) < 0) _exit(98);
}

void say(const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    say_list(format, arguments);
    va_end(arguments);
}

void refuse(const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    say_list(format, arguments);
    va_end(arguments);
    _exit(98);
}

static void describe(const char *what, uintptr_t address) {
    const struct image *image = image_at((void *)address);
    if (image == NULL) {
        say("  %s %#lx, in no image", what, (unsigned long)address);
        return;
    }
    uintptr_t start = 0;
    const char *name = image_symbol_near(image, (void *)address, &start);
    say("  %s %s+%#lx, %s+%#lx", what, image->label,
        (unsigned long)(address - (uintptr_t)image->base), name != NULL ? name : "?",
        (unsigned long)(address - start));
}

static void crashed(int signal, siginfo_t *information, void *context) {
    const ucontext_t *machine = context;
#ifdef __x86_64__
    uintptr_t pc = machine->uc_mcontext.gregs[REG_RIP];
    uintptr_t caller = *(uintptr_t *)machine->uc_mcontext.gregs[REG_RSP];
#else
    uintptr_t pc = machine->uc_mcontext.pc;
    uintptr_t caller = machine->uc_mcontext.regs[30];
#endif
    say("process %d: %s, address %p", getpid(), strsignal(signal), information->si_addr);
    describe("at", pc);
    describe("top of stack or link register", caller);
    // The handler was for one time: going on repeats the fault, which now ends the process.
    if (signal == SIGTRAP) raise(signal);
}

void report_crashes(void) {
    static char stack[65536];
    sigaltstack(&(stack_t){.ss_sp = stack, .ss_size = sizeof stack}, NULL);
    struct sigaction action = {.sa_sigaction = crashed,
                               .sa_flags = SA_SIGINFO | SA_RESETHAND | SA_ONSTACK};
    const int signals[] = {SIGSEGV, SIGBUS, SIGILL, SIGTRAP, SIGFPE};
    for (size_t i = 0; i < sizeof signals / sizeof *signals; i++)
        sigaction(signals[i], &action, NULL);
}
