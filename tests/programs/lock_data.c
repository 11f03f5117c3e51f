// lock_data.c: what locks guard, in children that are forked while threads change it.
//
//   lock_data whole FORKS MAX_HANGS     two threads change two numbers that are the same whenever the lock is free
//   lock_data torn FORKS                a thread stays in the middle of a change until the fork is over
//   lock_data torn-KIND FORKS           the same for locks of other kinds
//   lock_data torn-three FORKS          three locks at once
//
// The second kind prints `whole=N torn=N held=N died=N`: what children found, the lock being free or not, and how
// many were ended by SIGABRT. One that is free must look like a new one of its kind.
#include "locks.h"

// Not static: messages name them.
pthread_mutex_t guarded = PTHREAD_MUTEX_INITIALIZER;
pthread_rwlock_t read_and_written = PTHREAD_RWLOCK_INITIALIZER;
pthread_spinlock_t spun_for;

static int take(void) { return pthread_mutex_lock(&guarded); }
static int try(void) { return pthread_mutex_trylock(&guarded); }
static int give(void) { return pthread_mutex_unlock(&guarded); }
static int write_lock(void) { return pthread_rwlock_wrlock(&read_and_written); }
static int try_to_write(void) { return pthread_rwlock_trywrlock(&read_and_written); }
static int give_rwlock(void) { return pthread_rwlock_unlock(&read_and_written); }
static int take_spin(void) { return pthread_spin_lock(&spun_for); }
static int try_spin(void) { return pthread_spin_trylock(&spun_for); }
static int give_spin(void) { return pthread_spin_unlock(&spun_for); }
static int take_three(void) {
    must(take());
    must(write_lock());
    return take_spin();
}
static int try_three(void) {
    int result = try();
    if (result == 0) result = try_to_write();
    return result != 0 ? result : try_spin();
}
static int give_three(void) {
    must(give_spin());
    must(give_rwlock());
    return give();
}

static void plain(void) { init_mutex(&guarded, PTHREAD_MUTEX_NORMAL, PTHREAD_PRIO_NONE); }
static void recursive(void) { init_mutex(&guarded, PTHREAD_MUTEX_RECURSIVE, PTHREAD_PRIO_NONE); }
static void errorcheck(void) { init_mutex(&guarded, PTHREAD_MUTEX_ERRORCHECK, PTHREAD_PRIO_NONE); }
static void adaptive(void) { init_mutex(&guarded, PTHREAD_MUTEX_ADAPTIVE_NP, PTHREAD_PRIO_NONE); }
static void inherit(void) { init_mutex(&guarded, PTHREAD_MUTEX_NORMAL, PTHREAD_PRIO_INHERIT); }
static void prefer_writers(void) {
    pthread_rwlockattr_t attributes;
    must(pthread_rwlockattr_init(&attributes));
    must(pthread_rwlockattr_setkind_np(&attributes, PTHREAD_RWLOCK_PREFER_WRITER_NONRECURSIVE_NP));
    must(pthread_rwlock_init(&read_and_written, &attributes));
}

static int take_twice(void) {
    int result = take();
    return result != 0 ? result : take();
}
static int give_twice(void) {
    must(give());
    return give();
}

static const struct kind {
    const char *name;
    void (*set_up)(void);
    int (*take)(void), (*try)(void), (*give)(void), (*give_in_child)(void);
} kinds[] = {
    {"torn", plain, take, try, give, give},
    {"torn-recursive", recursive, take_twice, try, give_twice, give},
    {"torn-errorcheck", errorcheck, take, try, give, give},
    {"torn-adaptive", adaptive, take, try, give, give},
    {"torn-inherit", inherit, take, try, give, give},
    {"torn-rwlock", prefer_writers, write_lock, try_to_write, give_rwlock, give_rwlock},
    {"torn-spin", plain, take_spin, try_spin, give_spin, give_spin},
    {"torn-three", plain, take_three, try_three, give_three, give_three},
};
enum { KINDS = sizeof kinds / sizeof kinds[0] };

// All of them before anybody has used them.
static struct locks {
    pthread_mutex_t guarded;
    pthread_rwlock_t read_and_written;
    int spun_for;
} fresh;

static void note_fresh(void) { fresh = (struct locks){guarded, read_and_written, spun_for}; }

static bool are_fresh(void) {
    return memcmp(&fresh.guarded, &guarded, sizeof guarded) == 0 && fresh.spun_for == spun_for &&
           memcmp(&fresh.read_and_written, &read_and_written, sizeof read_and_written) == 0;
}

static void change_guarded(void) {
    must(take());
    change();
    must(give());
}

static void check_guarded(void) {
    must(take());
    check();
    must(give());
}

static atomic_bool inside, forked;

static void *stay_inside(void *argument) {
    const struct kind *kind = argument;
    must(pthread_setname_np(pthread_self(), "slow-holder"));
    for (;;) {
        must(kind->take());
        left++;
        atomic_store(&inside, true);
        await(&forked);
        atomic_store(&forked, false);
        right++;
        must(kind->give());
    }
    return NULL;
}

enum found { WHOLE, TORN, HELD, DIED, RESULTS };

static enum found look(const struct kind *kind) {
    bool fresh = are_fresh();
    if (kind->try() != 0) return HELD;
    if (!fresh) die("the lock is free, but not what it was at first");
    enum found found = left == right ? WHOLE : TORN;
    must(kind->give_in_child());
    return found;
}

static int fork_in_mid_change(const struct kind *kind, int forks) {
    int results[RESULTS] = {0}, status;
    pthread_t holder;
    kind->set_up();
    note_fresh();
    start_thread(&holder, stay_inside, (void *)kind);
    for (int i = 0; i < forks; i++) {
        await(&inside);
        atomic_store(&inside, false);
        pid_t pid = fork();
        if (pid < 0) die("fork");
        if (pid == 0) exit(look(kind)); // not _exit: its statistics count
        atomic_store(&forked, true);
        if (!ends_in_time(pid, &status)) die("the child hung");
        bool aborted = WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT;
        if (!aborted && (!WIFEXITED(status) || WEXITSTATUS(status) >= DIED)) die("the child crashed");
        results[aborted ? DIED : WEXITSTATUS(status)]++;
    }
    printf("whole=%d torn=%d held=%d died=%d\n", results[WHOLE], results[TORN], results[HELD], results[DIED]);
    return fflush(stdout);
}

int main(int argc, char **argv) {
    must(pthread_spin_init(&spun_for, PTHREAD_PROCESS_PRIVATE));
    if (argc == 4 && strcmp(argv[1], "whole") == 0) {
        struct storm parts = {atoi(argv[2]), atoi(argv[3]), 2, change_guarded, check_guarded, NULL};
        return report(storm(parts));
    }
    for (int i = 0; argc == 3 && i < KINDS; i++)
        if (strcmp(argv[1], kinds[i].name) == 0) return fork_in_mid_change(&kinds[i], atoi(argv[2]));
    die("usage: lock_data whole FORKS MAX_HANGS | torn[-KIND] FORKS");
}
