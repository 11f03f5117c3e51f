// soak_ops.h: what threads and children of soak.c do: calls of libc, locks, pools.
#ifndef SOAK_OPS_H
#define SOAK_OPS_H

#include "storm.h"

#include <iconv.h>
#include <langinfo.h>
#include <libintl.h>
#include <link.h>
#include <locale.h>
#include <netdb.h>
#include <omp.h>
#include <pwd.h>
#include <regex.h>
#include <semaphore.h>
#include <spawn.h>
#include <sys/resource.h>

// A state of its own for each thread: the same seed gives each thread the same sequence.
static _Thread_local unsigned long long random_state;

static unsigned draw(unsigned below) {
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return (unsigned)(random_state >> 33) % below;
}

// --- calls of libc. Where memory or descriptors are short they may fail, and that is all they may do.

static FILE *stream;
static regex_t expression;

static void call_time(void) {
    time_t now = time(NULL);
    struct tm parts;
    char text[64];
    localtime_r(&now, &parts);
    mktime(&parts);
    strftime(text, sizeof text, "%c %Z", &parts);
}

static void call_environment(void) {
    char name[16];
    snprintf(name, sizeof name, "SOAK_%u", draw(8));
    setenv(name, "value", 1);
    getenv("PATH");
    unsetenv(name);
}

static void call_locale(void) {
    locale_t own = newlocale(LC_ALL_MASK, "C.UTF-8", (locale_t)0);
    if (own != (locale_t)0) freelocale(own);
    strerror(EACCES);
    gettext("message");
}

static void call_users(void) {
    getpwnam("root");
    getservbyname("http", "tcp");
}

static void call_resolver(void) {
    struct addrinfo hints = {.ai_flags = AI_ADDRCONFIG}, *found = NULL;
    if (getaddrinfo("127.0.0.1", "80", &hints, &found) == 0) freeaddrinfo(found);
}

static void call_random(void) { srandom(random() & 0xff); }

static void call_stdio(void) {
    fprintf(stream, "%m %s\n", "line");
    if (draw(8) == 0) fflush(NULL);
    if (draw(64) == 0) rewind(stream);
}

static void call_memory_stream(void) {
    char *text = NULL;
    size_t size;
    FILE *memory = open_memstream(&text, &size);
    if (memory == NULL) return;
    fputs("text", memory);
    fclose(memory);
    free(text);
}

static void call_malloc(void) { free(malloc(1 + draw(1 << 18))); }

static void call_conversion(void) {
    iconv_t conversion = iconv_open("ISO-8859-15", "UTF-8");
    if (conversion != (iconv_t)-1) iconv_close(conversion);
}

static void call_regex(void) { regexec(&expression, "abababababc", 0, NULL, 0); }

static void call_directory(void) {
    DIR *directory = opendir("/usr");
    if (directory == NULL) return;
    while (readdir(directory) != NULL) continue;
    closedir(directory);
}

static int count_object(struct dl_phdr_info *info, size_t size, void *count) {
    (void)info, (void)size;
    ++*(int *)count;
    return 0;
}

static void call_loader(void) {
    int count = 0;
    dl_iterate_phdr(count_object, &count);
    void *library = dlopen("libnss_hesiod.so.2", RTLD_NOW | RTLD_LOCAL);
    if (library != NULL) dlclose(library);
}

static void call_command(void) {
    FILE *output = popen(":", "r");
    if (output != NULL) pclose(output);
}

static void call_spawn(void) {
    pid_t pid;
    int status;
    char *arguments[] = {(char *)"true", NULL};
    if (posix_spawn(&pid, "/bin/true", NULL, NULL, arguments, environ) == 0) waitpid(pid, &status, 0);
}

// --- locks of the program, and what they guard

static struct {
    pthread_mutex_t mutex;
    pthread_rwlock_t rwlock;
    pthread_mutex_t recursive;
    pthread_spinlock_t spin;
    pthread_cond_t cond;
    sem_t semaphore;
    long one, other, spun, also_spun;
} guarded;

