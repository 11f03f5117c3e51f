// frameworks.c: what of XPC and Objective-C works, in the process and in its children.
//
//   frameworks connection   whether the process can make an XPC connection
//   frameworks class        a child of a process with threads uses NSNumber
#include <dlfcn.h>

#include "storm.h"

extern void *xpc_connection_create(const char *, void *);

static int connection(void) {
    puts(xpc_connection_create("com.example", NULL) != NULL ? "alive" : "dead");
    return 0;
}

static void *idle(void *unused) {
    pause();
    return unused;
}

static int class(void) {
    struct tally tally = {0};
    pthread_t thread;
    dlopen("/System/Library/Frameworks/Foundation.framework/Foundation", RTLD_LAZY);
    void *(*get)(const char *) = (void *(*)(const char *))dlsym(RTLD_DEFAULT, "objc_getClass");
    void *(*name)(const char *) = (void *(*)(const char *))dlsym(RTLD_DEFAULT, "sel_registerName");
    void *(*send)(void *, void *) = (void *(*)(void *, void *))dlsym(RTLD_DEFAULT, "objc_msgSend");
    if (pthread_create(&thread, NULL, idle, NULL) != 0) fail("pthread_create");
    pid_t pid = fork();
    if (pid == 0) _exit(send(get("NSNumber"), name("class")) == NULL);
    watch(&tally, pid);
    return report(tally);
}

int main(int argc, char **argv) {
    if (argc != 2) return 99;
    return strcmp(argv[1], "class") == 0 ? class() : connection();
}
