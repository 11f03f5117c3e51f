// mach.c: Mach's view of threads, and waiting on addresses. The port of a thread is its kernel id.
#define _GNU_SOURCE
#include <stdint.h>
#include <stdio.h>
#include <unistd.h>

#include "libsystem.h"

enum { KERN_SUCCESS = 0, KERN_INVALID_ARGUMENT = 4, MACH_SEND_INVALID_DEST = 0x10000003 };
enum { THREAD_BASIC_INFO = 3, BASIC_INFO_WORDS = 10 };
enum { STATE_RUNNING = 1, STATE_STOPPED, STATE_WAITING, STATE_UNINTERRUPTIBLE, STATE_HALTED };

static uint32_t task_self = 0x103;
EXPORT_DATA("_mach_task_self_", task_self)

static uint32_t mach_thread_self(void) {
    return gettid();
}
EXPORT("_mach_thread_self", mach_thread_self)

static int mach_port_deallocate(uint32_t task, uint32_t port) {
    (void)task, (void)port;
    return KERN_SUCCESS;
}
EXPORT("_mach_port_deallocate", mach_port_deallocate)

struct thread_basic_info {
    int32_t user[2], system[2], usage, policy, state, flags, suspended, slept;
};

// The letter behind the name in /proc/self/task/ID/stat; 0: there is no such thread.
static char thread_state(uint32_t port) {
    char path[64], text[512];
    snprintf(path, sizeof path, "/proc/self/task/%u/stat", port);
    FILE *file = fopen(path, "r");
    if (file == NULL) return 0;
    size_t size = fread(text, 1, sizeof text - 1, file);
    fclose(file);
    text[size] = '\0';
    char *end = strrchr(text, ')');
    return end != NULL && end + 2 < text + size ? end[2] : 0;
}

static int thread_info(uint32_t port, int flavour, struct thread_basic_info *info,
                       uint32_t *words) {
    if (flavour != THREAD_BASIC_INFO || *words < BASIC_INFO_WORDS) return KERN_INVALID_ARGUMENT;
    *info = (struct thread_basic_info){0};
    *words = BASIC_INFO_WORDS;
    switch (thread_state(port)) {
    case 0: return MACH_SEND_INVALID_DEST;
    case 'R': info->state = STATE_RUNNING; break;
    case 'D': info->state = STATE_UNINTERRUPTIBLE; break;
    case 'T':
    case 't': info->state = STATE_STOPPED; break;
    case 'Z':
    case 'X': info->state = STATE_HALTED; break;
    default: info->state = STATE_WAITING;
    }
    return KERN_SUCCESS;
}
EXPORT("_thread_info", thread_info)

// xnu's sys/ulock.h. A wait gives how many others wait (0 here), or minus an error number with
// ULF_NO_ERRNO; a wake-up that finds nobody gives ENOENT.
enum { UL_COMPARE_AND_WAIT = 1, UL_UNFAIR_LOCK = 2, UL_OPCODE = 0xff };
enum { ULF_WAKE_ALL = 0x100, ULF_NO_ERRNO = 0x1000000 };

static int ulock_result(uint32_t operation, int error) {
    if (error == 0) return 0;
    error = apple_error(error);
    return operation & ULF_NO_ERRNO ? -error : FAIL(error, -1);
}

static int wait_for(atomic_int *word, int value, uint64_t nanoseconds) {
    struct timespec time = {nanoseconds / 1000000000, nanoseconds % 1000000000};
    int error = futex_wait(word, value, nanoseconds > 0 ? &time : NULL);
    return error == EAGAIN ? 0 : error; // the word is another already
}

static int ulock_wait(uint32_t operation, atomic_int *word, uint64_t value, uint32_t microseconds) {
    if ((operation & UL_OPCODE) > UL_UNFAIR_LOCK) return ulock_result(operation, EINVAL);
    return ulock_result(operation, wait_for(word, value, microseconds * 1000ull));
}
EXPORT("___ulock_wait", ulock_wait)

static int ulock_wait2(uint32_t operation, atomic_int *word, uint64_t value, uint64_t nanoseconds,
                       uint64_t value2) {
    (void)value2;
    if ((operation & UL_OPCODE) > UL_UNFAIR_LOCK) return ulock_result(operation, EINVAL);
    return ulock_result(operation, wait_for(word, value, nanoseconds));
}
EXPORT("___ulock_wait2", ulock_wait2)

static int ulock_wake(uint32_t operation, atomic_int *word, uint64_t value) {
    (void)value;
    int woken = futex_wake(word, operation & ULF_WAKE_ALL ? 1 << 30 : 1);
    return ulock_result(operation, woken > 0 ? 0 : ENOENT);
}
EXPORT("___ulock_wake", ulock_wake)

// Since macOS 14.4, <os/os_sync_wait_on_address.h>. Words of 4 bytes only.
enum { MACH_ABSOLUTE_TIME = 32 };

static int sync_wait_with_timeout(atomic_int *word, uint64_t value, size_t size, uint32_t flags,
                                  uint32_t clock, uint64_t nanoseconds) {
    (void)flags;
    if (size != 4 || clock != MACH_ABSOLUTE_TIME || nanoseconds == 0) return FAIL(EINVAL, -1);
    int error = wait_for(word, value, nanoseconds);
    return error == 0 ? 0 : FAIL(apple_error(error), -1);
}
EXPORT("_os_sync_wait_on_address_with_timeout", sync_wait_with_timeout)

static int sync_wait(atomic_int *word, uint64_t value, size_t size, uint32_t flags) {
    (void)flags;
    if (size != 4) return FAIL(EINVAL, -1);
    int error = wait_for(word, value, 0);
    return error == 0 ? 0 : FAIL(apple_error(error), -1);
}
EXPORT("_os_sync_wait_on_address", sync_wait)

static int sync_wake(atomic_int *word, size_t size, int count) {
    if (size != 4) return FAIL(EINVAL, -1);
    return futex_wake(word, count) > 0 ? 0 : FAIL(ENOENT, -1);
}

static int sync_wake_any(atomic_int *word, size_t size, uint32_t flags) {
    (void)flags;
    return sync_wake(word, size, 1);
}
EXPORT("_os_sync_wake_by_address_any", sync_wake_any)

static int sync_wake_all(atomic_int *word, size_t size, uint32_t flags) {
    (void)flags;
    return sync_wake(word, size, 1 << 30);
}
EXPORT("_os_sync_wake_by_address_all", sync_wake_all)

// os_unfair_lock: a waiter whose owner is gone aborts, see once.c.
static void unfair_lock(atomic_int *word) {
    for (int owner = 0; !atomic_compare_exchange_strong(word, &owner, own_token()); owner = 0) {
        if (!is_alive(owner)) {
            static const char text[] = "BUG IN CLIENT OF LIBPLATFORM: os_unfair_lock is corrupt\n";
            if (write(2, text, sizeof text - 1) > 0) __builtin_trap();
        }
        futex_wait(word, owner, &(struct timespec){0, 1000000});
    }
}
EXPORT("_os_unfair_lock_lock", unfair_lock)

static void unfair_unlock(atomic_int *word) {
    atomic_store(word, 0);
    futex_wake(word, 1);
}
EXPORT("_os_unfair_lock_unlock", unfair_unlock)

static bool unfair_trylock(atomic_int *word) {
    int owner = 0;
    return atomic_compare_exchange_strong(word, &owner, own_token());
}
EXPORT("_os_unfair_lock_trylock", unfair_trylock)
