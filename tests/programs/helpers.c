// helpers.c: forks while libc has threads of its own, and the children make requests that only such
// threads serve.
//
//   helpers MODE FORKS MAX_HANGS
//
//   aio, lookup        an idle thread of libc is there at each fork: the child must have its request
//                      served or refused
//   aio-alone,         libc has no such thread when the process forks: the child must have its request
//   lookup-alone       served
//   aio-waiting,       a thread waits all the time for a request that does not end: the child must
//   lookup-waiting     have its own served or refused
//
// Modes "aio" and "lookup" hang bare, the others do not.
#include "storm.h"

#include <aio.h>
#include <netdb.h>

static bool must_be_served;

static void read_something(void) {
    char byte;
    struct aiocb request = {.aio_fildes = open("/dev/zero", O_RDONLY), .aio_buf = &byte, .aio_nbytes = 1};
    request.aio_sigevent.sigev_notify = SIGEV_NONE;
    const struct aiocb *list[] = {&request};
    if (aio_read(&request) != 0) {
        if (errno != EAGAIN || must_be_served) _exit(1);
        return;
    }
    while (aio_error(&request) == EINPROGRESS) aio_suspend(list, 1, NULL);
    if (aio_return(&request) != 1) _exit(1);
    close(request.aio_fildes);
}

static void look_up(void) {
    struct addrinfo hints = {.ai_flags = AI_NUMERICHOST};
    struct gaicb request = {.ar_name = "127.0.0.1", .ar_request = &hints}, *list[] = {&request};
    int error = getaddrinfo_a(GAI_NOWAIT, list, 1, NULL);
    if (error != 0) {
        if (error != EAI_AGAIN || must_be_served) _exit(1);
        return;
    }
    while (gai_error(&request) == EAI_INPROGRESS) gai_suspend((const struct gaicb *const *)list, 1, NULL);
    if (gai_error(&request) != 0) _exit(1);
    freeaddrinfo(request.ar_result);
}

static atomic_bool waiting;

// Waits for ever for a byte from a pipe.
static void *wait_for_input(void *unused) {
    static char byte;
    static struct aiocb request;
    int ends[2];
    if (pipe(ends) != 0) die("pipe");
    request = (struct aiocb){.aio_fildes = ends[0], .aio_buf = &byte, .aio_nbytes = 1};
    const struct aiocb *list[] = {&request};
    if (aio_read(&request) != 0) die("aio_read");
    atomic_store(&waiting, true);
    aio_suspend(list, 1, NULL);
    return unused;
}

// Makes look-ups of nothing all the time, and waits for them.
static void *wait_for_lookups(void *unused) {
    for (;;) {
        look_up();
        atomic_store(&waiting, true);
    }
    return unused;
}

int main(int argc, char **argv) {
    if (argc != 4) die("usage: helpers MODE FORKS MAX_HANGS");
    int forks = atoi(argv[2]), max_hangs = atoi(argv[3]);
    bool aio = strncmp(argv[1], "aio", 3) == 0;
    call_fn *call = aio ? read_something : look_up;
    must_be_served = strstr(argv[1], "-alone") != NULL;
    pthread_t thread;
    if (strstr(argv[1], "-waiting") != NULL) {
        start_thread(&thread, aio ? wait_for_input : wait_for_lookups, NULL);
        while (!atomic_load(&waiting)) sched_yield();
    }
    struct tally tally = {0};
    while (tally.forks < forks && (max_hangs == 0 || tally.hangs < max_hangs)) {
        if (strchr(argv[1], '-') == NULL) call();
        count(&tally, fork_once(NULL, call));
    }
    return report(tally);
}
