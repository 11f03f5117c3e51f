// lib_network.c: stands for a framework that registers a fork handler when it is loaded.
#include <pthread.h>
#include <string.h>
#include <unistd.h>

static void say(const char *text) {
    if (write(2, text, strlen(text)) < 0) _exit(99);
}

static void prepare(void) {
    say("plugin: prepare\n");
}

static void parent(void) {
    say("plugin: parent\n");
}

static void child(void) {
    say("plugin: child\n");
}

__attribute__((constructor)) static void load(void) {
    if (pthread_atfork(prepare, parent, child) != 0) _exit(99);
}
