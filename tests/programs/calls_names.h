// calls_names.h: more look-ups of names: enumerations, entries in streams and texts, and the rest.
#ifndef CALLS_NAMES_H
#define CALLS_NAMES_H

#include "storm.h"

#include <aliases.h>
#include <arpa/inet.h>
#include <grp.h>
#include <gshadow.h>
#include <netdb.h>
#include <netinet/in.h>
#include <pwd.h>
#include <rpc/netdb.h>
#include <shadow.h>
#include <sys/socket.h>

// Enumerations. Each database has two locks: that of `getXent`, which has the result, and inside it that
// of the place in the list.
static void call_getaliasent(void) { getaliasent(); }
static void call_setaliasent(void) {
    setaliasent();
    endaliasent();
}
static void call_gethostent(void) { gethostent(); }
static void call_sethostent(void) {
    sethostent(0);
    endhostent();
}
static void call_getnetent(void) { getnetent(); }
static void call_setnetent(void) {
    setnetent(0);
    endnetent();
}
static void call_getprotoent(void) { getprotoent(); }
static void call_setprotoent(void) {
    setprotoent(0);
    endprotoent();
}
static void call_getrpcent(void) { getrpcent(); }
static void call_setrpcent(void) {
    setrpcent(0);
    endrpcent();
}
static void call_getservent(void) { getservent(); }
static void call_setservent(void) {
    setservent(0);
    endservent();
}
static void call_getsgent(void) { getsgent(); }
static void call_setsgent(void) {
    setsgent();
    endsgent();
}
static void call_getspent(void) { getspent(); }
static void call_setspent(void) {
    setspent();
    endspent();
}

// Entries in streams and texts. The stream is the thread's own: no two wait for its lock.
static FILE *own_stream(void) {
    static _Thread_local FILE *mine;
    static _Thread_local char entry[] = "root:x:0:0:root:/:/bin/sh\n";
    if (mine == NULL) mine = fmemopen(entry, sizeof entry - 1, "r");
    if (mine == NULL) die("fmemopen");
    rewind(mine);
    return mine;
}
static void call_fgetpwent(void) { fgetpwent(own_stream()); }
static void call_fgetgrent(void) { fgetgrent(own_stream()); }
static void call_fgetspent(void) { fgetspent(own_stream()); }
static void call_fgetsgent(void) { fgetsgent(own_stream()); }
static void call_sgetsgent(void) { sgetsgent("root:*:root:root"); }

// Single look-ups that have a lock of their own.
static void call_getaliasbyname(void) { getaliasbyname("root"); }
static void call_gethostbyname2(void) { gethostbyname2("localhost", AF_INET); }
static void call_getnetbyaddr(void) { getnetbyaddr(127, AF_INET); }
static void call_getsgnam(void) { getsgnam("root"); }

#endif
