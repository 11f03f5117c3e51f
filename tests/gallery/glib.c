// name: GLib
// kind: C, locks of atomics and futexes
// need: /usr/include/glib-2.0/glib.h libglib2.0-dev
// need: pkg-config pkg-config
// flags: `pkg-config --cflags --libs glib-2.0`
// forks: 2000
// bare: hangs
// remains: GMutex is an atomic number that no hook sees; use g_spawn_async, or start a new program in the child
#include "gallery.h"

#include <glib.h>

// Such strings are shared by all threads, behind a lock of GLib's own.
static bool is_shared(void) {
    return strcmp(g_quark_to_string(g_quark_from_string("gallery")), "gallery") == 0;
}

static void share(void) { is_shared(); }

int main(int argc, char **argv) {
    char version[99];
    snprintf(version, sizeof version, "%u.%u.%u", glib_major_version, glib_minor_version, glib_micro_version);
    return play(argv, version, is_shared, share, HAMMERS);
}
