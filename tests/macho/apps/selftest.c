// selftest.c: what a program may expect of the loader and its stand-ins: fixups, thread-local
// variables, variadic calls, opaque pthread objects, error numbers, Apple's flags.
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <mach/mach.h>
#include <mach/mach_time.h>
#include <math.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static int failures;

#define CHECK(condition)                                                                           \
    do {                                                                                           \
        if (condition) break;                                                                      \
        printf("line %d: not %s\n", __LINE__, #condition);                                         \
        failures++;                                                                                \
    } while (0)

static _Thread_local int initialised = 42;
static _Thread_local long zero;
static _Thread_local char text[100] = "text";

extern int notify_suspend(void) __attribute__((weak_import));
static int started;
static int *const pointer_in_constant_data = &started;
static int (*const table[])(const char *, ...) = {printf, printf};

__attribute__((constructor)) static void start(void) {
    started++;
}

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_mutex_t recursive = PTHREAD_RECURSIVE_MUTEX_INITIALIZER;
static pthread_cond_t cond = PTHREAD_COND_INITIALIZER;
static pthread_once_t once = PTHREAD_ONCE_INIT;
static pthread_rwlock_t rwlock = PTHREAD_RWLOCK_INITIALIZER;
static pthread_key_t key;
static int turn, onces, destroyed;

static void count_once(void) {
    onces++;
}

static void destroy(void *value) {
    destroyed += value == &key;
}

// The arguments survive the first use of a thread's variables: it must keep all registers.
__attribute__((noinline)) static long many(long a, long b, long c, long d, double x, double y) {
    zero++;
    return a + 10 * b + 100 * c + 1000 * d + (long)(10000 * x + 100000 * y) + initialised - 42;
}

static void *body(void *argument) {
    CHECK(many(1, 2, 3, 4, 5.0, 6.0) == 654321);
    CHECK(initialised == 42 && zero == 1 && strcmp(text, "text") == 0);
    initialised = 7;
    strcpy(text, "other");
    pthread_setspecific(key, &key);
    pthread_once(&once, count_once);
    pthread_mutex_lock(&mutex);
    turn = 1;
    pthread_cond_signal(&cond);
    while (turn != 2) pthread_cond_wait(&cond, &mutex);
    pthread_mutex_unlock(&mutex);
    return argument;
}

static void threads(void) {
    pthread_t thread;
    void *result;
    CHECK(pthread_key_create(&key, destroy) == 0);
    CHECK(pthread_create(&thread, NULL, body, &turn) == 0);
    pthread_mutex_lock(&mutex);
    while (turn != 1) pthread_cond_wait(&cond, &mutex);
    CHECK(pthread_mach_thread_np(thread) != pthread_mach_thread_np(pthread_self()));
    turn = 2;
    pthread_cond_broadcast(&cond);
    pthread_mutex_unlock(&mutex);
    CHECK(pthread_join(thread, &result) == 0 && result == &turn);
    pthread_once(&once, count_once);
    CHECK(onces == 1 && destroyed == 1);
    CHECK(initialised == 42 && strcmp(text, "text") == 0);
    CHECK(pthread_mutex_lock(&recursive) == 0 && pthread_mutex_lock(&recursive) == 0);
    CHECK(pthread_mutex_unlock(&recursive) == 0 && pthread_mutex_unlock(&recursive) == 0);
    CHECK(pthread_mutex_unlock(&recursive) == EPERM);
    CHECK(pthread_rwlock_rdlock(&rwlock) == 0 && pthread_rwlock_trywrlock(&rwlock) == EBUSY);
    struct timespec past = {1, 0};
    pthread_mutex_lock(&mutex);
    CHECK(pthread_cond_timedwait(&cond, &mutex, &past) == ETIMEDOUT);
    pthread_mutex_unlock(&mutex);
}

static void variadic(void) {
    char line[100];
    snprintf(line, sizeof line, "%d %s %.1f %ld %c %g", 1, "two", 3.0, 4L, '5', 0.5);
    CHECK(strcmp(line, "1 two 3.0 4 5 0.5") == 0);
    table[1]("%s %d\n", "variadic", 5);
    char path[] = "/tmp/selftest.XXXXXX";
    int fd = mkstemp(path);
    CHECK(fd >= 0);
    close(fd);
    unlink(path);
    fd = open(path, O_CREAT | O_EXCL | O_RDWR | O_CLOEXEC, 0640);
    struct stat status;
    CHECK(fd >= 0 && fstat(fd, &status) == 0 && (status.st_mode & 0777) == 0640);
    CHECK(fcntl(fd, F_GETFD) == FD_CLOEXEC);
    CHECK(write(fd, "12345", 5) == 5 && fstat(fd, &status) == 0 && status.st_size == 5);
    CHECK(open(path, O_CREAT | O_EXCL | O_RDWR, 0640) < 0 && errno == EEXIST);
    close(fd);
    unlink(path);
}

static void numbers(void) {
    int fds[2];
    CHECK(pipe(fds) == 0 && fcntl(fds[0], F_SETFL, O_NONBLOCK) == 0);
    CHECK((fcntl(fds[0], F_GETFL) & O_NONBLOCK) != 0);
    char byte;
    errno = 0;
    CHECK(read(fds[0], &byte, 1) == -1 && errno == EAGAIN);
    CHECK(write(fds[1], "x", 1) == 1 && errno == EAGAIN); // success does not touch it
    void *memory = mmap(NULL, 16384, PROT_READ | PROT_WRITE, MAP_ANON | MAP_PRIVATE, -1, 0);
    CHECK(memory != MAP_FAILED && munmap(memory, 16384) == 0);
    struct mach_timebase_info base;
    CHECK(mach_timebase_info(&base) == 0);
    unsigned long long now = clock_gettime_nsec_np(CLOCK_UPTIME_RAW);
    unsigned long long later = mach_absolute_time() * base.numer / base.denom;
    CHECK(later + 100 >= now && later < now + 10000000000ull);
    thread_basic_info_data_t info;
    mach_msg_type_number_t words = THREAD_BASIC_INFO_COUNT;
    thread_t own = pthread_mach_thread_np(pthread_self());
    CHECK(thread_info(own, THREAD_BASIC_INFO, (thread_info_t)&info, &words) == KERN_SUCCESS);
    CHECK(info.run_state == TH_STATE_RUNNING);
    setenv("SELFTEST", "value", 1);
    CHECK(getenv("SELFTEST") != NULL && strcmp(getenv("SELFTEST"), "value") == 0);
    unsetenv("SELFTEST");
    CHECK(getenv("SELFTEST") == NULL);
}

static volatile sig_atomic_t delivered;

static void handler(int signal) {
    delivered = signal;
}

static void signals_and_children(void) {
    struct sigaction action = {.sa_handler = handler};
    sigset_t set, old;
    CHECK(sigaction(SIGUSR1, &action, NULL) == 0);
    sigemptyset(&set);
    sigaddset(&set, SIGUSR1);
    CHECK(pthread_sigmask(SIG_BLOCK, &set, &old) == 0);
    raise(SIGUSR1);
    CHECK(delivered == 0);
    CHECK(pthread_sigmask(SIG_SETMASK, &old, NULL) == 0 && delivered == SIGUSR1);
    int status;
    pid_t pid = fork();
    if (pid == 0) _exit(initialised);
    CHECK(waitpid(pid, &status, 0) == pid && WIFEXITED(status) && WEXITSTATUS(status) == 42);
    pid = fork();
    if (pid == 0) kill(getpid(), SIGKILL);
    CHECK(waitpid(pid, &status, 0) == pid && WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
    pid = fork();
    if (pid == 0) {
        signal(SIGUSR2, SIG_DFL);
        raise(SIGUSR2);
    }
    CHECK(waitpid(pid, &status, 0) == pid && WIFSIGNALED(status) && WTERMSIG(status) == SIGUSR2);
    CHECK(system("exit 3") == 3 << 8);
    FILE *pipe = popen("echo popen", "r");
    char line[100] = "";
    CHECK(pipe != NULL && fgets(line, sizeof line, pipe) != NULL && strcmp(line, "popen\n") == 0);
    CHECK(pclose(pipe) == 0);
}

static void symbols(void) {
    Dl_info info;
    CHECK(notify_suspend == NULL);
    CHECK(dladdr((void *)many, &info) != 0 && strcmp(info.dli_sname, "many") == 0);
    CHECK(strstr(info.dli_fname, "selftest") != NULL);
    CHECK(dlsym(RTLD_DEFAULT, "notify_suspend") == NULL && dlerror() != NULL);
    pid_t (*own_id)(void) = (pid_t(*)(void))dlsym(RTLD_DEFAULT, "getpid");
    CHECK(own_id != NULL && own_id() == getpid());
    CHECK(dlopen("/no/such/library", RTLD_NOW) == NULL);
}

static void at_exit(void) {
    dprintf(1, "at exit\n");
}

int main(int argc, char **argv) {
    CHECK(argc == 2 && strcmp(argv[1], "argument") == 0);
    CHECK(*pointer_in_constant_data == 1);
    atexit(at_exit);
    threads();
    variadic();
    numbers();
    signals_and_children();
    symbols();
    printf("%d failures\n", failures);
    return failures == 0 ? 0 : 1;
}
