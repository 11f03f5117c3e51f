// parts.c: calls that are in libraries of their own before glibc 2.34, which a program may load later.
//
//   parts PLUGIN       loads PLUGIN, which is linked with them, and calls it
#include "storm.h"

int main(int argc, char **argv) {
    if (argc != 2) die("usage: parts PLUGIN");
    void *plugin = dlopen(argv[1], RTLD_NOW);
    if (plugin == NULL) die("%s", dlerror());
    int (*call)(void) = (int (*)(void))dlsym(plugin, "call_parts");
    if (call == NULL) die("%s", dlerror());
    return call();
}
