// nss_table.c: prints everything that the name service knows, through every call that has a
// buffer of libc's own. With and without the library it must print the same.
#include <arpa/inet.h>
#include <errno.h>
#include <grp.h>
#include <netdb.h>
#include <pwd.h>
#include <rpc/netdb.h>
#include <shadow.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#define EACH(entry, set, get, end, ...)                                                            \
    do {                                                                                           \
        set;                                                                                       \
        while ((entry = get) != NULL) {                                                            \
            __VA_ARGS__;                                                                           \
        }                                                                                          \
        end;                                                                                       \
    } while (0)

static void print_list(char **list) {
    for (; list != NULL && *list != NULL; list++) printf(" %s", *list);
    printf("\n");
}

static void print_user(const char *how, const struct passwd *user) {
    if (user == NULL) {
        printf("%s: none, errno %d\n", how, errno);
        return;
    }
    printf("%s: %s %s %d %d %s %s %s\n", how, user->pw_name, user->pw_passwd, user->pw_uid,
           user->pw_gid, user->pw_gecos, user->pw_dir, user->pw_shell);
}

static void print_group(const char *how, const struct group *group) {
    if (group == NULL) {
        printf("%s: none, errno %d\n", how, errno);
        return;
    }
    printf("%s: %s %s %d", how, group->gr_name, group->gr_passwd, group->gr_gid);
    print_list(group->gr_mem);
}

static void print_service(const char *how, const struct servent *service) {
    if (service == NULL) {
        printf("%s: none, errno %d\n", how, errno);
        return;
    }
    printf("%s: %s %d %s", how, service->s_name, ntohs(service->s_port), service->s_proto);
    print_list(service->s_aliases);
}

static void print_protocol(const char *how, const struct protoent *protocol) {
    if (protocol == NULL) {
        printf("%s: none, errno %d\n", how, errno);
        return;
    }
    printf("%s: %s %d", how, protocol->p_name, protocol->p_proto);
    print_list(protocol->p_aliases);
}

static void print_rpc(const char *how, const struct rpcent *rpc) {
    if (rpc == NULL) {
        printf("%s: none, errno %d\n", how, errno);
        return;
    }
    printf("%s: %s %d", how, rpc->r_name, rpc->r_number);
    print_list(rpc->r_aliases);
}

static void print_net(const char *how, const struct netent *net) {
    if (net == NULL) {
        printf("%s: none, errno %d, h_errno %d\n", how, errno, h_errno);
        return;
    }
    printf("%s: %s %d %x", how, net->n_name, net->n_addrtype, net->n_net);
    print_list(net->n_aliases);
}

static void print_host(const char *how, const struct hostent *host) {
    if (host == NULL) {
        printf("%s: none, errno %d, h_errno %d\n", how, errno, h_errno);
        return;
    }
    printf("%s: %s %d %d", how, host->h_name, host->h_addrtype, host->h_length);
    for (char **address = host->h_addr_list; *address != NULL; address++) {
        char text[INET6_ADDRSTRLEN];
        printf(" %s", inet_ntop(host->h_addrtype, *address, text, sizeof text));
    }
    print_list(host->h_aliases);
}

// A clean slate, so that a call that leaves errno alone shows.
#define ASKED(call) (errno = 0, h_errno = 0, call)

static void users_and_groups(void) {
    struct passwd *user;
    struct group *group;
    struct spwd *shadow;
    char name[256];
    EACH(user, setpwent(), getpwent(), endpwent(), {
        print_user("getpwent", user);
        snprintf(name, sizeof name, "%s", user->pw_name);
        print_user("getpwuid", ASKED(getpwuid(user->pw_uid)));
        print_user("getpwnam", ASKED(getpwnam(name)));
        int count = 0;
        getgrouplist(name, 0, NULL, &count);
        printf("getgrouplist: %d\n", count);
    });
    EACH(group, setgrent(), getgrent(), endgrent(), {
        print_group("getgrent", group);
        snprintf(name, sizeof name, "%s", group->gr_name);
        print_group("getgrgid", ASKED(getgrgid(group->gr_gid)));
        print_group("getgrnam", ASKED(getgrnam(name)));
    });
    EACH(shadow, setspent(), getspent(), endspent(), {
        snprintf(name, sizeof name, "%s", shadow->sp_namp);
        shadow = ASKED(getspnam(name));
        printf("getspnam: %s %ld\n", shadow->sp_namp, shadow->sp_lstchg);
    });
    print_user("getpwnam of nobody", ASKED(getpwnam("no-such-user")));
    print_user("getpwuid of nobody", ASKED(getpwuid(54321)));
    print_group("getgrnam of nobody", ASKED(getgrnam("no-such-group")));
    print_group("getgrgid of nobody", ASKED(getgrgid(54321)));
    shadow = ASKED(getspnam("no-such-user"));
    printf("getspnam of nobody: %s, errno %d\n", shadow == NULL ? "none" : "found", errno);
}

