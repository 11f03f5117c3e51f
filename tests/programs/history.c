// history.c: a program that forks while another thread holds a mutex, and says of each child what it did.
//
//   history start COUNT    each child executes `true`
//   history fail COUNT     each child tries to execute what does not exist, and ends
//   history stay COUNT     each child takes the mutex, and ends
//   history guess COUNT    as `start`, and then once as `stay`
//
// The thread has taken the mutex just before each fork, and keeps it until the fork is over.
//
// Prints: forks=N hangs=N crashes=N, where a child that did not do its part counts as crashed.
#include "storm.h"

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_barrier_t taken, released;
static atomic_bool done;

static void *holder(void *unused) {
    for (;;) {
        pthread_mutex_lock(&lock);
        pthread_barrier_wait(&taken);
        pthread_barrier_wait(&released); // The fork is over.
        pthread_mutex_unlock(&lock);
        if (done)
            return unused;
        pthread_barrier_wait(&taken);
    }
}

static void start(void) {
    execlp("true", "true", (char *)NULL);
    _exit(1);
}

static void fail(void) {
    execlp("/nowhere/true", "true", (char *)NULL);
    _exit(errno == ENOENT ? 0 : 1);
}

static void stay(void) {
    pthread_mutex_lock(&lock);
    pthread_mutex_unlock(&lock);
    _exit(0);
}

static struct tally tally;

static void fork_while_held(call_fn *child, bool last) {
    pthread_barrier_wait(&taken);
    pid_t pid = fork();
    if (pid == 0)
        child();
    if (pid < 0)
        die("fork: %m");
    int status;
    if (waitpid(pid, &status, 0) != pid)
        die("waitpid: %m");
    tally.forks++;
    tally.crashes += status != 0;
    done = last;
    pthread_barrier_wait(&released);
    if (!last)
        pthread_barrier_wait(&taken);
}

int main(int argc, char **argv) {
    if (argc != 3)
        die("usage: history start|fail|stay|guess COUNT");
    const char *mode = argv[1];
    int count = atoi(argv[2]);
    call_fn *child = strcmp(mode, "stay") == 0 ? stay : strcmp(mode, "fail") == 0 ? fail : start;
    bool guess = strcmp(mode, "guess") == 0;
    pthread_barrier_init(&taken, NULL, 2);
    pthread_barrier_init(&released, NULL, 2);
    pthread_t thread;
    if (pthread_create(&thread, NULL, holder, NULL))
        die("pthread_create failed");
    for (int i = 1; i <= count; i++)
        fork_while_held(child, i == count && !guess);
    if (guess)
        fork_while_held(stay, true);
    pthread_join(thread, NULL);
    printf("forks=%d hangs=0 crashes=%d\n", tally.forks, tally.crashes);
}
