// lock_waits.cc: what condition variables, semaphores and initialisation that happens once answer, and what
// becomes of them when a thread is cancelled, ends, or throws.
#include "lock_semantics.h"

#include <fcntl.h>
#include <sys/syscall.h>
#include <threads.h>

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <mutex>
#include <shared_mutex>
#include <stdexcept>

static pthread_mutex_t m = PTHREAD_MUTEX_INITIALIZER, errorcheck = PTHREAD_ERRORCHECK_MUTEX_INITIALIZER_NP;
static pthread_cond_t cond;
static sem_t sem;
static std::atomic<bool> ready;
static bool done;
static const struct timespec LATER = {.tv_sec = time(NULL) + DEADLINE_S};

// Another thread waits by `wait` until the calling one makes the condition true.
static void wake(const char *what, int (*wait)(), int (*wake)(pthread_cond_t *)) {
    done = ready = false;
    std::thread waiter([=] {
        pthread_mutex_lock(&m);
        ready = true;
        while (!done) errno = UNTOUCHED, print("other: ", what, name_of(wait()));
        pthread_mutex_unlock(&m);
    });
    while (!ready) sched_yield();
    // Whoever gets the mutex now, the other waits.
    pthread_mutex_lock(&m);
    done = true;
    CALL(wake(&cond));
    pthread_mutex_unlock(&m);
    waiter.join();
}

static void condition_variables() {
    for (clockid_t clock : {CLOCK_REALTIME, CLOCK_MONOTONIC}) {
        pthread_condattr_t attributes;
        pthread_condattr_init(&attributes);
        CALL(pthread_condattr_setclock(&attributes, clock));
        CALL(pthread_cond_init(&cond, &attributes));
        CALL(pthread_mutex_lock(&m));
        CALL(pthread_cond_timedwait(&cond, &m, &PAST));
        OTHER(pthread_mutex_trylock(&m));
        CALL(pthread_cond_timedwait(&cond, &m, &BAD));
        OTHER(pthread_mutex_trylock(&m));
        CALL(pthread_cond_clockwait(&cond, &m, CLOCK_REALTIME, &PAST));
        CALL(pthread_cond_clockwait(&cond, &m, CLOCK_MONOTONIC, &PAST));
        CALL(pthread_cond_clockwait(&cond, &m, CLOCK_MONOTONIC, &BAD));
        CALL(pthread_cond_clockwait(&cond, &m, CLOCK_THREAD_CPUTIME_ID, &PAST));
        OTHER(pthread_mutex_trylock(&m));
        CALL(pthread_mutex_unlock(&m));
        // Of a mutex that another thread has, or nobody.
        CALL(pthread_cond_timedwait(&cond, &errorcheck, &PAST));
        CALL(pthread_mutex_lock(&errorcheck));
        OTHER(pthread_cond_timedwait(&cond, &errorcheck, &PAST));
        CALL(pthread_cond_timedwait(&cond, &errorcheck, &PAST));
        OTHER(pthread_mutex_trylock(&errorcheck));
        CALL(pthread_mutex_unlock(&errorcheck));
        CALL(pthread_mutex_unlock(&errorcheck));
        CALL(pthread_cond_destroy(&cond));
    }
    pthread_cond_init(&cond, NULL);
    wake("pthread_cond_wait", [] { return pthread_cond_wait(&cond, &m); }, pthread_cond_signal);
    wake("pthread_cond_timedwait", [] { return pthread_cond_timedwait(&cond, &m, &LATER); }, pthread_cond_signal);
    wake("pthread_cond_clockwait", [] { return pthread_cond_clockwait(&cond, &m, CLOCK_REALTIME, &LATER); },
         pthread_cond_broadcast);
}

static void c11() {
    mtx_t mutex;
    cnd_t condition;
    VALUE(mtx_init(&mutex, mtx_plain));
    VALUE(cnd_init(&condition));
    VALUE(mtx_lock(&mutex));
    VALUE(cnd_timedwait(&condition, &mutex, &PAST));
    VALUE(cnd_timedwait(&condition, &mutex, &BAD));
    VALUE(mtx_trylock(&mutex));
    VALUE(mtx_unlock(&mutex));
    static once_flag flag = ONCE_FLAG_INIT;
    static int calls;
    for (int i = 0; i < 3; i++) call_once(&flag, [] { calls++; });
    VALUE(calls);
    cnd_destroy(&condition);
    mtx_destroy(&mutex);
}

static void post(int) { sem_post(&sem); }
static void nothing(int) {}

static void handle(void (*handler)(int), int flags) {
    struct sigaction action = {};
    action.sa_handler = handler;
    action.sa_flags = flags;
    sigaction(SIGUSR1, &action, NULL);
}