static void services_and_protocols(void) {
    struct servent *service;
    struct protoent *protocol;
    struct rpcent *rpc;
    struct netent *net;
    char name[256], transport[16];
    EACH(service, setservent(1), getservent(), endservent(), {
        print_service("getservent", service);
        snprintf(name, sizeof name, "%s", service->s_name);
        snprintf(transport, sizeof transport, "%s", service->s_proto);
        int port = service->s_port;
        print_service("getservbyname", ASKED(getservbyname(name, transport)));
        print_service("getservbyname, any", ASKED(getservbyname(name, NULL)));
        print_service("getservbyport", ASKED(getservbyport(port, transport)));
    });
    EACH(protocol, setprotoent(1), getprotoent(), endprotoent(), {
        print_protocol("getprotoent", protocol);
        snprintf(name, sizeof name, "%s", protocol->p_name);
        print_protocol("getprotobynumber", ASKED(getprotobynumber(protocol->p_proto)));
        print_protocol("getprotobyname", ASKED(getprotobyname(name)));
    });
    EACH(rpc, setrpcent(1), getrpcent(), endrpcent(), {
        print_rpc("getrpcent", rpc);
        snprintf(name, sizeof name, "%s", rpc->r_name);
        print_rpc("getrpcbynumber", ASKED(getrpcbynumber(rpc->r_number)));
        print_rpc("getrpcbyname", ASKED(getrpcbyname(name)));
    });
    EACH(net, setnetent(1), getnetent(), endnetent(), {
        print_net("getnetent", net);
        snprintf(name, sizeof name, "%s", net->n_name);
        print_net("getnetbyaddr", ASKED(getnetbyaddr(net->n_net, AF_INET)));
        print_net("getnetbyname", ASKED(getnetbyname(name)));
    });
    print_service("getservbyname of none", ASKED(getservbyname("no-such-service", "tcp")));
    print_service("getservbyport of none", ASKED(getservbyport(1, "none")));
    print_protocol("getprotobyname of none", ASKED(getprotobyname("no-such-protocol")));
    print_rpc("getrpcbyname of none", ASKED(getrpcbyname("no-such-program")));
}

static void hosts(void) {
    struct hostent *host;
    char name[256];
    EACH(host, sethostent(1), gethostent(), endhostent(), {
        print_host("gethostent", host);
        snprintf(name, sizeof name, "%s", host->h_name);
        struct in_addr address = {*(in_addr_t *)host->h_addr_list[0]};
        print_host("gethostbyaddr", ASKED(gethostbyaddr(&address, sizeof address, AF_INET)));
        print_host("gethostbyname", ASKED(gethostbyname(name)));
        print_host("gethostbyname2", ASKED(gethostbyname2(name, AF_INET)));
        print_host("gethostbyname2, v6", ASKED(gethostbyname2("::1", AF_INET6)));
    });
    struct in_addr unknown = {htonl(0xc0000201)};
    print_host("gethostbyname of none", ASKED(gethostbyname("no-such-host.invalid")));
    print_host("gethostbyname of a number", ASKED(gethostbyname("192.0.2.1")));
    print_host("gethostbyname of rubbish", ASKED(gethostbyname("a b")));
    print_host("gethostbyname of nothing", ASKED(gethostbyname("")));
    print_host("gethostbyaddr of none", ASKED(gethostbyaddr(&unknown, 4, AF_INET)));
    print_host("gethostbyaddr of a bad length", ASKED(gethostbyaddr(&unknown, 3, AF_INET)));
    struct addrinfo *list = NULL;
    printf("getaddrinfo: %d\n", ASKED(getaddrinfo("localhost", "http", NULL, &list)));
    for (struct addrinfo *one = list; one != NULL; one = one->ai_next) {
        char service[64];
        int error = getnameinfo(one->ai_addr, one->ai_addrlen, name, sizeof name, service,
                                sizeof service, NI_NUMERICHOST);
        printf("%d %s %s %d %d\n", error, name, service, one->ai_socktype, one->ai_protocol);
    }
    freeaddrinfo(list);
}

// Each call has one buffer, which the next call overwrites; and calls do not share it.
static void buffers(void) {
    struct passwd *root = getpwnam("root"), *daemon = getpwnam("daemon"), *by_id = getpwuid(0);
    printf("getpwnam: one entry %d, not that of getpwuid %d\n", root == daemon, by_id != root);
    struct hostent *first = gethostbyname("127.0.0.1"), *second = gethostbyname("127.0.0.2");
    printf("gethostbyname: one entry %d\n", first == second);
    struct servent *http = getservbyname("http", "tcp"), *smtp = getservbyname("smtp", "tcp");
    printf("getservbyname: one entry %d\n", http == smtp);
}

int main(void) {
    // Only what this machine's files say: no traffic.
    int __nss_configure_lookup(const char *, const char *);
    __nss_configure_lookup("hosts", "files");
    __nss_configure_lookup("networks", "files");
    users_and_groups();
    services_and_protocols();
    hosts();
    buffers();
    return 0;
}
