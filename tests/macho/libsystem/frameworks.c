// frameworks.c: models of what a fork breaks above libc: libnotify, XPC and Objective-C.
//
// libnotify (Libnotify's notify_client.c): the first use makes its globals, in an os_once; its
// hook in the child uses them first of all.
// XPC (closed; go.dev/issue/56784): the first use, and the hook in the child, initialise classes. A
// child whose vanished thread was doing so waits for ever. `xpc_atfork_child` called by hand tells
// the process that it is a forked child, in which XPC works no more (go.dev/issue/57263).
// Objective-C (objc4's objc-initialize.mm): the first +initialize of a class in the child of a
// multithreaded process aborts it.
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "../loader/loader.h"
#include "libsystem.h"

// How long an initialisation takes. On a Mac, some µs; more here, so that forks meet it.
enum { INITIALISATION_US = 1000 };

static void take_time(void *unused) {
    (void)unused;
    be_busy(INITIALISATION_US);
}

static struct once notify_once;

void notify_globals(void) {
    os_once(&notify_once, take_time, NULL);
}

void notify_fork_child(void) {
    notify_globals();
}
EXPORT("__notify_fork_child", notify_fork_child)

static int notify_is_valid_token(int token) {
    notify_globals();
    return token > 0;
}
EXPORT("_notify_is_valid_token", notify_is_valid_token)

static unsigned notify_register_check(const char *name, int *token) {
    (void)name;
    notify_globals();
    *token = 1;
    return 0;
}
EXPORT("_notify_register_check", notify_register_check)

static unsigned notify_post(const char *name) {
    (void)name;
    notify_globals();
    return 0;
}
EXPORT("_notify_post", notify_post)

// A lock of its own, because a waiter does not notice that the owner is gone.
static struct lock xpc_lock;
static atomic_bool xpc_initialised;
static bool forked_child;

static void xpc_initialise(void) {
    if (atomic_load(&xpc_initialised)) return;
    lock_take(&xpc_lock, "the initialisation of XPC's classes");
    if (!atomic_load(&xpc_initialised)) take_time(NULL);
    atomic_store(&xpc_initialised, true);
    lock_leave(&xpc_lock);
}

void xpc_atfork_child(void) {
    forked_child = true;
    xpc_initialise();
}
EXPORT("_xpc_atfork_child", xpc_atfork_child)

static void *xpc_object(void) {
    xpc_initialise();
    return calloc(1, 16);
}
EXPORT("_xpc_date_create_from_current", xpc_object)
EXPORT("_xpc_dictionary_create", xpc_object)

// NULL in what believes to be a forked child: on a Mac such a connection is dead from the start.
static void *xpc_connection_create(const char *name, void *queue) {
    (void)name, (void)queue;
    return forked_child ? NULL : xpc_object();
}
EXPORT("_xpc_connection_create", xpc_connection_create)
EXPORT("_xpc_release", free)

struct class {
    const char *name;
    atomic_bool initialised;
};

// NSObject's +initialize does nothing.
static struct class classes[] = {
    {"NSObject", true},
    {"NSNumber", false},
    {"NSString", false},
    {"NSPlaceholderString", false},
    {"NSArray", false},
    {"NSPlaceholderArray", false},
    {"NSDictionary", false},
    {"NSPlaceholderDictionary", false},
    {"NSData", false},
    {"NSDate", false},
    {"NSURL", false},
    {"NSError", false},
    {"NSCharacterSet", false},
    {"NSValue", false},
    {"NSPlaceholderValue", false},
    {"NSThread", false},
    {"NSLock", false},
    {"NSProcessInfo", false},
    {"NSBundle", false},
    {"NSUserDefaults", false},
    {"NSLocale", false},
    {"NSTimeZone", false},
    {"NSCalendar", false},
    {"NSSet", false},
    {"NSFileManager", false},
    {"NSAutoreleasePool", false},
    {"NSNull", false},
};

static bool foundation_is_loaded, child_of_threads;
static struct lock runtime_lock, class_lock;

// Forks hold the runtime's locks: `_objc_atfork_prepare`, after the handlers of the program.
void objc_fork_prepare(void) {
    lock_take(&runtime_lock, "the lock of the Objective-C runtime");
}

void objc_fork_parent(void) {
    lock_leave(&runtime_lock);
}

void objc_fork_child(void) {
    child_of_threads |= was_threaded();
    lock_leave(&runtime_lock);
}

// The runtime calls out to others while it holds its lock. Not of macOS by this name.
static void with_runtime_lock(void (*function)(void)) {
    lock_take(&runtime_lock, "the lock of the Objective-C runtime");
    function();
    lock_leave(&runtime_lock);
}
EXPORT("_macho_run_with_runtime_lock", with_runtime_lock)

void load_foundation(void) {
    foundation_is_loaded = true;
}

static void *objc_getClass(const char *name) {
    for (size_t i = 0; i < sizeof classes / sizeof *classes && foundation_is_loaded; i++)
        if (strcmp(classes[i].name, name) == 0) return &classes[i];
    return NULL;
}
EXPORT("_objc_getClass", objc_getClass)
EXPORT("_objc_lookUpClass", objc_getClass)

static const char *sel_registerName(const char *name) {
    return name;
}
EXPORT("_sel_registerName", sel_registerName)
EXPORT("_sel_getUid", sel_registerName)

static void *objc_msgSend(void *receiver, const char *selector) {
    struct class *class = receiver;
    (void)selector;
    if (class == NULL || class < classes || class >= classes + sizeof classes / sizeof *classes)
        return receiver; // nil, or an object: no class is initialised by it
    if (atomic_load(&class->initialised)) return receiver;
    if (child_of_threads) {
        say("+[%s initialize] may have been in progress in another thread when fork() was called.",
            class->name);
        abort();
    }
    lock_take(&class_lock, "a class's +initialize");
    take_time(NULL);
    atomic_store(&class->initialised, true);
    lock_leave(&class_lock);
    return receiver;
}
EXPORT("_objc_msgSend", objc_msgSend)

static void *objc_opt_class(void *receiver) {
    return objc_msgSend(receiver, "class");
}
EXPORT("_objc_opt_class", objc_opt_class)
EXPORT("_objc_opt_self", objc_opt_class)
