// lock_holders.c: who holds a lock, and what becomes of it, when a process forks.
//
//   lock_holders MODE FORKS MAX_HANGS
//
//   own-errorcheck own-recursive own-inherit own-write own-read
//                    the forker holds it; the child can use it as its holder
//   waiting-writer   the forker reads, others wait to write
//   not-main         own-errorcheck in another thread than the first
//   inversion        the forker holds a lock that threads wait for which hold another
//   idle             a thread never gives one back
//   unmapped         a thread never gave one back whose memory is something else now
//   short-lived      each lock is made and destroyed, and its memory is unmapped
//   handed-over      one thread takes it, another gives it back; then its memory is something else
//   many             10,000 locks, of which a thread holds 1,000 at once
//   grandchildren    children start threads, too, and fork
//   once call-once   a thread initialises something
//
// Bare, the child waits for ever for a lock that nobody holds any more, or that it does not know for its own.
#include "locks.h"

#include <sys/mman.h>
#include <threads.h>

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER, other = PTHREAD_MUTEX_INITIALIZER;
static pthread_rwlock_t rwlock = PTHREAD_RWLOCK_INITIALIZER;

static void use(void) {
    must(pthread_mutex_lock(&mutex));
    check();
    change();
    must(pthread_mutex_unlock(&mutex));
}

// --- the forker's own

static pid_t fork_inside(void) {
    must(pthread_mutex_lock(&mutex));
    pid_t pid = fork();
    if (pid != 0) must(pthread_mutex_unlock(&mutex));
    return pid;
}

static void own_errorcheck(void) {
    must_fail(pthread_mutex_lock(&mutex), EDEADLK);
    must(pthread_mutex_unlock(&mutex));
    must_fail(pthread_mutex_unlock(&mutex), EPERM);
    use();
}

static void own_recursive(void) {
    use();
    must(pthread_mutex_unlock(&mutex));
    must_fail(pthread_mutex_unlock(&mutex), EPERM);
    use();
}

static void write_once(void) {
    must(pthread_rwlock_wrlock(&rwlock));
    change();
    must(pthread_rwlock_unlock(&rwlock));
}

static void read_once(void) {
    must(pthread_rwlock_rdlock(&rwlock));
    check();
    must(pthread_rwlock_unlock(&rwlock));
}

static pid_t fork_writing(void) {
    must(pthread_rwlock_wrlock(&rwlock));
    pid_t pid = fork();
    if (pid != 0) must(pthread_rwlock_unlock(&rwlock));
    return pid;
}

static void own_write(void) {
    must_fail(pthread_rwlock_wrlock(&rwlock), EDEADLK);
    must_fail(pthread_rwlock_rdlock(&rwlock), EDEADLK);
    must(pthread_rwlock_unlock(&rwlock));
    read_once();
    write_once();
}

static pid_t fork_reading(void) {
    must(pthread_rwlock_rdlock(&rwlock));
    must(pthread_rwlock_rdlock(&rwlock));
    pid_t pid = fork();
    for (int i = 0; pid != 0 && i < 2; i++) must(pthread_rwlock_unlock(&rwlock));
    return pid;
}

static void own_read(void) {
    for (int i = 0; i < 2; i++) {
        must_fail(pthread_rwlock_trywrlock(&rwlock), EBUSY);
        must(pthread_rwlock_unlock(&rwlock));
    }
    write_once();
    read_once();
}

// --- threads that wait for what the forker holds

static void take_both(void) {
    must(pthread_mutex_lock(&other));
    use();
    must(pthread_mutex_unlock(&other));
}

static void give_own_and_take_both(void) {
    check();
    must(pthread_mutex_unlock(&mutex));
    take_both();
}

// --- locks that nobody gives back

static atomic_bool settled;

__attribute__((noreturn)) static void settle(void) {
    atomic_store(&settled, true);
    for (;;) pause();
}

static void *hold_for_ever(void *unused) {
    must(pthread_mutex_lock(&other));
    settle();
    return unused;
}

static void use_both(void) {
    must(pthread_mutex_lock(&other));
    must(pthread_mutex_unlock(&other));
    use();
}