// The two are equal whenever nobody holds the lock, in a child, too.
static atomic_bool torn;

static void lock_mutex(void) {
    pthread_mutex_lock(&guarded.mutex);
    if (guarded.one != guarded.other) atomic_store(&torn, true);
    guarded.one++;
    if (draw(16) == 0) sched_yield();
    guarded.other++;
    pthread_cond_signal(&guarded.cond);
    pthread_mutex_unlock(&guarded.mutex);
}

static void lock_nested(void) {
    pthread_rwlock_rdlock(&guarded.rwlock);
    pthread_mutex_lock(&guarded.recursive);
    lock_mutex();
    pthread_mutex_lock(&guarded.recursive);
    pthread_mutex_unlock(&guarded.recursive);
    pthread_mutex_unlock(&guarded.recursive);
    pthread_rwlock_unlock(&guarded.rwlock);
}

static void lock_for_writing(void) {
    pthread_rwlock_wrlock(&guarded.rwlock);
    pthread_rwlock_unlock(&guarded.rwlock);
}

static void lock_spin(void) {
    pthread_spin_lock(&guarded.spin);
    if (guarded.spun != guarded.also_spun) atomic_store(&torn, true);
    guarded.spun++;
    guarded.also_spun++;
    pthread_spin_unlock(&guarded.spin);
}

static void wait_for_signal(void) {
    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_nsec += 1000 * 1000;
    if (until.tv_nsec >= 1000000000) until.tv_sec++, until.tv_nsec -= 1000000000;
    pthread_mutex_lock(&guarded.mutex);
    pthread_cond_timedwait(&guarded.cond, &guarded.mutex, &until);
    pthread_mutex_unlock(&guarded.mutex);
}

static void take_semaphore(void) {
    while (sem_wait(&guarded.semaphore) != 0) continue;
    sched_yield();
    sem_post(&guarded.semaphore);
}

// --- a pool of threads

static void use_openmp(void) {
    int sum = 0;
#pragma omp parallel for num_threads(2) reduction(+ : sum)
    for (int i = 0; i < 100; i++) sum += i;
    if (sum != 4950) atomic_store(&torn, true);
}

static const struct operation {
    const char *name;
    call_fn *call;
} OPERATIONS[] = {
    {"time", call_time},           {"environment", call_environment},
    {"locale", call_locale},       {"users", call_users},
    {"resolver", call_resolver},   {"random", call_random},
    {"stdio", call_stdio},         {"memory stream", call_memory_stream},
    {"malloc", call_malloc},       {"conversion", call_conversion},
    {"regex", call_regex},         {"directory", call_directory},
    {"loader", call_loader},       {"mutex", lock_mutex},
    {"nested locks", lock_nested}, {"write lock", lock_for_writing},
    {"spinlock", lock_spin},       {"condition", wait_for_signal},
    {"semaphore", take_semaphore}, {"OpenMP", use_openmp},
    // From here on processes are started.
    {"command", call_command},     {"spawn", call_spawn},
};
enum { ALL = sizeof OPERATIONS / sizeof OPERATIONS[0], CHEAP = ALL - 2 };

static void prepare_operations(void) {
    pthread_mutexattr_t recursive;
    pthread_mutexattr_init(&recursive);
    pthread_mutexattr_settype(&recursive, PTHREAD_MUTEX_RECURSIVE);
    pthread_mutex_init(&guarded.mutex, NULL);
    pthread_mutex_init(&guarded.recursive, &recursive);
    pthread_rwlock_init(&guarded.rwlock, NULL);
    pthread_spin_init(&guarded.spin, PTHREAD_PROCESS_PRIVATE);
    pthread_cond_init(&guarded.cond, NULL);
    sem_init(&guarded.semaphore, 0, 1);
    stream = tmpfile();
    if (stream == NULL || regcomp(&expression, "(a|b)*c", REG_EXTENDED) != 0) die("tmpfile or regcomp");
}

#endif