static void semaphores() {
    static int value;
    for (int shared = 0; shared < 2; shared++)
        for (unsigned first = 0; first < 3; first++) {
            CALL(sem_init(&sem, shared, first));
            for (unsigned i = 0; i < first; i++) CALL(sem_wait(&sem));
            VALUE(sem_getvalue(&sem, &value) + value);
            CALL(sem_trywait(&sem));
            CALL(sem_timedwait(&sem, &PAST));
            CALL(sem_timedwait(&sem, &BAD));
            CALL(sem_clockwait(&sem, CLOCK_MONOTONIC, &PAST));
            CALL(sem_clockwait(&sem, CLOCK_REALTIME, &BAD));
            CALL(sem_clockwait(&sem, CLOCK_THREAD_CPUTIME_ID, &PAST));
            OTHER(sem_post(&sem));
            CALL(sem_post(&sem));
            VALUE(sem_getvalue(&sem, &value) + value);
            CALL(sem_timedwait(&sem, &PAST));
            CALL(sem_clockwait(&sem, CLOCK_MONOTONIC, &PAST));
            CALL(sem_post(&sem));
            OTHER(sem_trywait(&sem));
            // A handler posts: the wait that it interrupted, or that follows, ends.
            handle(post, SA_RESTART);
            CALL(raise(SIGUSR1));
            CALL(sem_wait(&sem));
            CALL(sem_destroy(&sem));
        }
    CALL(sem_init(&sem, 0, SEM_VALUE_MAX));
    CALL(sem_post(&sem));
    VALUE(sem_getvalue(&sem, &value));
    VALUE(value == SEM_VALUE_MAX);
    CALL(sem_init(&sem, 0, SEM_VALUE_MAX + 1u));
    sem_t *named = sem_open("/forkfix-lock-waits", O_CREAT | O_EXCL, 0600, 1);
    CALL(sem_unlink("/forkfix-lock-waits"));
    CALL(sem_wait(named));
    CALL(sem_trywait(named));
    CALL(sem_post(named));
    CALL(sem_close(named));
}

static void interrupted_semaphores() {
    for (unsigned first = 0; first < 2; first++) {
        CALL(sem_init(&sem, 0, first));
        if (first == 1) CALL(sem_wait(&sem));
        handle(nothing, 0);
        ready = false;
        std::thread waiter([] {
            CALL_AS("waiter: ", sem_wait(&sem));
            ready = true;
        });
        while (!ready) pthread_kill(waiter.native_handle(), SIGUSR1), sched_yield();
        waiter.join();
        handle(post, SA_RESTART);
        std::thread another([] { CALL_AS("waiter: ", sem_wait(&sem)); });
        pthread_kill(another.native_handle(), SIGUSR1);
        another.join();
        CALL(sem_destroy(&sem));
    }
}

// How a thread waits that is cancelled then, and the mutex that it has before and after.
struct wait {
    int (*call)();
    pthread_mutex_t *mutex;
};

// Runs when the thread is cancelled: it has its mutex again, and its child has it as well.
static void clean_up(void *argument) {
    pthread_mutex_t *mutex = ((const struct wait *)argument)->mutex;
    if (mutex != NULL) OTHER(pthread_mutex_trylock(mutex));
    pid_t child = fork();
    if (child == 0) {
        alarm(DEADLINE_S);
        if (mutex != NULL && (pthread_mutex_unlock(mutex) != 0 || pthread_mutex_lock(mutex) != 0)) _exit(1);
        _exit(0);
    }
    VALUE(child_status(child));
    if (mutex != NULL) CALL_AS("cleanup: ", pthread_mutex_unlock(mutex));
}

static void *wait_for_cancellation(void *argument) {
    const auto *wait = (const struct wait *)argument;
    if (wait->mutex != NULL) pthread_mutex_lock(wait->mutex);
    pthread_cleanup_push(clean_up, argument);
    ready = true;
    while (true) wait->call();
    pthread_cleanup_pop(1);
    return NULL;
}

static void cancel(const char *what, struct wait wait) {
    puts(what);
    ready = false;
    pthread_t thread;
    if (pthread_create(&thread, NULL, wait_for_cancellation, &wait) != 0) abort();
    while (!ready) sched_yield();
    void *result;
    pthread_cancel(thread);
    CALL(pthread_join(thread, &result));
    VALUE(result == PTHREAD_CANCELED);
}

