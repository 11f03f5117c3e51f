// libsystem.h: how stand-ins for the functions of libSystem are declared, and the model of locks
// that they share.
//
// A stand-in takes Apple's arguments and gives Apple's results: error numbers, flags and structures
// are translated where they differ from Linux. Each is found by the name of its symbol.
#ifndef LIBSYSTEM_H
#define LIBSYSTEM_H

#include <errno.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>
#include <sys/types.h>
#include <time.h>

struct standin {
    const char *symbol;
    void *address;
    enum { CODE, DATA } kind;
};

// NULL if there is none. A suffix like $NOCANCEL may be missing in the table.
const struct standin *find_standin(const char *symbol);

#define STANDIN_JOIN(a, b) a##b
#define STANDIN_ENTRY(counter, name, where, what)                                                  \
    static const struct standin *const STANDIN_JOIN(standin_, counter)                             \
        __attribute__((section("standins"), used)) =                                               \
            &(const struct standin){name, (void *)(where), what};
#define EXPORT(symbol, function) STANDIN_ENTRY(__COUNTER__, symbol, function, CODE)
#define EXPORT_DATA(symbol, variable) STANDIN_ENTRY(__COUNTER__, symbol, &(variable), DATA)

// The same on both systems.
#define PASS(name) EXPORT("_" #name, name)

// The same but for the numbers of errors.
#define TRANSLATE(type, name, parameters, arguments)                                               \
    static type standin_##name parameters {                                                        \
        return CALL(name arguments);                                                               \
    }                                                                                              \
    EXPORT("_" #name, standin_##name)

// The same, under a lock of Apple's C library that no fork takes.
#define LOCKED(lock, type, name, parameters, arguments)                                            \
    static type standin_##name parameters {                                                        \
        model_enter(&lock);                                                                        \
        type result = CALL(name arguments);                                                        \
        model_leave(&lock);                                                                        \
        return result;                                                                             \
    }                                                                                              \
    EXPORT("_" #name, standin_##name)
#define LOCKED_VOID(lock, name, parameters, arguments)                                             \
    static void standin_##name parameters {                                                        \
        model_enter(&lock);                                                                        \
        name arguments;                                                                            \
        model_leave(&lock);                                                                        \
    }                                                                                              \
    EXPORT("_" #name, standin_##name)

// Variadic functions: on Apple's arm64 the variadic arguments are all on the stack. A stand-in is
// written `int f(const char *format, REST)` with `OPEN_REST(list, format)`; `named` is the number
// of its other arguments.
#ifdef __aarch64__
#define REST void *rest
#define OPEN_REST(list, last) va_list list = list_on_stack(rest)
typedef void *apple_list;
#define FROM_APPLE_LIST(to, from) va_list to = list_on_stack(from)
#define EXPORT_VARIADIC(symbol, function, named)                                                   \
    extern char function##_on_stack[];                                                             \
    __asm__(".text\n" #function "_on_stack: mov x" #named ", sp\n\tb " #function "\n");            \
    EXPORT(symbol, function##_on_stack)

static inline va_list list_on_stack(void *stack) {
    // The layout of the procedure call standard, with no register left to take from.
    struct {
        void *stack, *general_top, *vector_top;
        int general_offset, vector_offset;
    } layout = {stack, NULL, NULL, 0, 0};
    va_list list;
    _Static_assert(sizeof list == sizeof layout, "the procedure call standard");
    memcpy(&list, &layout, sizeof list);
    return list;
}
#else
#define REST ...
#define OPEN_REST(list, last)                                                                      \
    va_list list;                                                                                  \
    va_start(list, last)
typedef va_list apple_list;
#define FROM_APPLE_LIST(to, from)                                                                  \
    va_list to;                                                                                    \
    va_copy(to, from)
#define EXPORT_VARIADIC(symbol, function, named) EXPORT(symbol, function)
#endif

// errors.c. The thread's error number in Apple's numbering stays until somebody changes it.
int *standin_error(void);
int apple_error(int linux_error);
int error_from_apple(int error);
#define FAIL(error, result) (*standin_error() = (error), (result))
#define CALL(call)                                                                                 \
    ({                                                                                             \
        errno = 0;                                                                                 \
        __typeof__(call) result_of_call = (call);                                                  \
        if (errno != 0) *standin_error() = apple_error(errno);                                     \
        result_of_call;                                                                            \
    })

enum { APPLE_EDEADLK = 11, APPLE_EAGAIN = 35, APPLE_ETIMEDOUT = 60, APPLE_ENOSYS = 78 };

// signals.c
int signal_to_apple(int signal), signal_from_apple(int signal);

// locks.c: a recursive lock that knows when its owner is not in the process any more.
struct lock {
    atomic_int owner; // a thread's token; 0: free
    atomic_int waiters;
    int depth;
};

struct model_lock {
    struct lock lock;
    const char *name;
};

void lock_take(struct lock *lock, const char *name);
bool lock_try(struct lock *lock);
void lock_leave(struct lock *lock);
bool lock_is_mine(const struct lock *lock);
// Takes the lock and holds it for some microseconds, so that forks find it held.
void model_enter(struct model_lock *lock);
void model_leave(struct model_lock *lock);
void be_busy(int microseconds);
int own_token(void);
bool is_alive(int token);
// In a forked child: all threads but the calling one are gone.
void forget_threads(void);
// The calling thread would wait for ever for what a vanished thread has.
__attribute__((noreturn)) void hopeless(const char *what);
int futex_wait(atomic_int *word, int value, const struct timespec *relative);
int futex_wake(atomic_int *word, int count);

// once.c: Apple's os_once: a child in which the initialising thread is gone is aborted.
struct once {
    atomic_int state; // 0: not yet; a token: in progress; -1: done
};
void os_once(struct once *once, void (*function)(void *), void *context);

// Hooks of the libraries in libSystem_atfork_child, in Apple's order.
void threads_fork_child(void);
void environment_fork_child(void);
void objc_fork_prepare(void), objc_fork_parent(void), objc_fork_child(void);
void notify_fork_child(void);
void xpc_atfork_child(void);
// What a fork takes and gives back.
extern struct model_lock dlopen_lock;

// For one library of libSystem by another.
void notify_globals(void);
void be_threaded(void);
bool was_threaded(void);
char **standin_environ(void);
char *environment_lookup(const char *name);
int standin_posix_spawn(pid_t *pid, const char *path, const void *actions, const void *attributes,
                        char *const argv[], char *const env[]);
int standin_fflush(void *file), standin_fclose(void *file);
void standin_flockfile(void *file), standin_funlockfile(void *file);
void *enlist_file(void *file);
void flush_at_exit(void);
pid_t fork_inside_libc(void);
int status_to_apple(int status);
int clock_from_apple(int clock);
__attribute__((noreturn)) void standin_exit(int status);
// Before any code of an image runs.
void libsystem_start(int argc, char **argv);

#endif
