// dns.c: forks while other threads wait for a DNS server that does not answer.
//
//   dns FORKS MAX_HANGS
//
// The program moves to a network and a /etc/resolv.conf of its own and is the server itself: it
// answers for ok.test and for nothing else. Two threads ask for other names, with a time-out of
// ten seconds; each child asks for ok.test. Bare, the child waits for ever for the lock that
// gethostbyname holds during the look-up.
#include "storm.h"

#include <arpa/inet.h>
#include <net/if.h>
#include <netdb.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>

int __nss_configure_lookup(const char *database, const char *services);

static const char RESOLV_CONF[] = "nameserver 127.0.0.1\noptions timeout:10 attempts:3\n";
static const char ANSWER[] = "127.0.0.9";

// --- a network and a resolv.conf of our own

static void enter_private_world(void) {
    int flags = CLONE_NEWNS | CLONE_NEWNET | (geteuid() == 0 ? 0 : CLONE_NEWUSER);
    if (unshare(flags) != 0) die("unshare");
    if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0) die("mount --make-rprivate /");
    char path[] = "/tmp/resolv.conf.XXXXXX";
    int fd = mkstemp(path);
    if (fd < 0 || write(fd, RESOLV_CONF, strlen(RESOLV_CONF)) < 0) die("%s", path);
    fchmod(fd, 0644);
    close(fd);
    if (mount(path, "/etc/resolv.conf", NULL, MS_BIND, NULL) != 0) die("mount resolv.conf");
    unlink(path);
    struct ifreq loopback = {.ifr_name = "lo", .ifr_flags = IFF_UP};
    int any = socket(AF_INET, SOCK_DGRAM, 0);
    if (ioctl(any, SIOCSIFFLAGS, &loopback) != 0) die("lo up");
    close(any);
}

// --- the server

static atomic_int asked_a, asked_b;

struct header {
    uint16_t id, flags, questions, answers, authorities, additional;
};

// The length of the question that starts at `question`; `name` gets its first label.
static size_t read_question(const unsigned char *question, size_t size, char name[64]) {
    size_t at = 0;
    snprintf(name, 64, "%.*s", question[0] & 63, question + 1);
    while (at < size && question[at] != 0) at += question[at] + 1;
    return at + 5;
}

static void *serve(void *argument) {
    int server = *(int *)argument;
    unsigned char packet[2048];
    struct sockaddr_in client;
    for (;;) {
        socklen_t length = sizeof client;
        ssize_t got = recvfrom(server, packet, 512, 0, (struct sockaddr *)&client, &length);
        if (got <= (ssize_t)sizeof(struct header)) continue;
        struct header *header = (struct header *)packet;
        unsigned char *question = packet + sizeof *header;
        char name[64];
        size_t end = sizeof *header + read_question(question, got - sizeof *header, name);
        if (strcmp(name, "stuck-a") == 0) atomic_fetch_add(&asked_a, 1);
        if (strcmp(name, "stuck-b") == 0) atomic_fetch_add(&asked_b, 1);
        if (strcmp(name, "ok") != 0 || end > (size_t)got) continue;
        bool for_a = packet[end - 3] == 1; // Otherwise for AAAA, of which there is none.
        header->flags = htons(0x8180);
        header->answers = htons(for_a);
        header->authorities = header->additional = 0;
        if (for_a) {
            const unsigned char record[] = {0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4, 127, 0, 0, 9};
            memcpy(packet + end, record, sizeof record);
            end += sizeof record;
        }
        sendto(server, packet, end, 0, (struct sockaddr *)&client, length);
    }
    return NULL;
}

static void start_server(void) {
    static int server;
    static pthread_t thread;
    server = socket(AF_INET, SOCK_DGRAM, 0);
    struct sockaddr_in address = {
        .sin_family = AF_INET, .sin_port = htons(53), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    if (bind(server, (struct sockaddr *)&address, sizeof address) != 0) die("bind");
    start_thread(&thread, serve, &server);
}

// --- who asks

static void *ask_with_getaddrinfo(void *name) {
    for (;;) {
        struct addrinfo *list = NULL;
        if (getaddrinfo(name, "80", NULL, &list) == 0) freeaddrinfo(list);
    }
    return NULL;
}

static void *ask_with_gethostbyname(void *name) {
    for (;;) gethostbyname(name);
    return NULL;
}

static void resolve(void) {
    struct addrinfo hints = {.ai_family = AF_INET, .ai_socktype = SOCK_STREAM}, *list = NULL;
    int error = getaddrinfo("ok.test", "80", &hints, &list);
    if (error != 0) die("getaddrinfo: %d", error);
    struct sockaddr_in *address = (struct sockaddr_in *)list->ai_addr;
    if (address->sin_addr.s_addr != inet_addr(ANSWER)) die("getaddrinfo: another address");
    freeaddrinfo(list);
    struct hostent *host = gethostbyname("ok.test");
    if (host == NULL) die("gethostbyname: %d", h_errno);
    if (*(in_addr_t *)host->h_addr_list[0] != inet_addr(ANSWER)) die("gethostbyname");
}

int main(int argc, char **argv) {
    if (argc != 3) die("usage: dns FORKS MAX_HANGS");
    enter_private_world();
    __nss_configure_lookup("hosts", "files dns");
    start_server();
    resolve();
    pthread_t first, second;
    start_thread(&first, ask_with_getaddrinfo, "stuck-a.test");
    start_thread(&second, ask_with_gethostbyname, "stuck-b.test");
    while (atomic_load(&asked_a) == 0 || atomic_load(&asked_b) == 0) sched_yield();
    return report(storm((struct storm){atoi(argv[1]), atoi(argv[2]), 0, NULL, resolve, NULL}));
}