static void cancelled_waits() {
    pthread_cond_init(&cond, NULL);
    cancel("pthread_cond_wait:", {[] { return pthread_cond_wait(&cond, &m); }, &m});
    cancel("pthread_cond_timedwait:",
           {[] { return pthread_cond_timedwait(&cond, &m, &LATER); }, &m});
    cancel("pthread_cond_clockwait:",
           {[] { return pthread_cond_clockwait(&cond, &m, CLOCK_REALTIME, &LATER); }, &m});
    for (unsigned first = 0; first < 2; first++) {
        sem_init(&sem, 0, first);
        if (first == 1) sem_wait(&sem);
        cancel("sem_wait:", {[] { return sem_wait(&sem); }, NULL});
        cancel("sem_timedwait:", {[] { return sem_timedwait(&sem, &LATER); }, NULL});
        cancel("sem_clockwait:", {[] { return sem_clockwait(&sem, CLOCK_REALTIME, &LATER); }, NULL});
        int value;
        VALUE(sem_getvalue(&sem, &value) + value);
        CALL(sem_post(&sem));
        CALL(sem_wait(&sem));
    }
    // These are no cancellation points; what prints is one.
    std::thread([] {
        pthread_cancel(pthread_self());
        int locked = pthread_mutex_lock(&errorcheck), unlocked = pthread_mutex_unlock(&errorcheck);
        int posted = sem_post(&sem), before;
        pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &before);
        VALUE(locked + unlocked + posted);
    }).join();
}

static pthread_once_t leaving = PTHREAD_ONCE_INIT, cancelling = PTHREAD_ONCE_INIT, outer = PTHREAD_ONCE_INIT;
static std::atomic<int> calls;

static void leave() {
    if (++calls == 1) pthread_exit(NULL);
}

static void be_cancelled() {
    if (++calls == 1) pthread_cancel(pthread_self()), pthread_testcancel();
}

static void *once_leaving(void *unused) {
    pthread_once(&leaving, leave);
    return unused;
}

static void *once_cancelling(void *unused) {
    pthread_once(&cancelling, be_cancelled);
    return unused;
}

// An initialisation that is not brought to its end begins anew.
static void once() {
    const struct {
        void *(*other)(void *);
        pthread_once_t *control;
        void (*init)();
    } ways[] = {{once_leaving, &leaving, leave}, {once_cancelling, &cancelling, be_cancelled}};
    for (auto way : ways) {
        calls = 0;
        pthread_t thread;
        if (pthread_create(&thread, NULL, way.other, NULL) != 0) abort();
        pthread_join(thread, NULL);
        CALL(pthread_once(way.control, way.init));
        CALL(pthread_once(way.control, way.init));
        VALUE(calls);
    }
    // One inside of another.
    calls = 0;
    CALL(pthread_once(&outer, [] {
        static pthread_once_t inner = PTHREAD_ONCE_INIT;
        pthread_once(&inner, [] { calls++; });
        calls++;
    }));
    VALUE(calls);
}

static void try_often(void (*call)()) {
    calls = 0;
    std::thread threads[8];
    static std::atomic<int> thrown;
    thrown = 0;
    for (auto &thread : threads) thread = std::thread([=] {
        try {
            call();
        } catch (const std::runtime_error &) {
            thrown++;
        }
    });
    for (auto &thread : threads) thread.join();
    VALUE(calls);
    VALUE(thrown);
}

static int throw_twice() {
    if (++calls < 3) throw std::runtime_error("not yet");
    return calls;
}

static int recursion() {
    static int value = recursion() + 1;
    return value;
}

// What becomes of a static variable that needs itself to be initialised, in a process of its own. If that
// waits, the process is at futex() for ever.
static void initialise_recursively() {
    pid_t child = fork();
    if (child == 0) _exit(recursion());
    char path[64], number[16] = "";
    snprintf(path, sizeof path, "/proc/%d/syscall", child);
    int status = 0;
    while (atoi(number) != SYS_futex && waitpid(child, &status, WNOHANG) == 0) {
        int file = open(path, O_RDONLY);
        if (file < 0 || read(file, number, sizeof number - 1) < 0) number[0] = 0;
        close(file);
    }
    VALUE(atoi(number) == SYS_futex);
    VALUE(status);
    kill(child, SIGKILL);
    waitpid(child, NULL, 0);
}

static void cxx() {
    static std::once_flag flag;
    try_often([] { std::call_once(flag, throw_twice); });
    try_often([] {
        static int value = throw_twice();
        (void)value;
    });
    initialise_recursively();
    static std::timed_mutex timed;
    static std::recursive_timed_mutex recursive;
    static std::shared_timed_mutex shared;
    static const auto past = std::chrono::steady_clock::time_point() + std::chrono::seconds(1);
    timed.lock(), recursive.lock(), shared.lock_shared();
    OTHER_VALUE(timed.try_lock_until(past));
    OTHER_VALUE(recursive.try_lock_until(past));
    OTHER_VALUE(shared.try_lock_until(past));
    OTHER_VALUE((shared.lock_shared(), shared.unlock_shared(), 0));
    VALUE(recursive.try_lock_until(past));
    recursive.unlock();
    timed.unlock(), recursive.unlock(), shared.unlock_shared();
    std::condition_variable_any any;
    std::unique_lock<std::timed_mutex> lock(timed);
    VALUE(any.wait_until(lock, past) == std::cv_status::timeout);
}

int main() {
    static group *const all[] = {condition_variables, c11, semaphores, interrupted_semaphores, cancelled_waits, once,
                                 cxx};
    run_groups(all, sizeof all / sizeof all[0]);
}
