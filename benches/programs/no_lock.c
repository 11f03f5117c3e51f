// no_lock.c: a `random` without a lock, preloaded behind the hooks under test, so that two threads
// meet in the hooks and nowhere else.

__attribute__((visibility("default"))) long random(void);

long random(void) {
    return 4;
}