enum { WORDS = sizeof(pthread_mutex_t) / sizeof(int) };

// Memory that was a lock and holds numbers now.
static void fill(int *words) {
    for (int i = 0; i < WORDS; i++) words[i] = 1;
}
static void check_filled(const int *words) {
    for (int i = 0; i < WORDS; i++)
        if (words[i] != 1) die("number %d of memory that was a lock is %d", i, words[i]);
}

static const int *mapped_anew;

// Two locks: the memory of one is gone, that of the other has been mapped again.
static void *lose_locks(void *unused) {
    for (int i = 0; i < 2; i++) {
        void *memory = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (memory == MAP_FAILED) die("mmap");
        init_mutex(memory, PTHREAD_MUTEX_NORMAL, PTHREAD_PRIO_NONE);
        must(pthread_mutex_lock(memory));
        if (i == 0) {
            mapped_anew = memory;
            memory = mmap(memory, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
            fill(memory);
        } else {
            munmap(memory, 4096);
        }
    }
    settle();
    return unused;
}

static void use_and_check_mapped(void) {
    use();
    check_filled(mapped_anew);
}

// So often that a fork finds it held, whatever else the thread does.
static void use_for_a_while(void) {
    for (int i = 0; i < 300; i++) use();
}

static void use_new_lock(void) {
    pthread_mutex_t *made = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (made == MAP_FAILED) die("mmap");
    init_mutex(made, PTHREAD_MUTEX_NORMAL, PTHREAD_PRIO_NONE);
    must(pthread_mutex_lock(made));
    use_for_a_while();
    must(pthread_mutex_unlock(made));
    must(pthread_mutex_destroy(made));
    munmap(made, 4096);
}

// --- handed over

enum state { FILLED, BUSY, HELD, RELEASED };
enum { SLOTS = 16 };

static struct slot {
    _Atomic enum state state;
    union {
        pthread_mutex_t mutex;
        int words[WORDS];
    };
} slots[SLOTS];

static void *release_all(void *unused) {
    for (;; sched_yield()) {
        for (struct slot *slot = slots; slot < slots + SLOTS; slot++) {
            if (atomic_load(&slot->state) != HELD) continue;
            must(pthread_mutex_unlock(&slot->mutex));
            atomic_store(&slot->state, RELEASED);
        }
    }
    return unused;
}

static void hand_over(void) {
    static _Thread_local unsigned next;
    struct slot *slot = &slots[next++ % SLOTS];
    use_for_a_while();
    enum state filled = FILLED;
    if (!atomic_compare_exchange_strong(&slot->state, &filled, BUSY)) return;
    init_mutex(&slot->mutex, PTHREAD_MUTEX_NORMAL, PTHREAD_PRIO_NONE);
    must(pthread_mutex_lock(&slot->mutex));
    atomic_store(&slot->state, HELD);
    while (atomic_load(&slot->state) != RELEASED) sched_yield();
    fill(slot->words);
    atomic_store(&slot->state, FILLED);
}

static void use_and_check_slots(void) {
    use();
    for (const struct slot *slot = slots; slot < slots + SLOTS; slot++)
        if (atomic_load(&slot->state) == FILLED) check_filled(slot->words);
}

// --- many

enum { MANY = 10000, AT_ONCE = 1000 };
static pthread_mutex_t many[MANY];

static void take_some(int from, int how_many) {
    for (int i = from; i < from + how_many; i++) must(pthread_mutex_lock(&many[i]));
    use();
    for (int i = from + how_many; i-- > from;) must(pthread_mutex_unlock(&many[i]));
}

static void take_a_thousand(void) {
    static _Thread_local int from;
    take_some(from, AT_ONCE);
    from = (from + AT_ONCE / 2) % (MANY - AT_ONCE);
}

static void take_all(void) { take_some(0, MANY); }

// --- grandchildren

static void use_and_fork(void) {
    use();
    if (storm((struct storm){10, 0, 2, use, use, NULL}).hangs > 0) hang();
}

// --- once

static pthread_once_t control = PTHREAD_ONCE_INIT;
static once_flag flag = ONCE_FLAG_INIT;
static volatile unsigned long begun, done;

static void initialise(void) {
    begun++;
    use();
    done++;
}

static void begin_anew(void) {
    must(pthread_once(&control, initialise));
    control = PTHREAD_ONCE_INIT;
}

static void call_anew(void) {
    call_once(&flag, initialise);
    flag = (once_flag)ONCE_FLAG_INIT;
}

static void check_once(void) {
    must(pthread_once(&control, initialise));
    call_once(&flag, initialise);
    if (begun != done) die("begun %lu times, done %lu times", begun, done);
}

// --- modes

static void nothing(void) {}
static void errorcheck(void) { init_mutex(&mutex, PTHREAD_MUTEX_ERRORCHECK, PTHREAD_PRIO_NONE); }
static void recursive(void) { init_mutex(&mutex, PTHREAD_MUTEX_RECURSIVE, PTHREAD_PRIO_NONE); }
static void inherit(void) { init_mutex(&mutex, PTHREAD_MUTEX_ERRORCHECK, PTHREAD_PRIO_INHERIT); }

static void start_and_settle(void *(*body)(void *)) {
    pthread_t thread;
    start_thread(&thread, body, NULL);
    await(&settled);
}
static void start_idler(void) { start_and_settle(hold_for_ever); }
static void start_loser(void) { start_and_settle(lose_locks); }
static void start_releaser(void) {
    for (int i = 0; i < SLOTS; i++) fill(slots[i].words);
    pthread_t thread;
    start_thread(&thread, release_all, NULL);
}

static const struct mode {
    const char *name;
    void (*set_up)(void);
    int hammers;
    call_fn *hammer, *child;
    pid_t (*fork)(void);
} modes[] = {
    {"own-errorcheck", errorcheck, 2, use, own_errorcheck, fork_inside},
    {"own-recursive", recursive, 2, use, own_recursive, fork_inside},
    {"own-inherit", inherit, 2, use, own_errorcheck, fork_inside},
    {"own-write", nothing, 2, read_once, own_write, fork_writing},
    {"own-read", nothing, 2, read_once, own_read, fork_reading},
    {"waiting-writer", nothing, 2, write_once, own_read, fork_reading},
    {"not-main", errorcheck, 2, use, own_errorcheck, fork_inside},
    {"inversion", nothing, 2, take_both, give_own_and_take_both, fork_inside},
    {"idle", start_idler, 2, use, use_both, NULL},
    {"unmapped", start_loser, 2, use, use_and_check_mapped, NULL},
    {"short-lived", nothing, 2, use_new_lock, use_new_lock, NULL},
    {"handed-over", start_releaser, 2, hand_over, use_and_check_slots, NULL},
    {"many", nothing, 2, take_a_thousand, take_all, NULL},
    {"grandchildren", nothing, 2, use, use_and_fork, NULL},
    {"once", nothing, 1, begin_anew, check_once, NULL},
    {"call-once", nothing, 1, call_anew, check_once, NULL},
};
enum { MODES = sizeof modes / sizeof modes[0] };

struct parts {
    struct storm storm;
    struct tally tally;
};

static void *storm_in_thread(void *argument) {
    struct parts *parts = argument;
    parts->tally = storm(parts->storm);
    return NULL;
}

int main(int argc, char **argv) {
    const struct mode *mode = modes;
    while (argc == 4 && mode < modes + MODES && strcmp(argv[1], mode->name) != 0) mode++;
    if (argc != 4 || mode == modes + MODES) die("usage: lock_holders MODE FORKS MAX_HANGS");
    mode->set_up();
    struct parts parts = {
        .storm = {atoi(argv[2]), atoi(argv[3]), mode->hammers, mode->hammer, mode->child, mode->fork}};
    if (strcmp(mode->name, "not-main") == 0) {
        pthread_t thread;
        start_thread(&thread, storm_in_thread, &parts);
        must(pthread_join(thread, NULL));
    } else {
        storm_in_thread(&parts);
    }
    return report(parts.tally);
}
