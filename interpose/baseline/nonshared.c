/* What each program and library has a copy of. zig takes the symbol that libpthread keeps for programs of
 * before 2003, with which handlers are not taken back when a library is closed. */
typedef void handler(void);

extern int __register_atfork(handler *, handler *, handler *, void *);
extern void *__dso_handle __attribute__((visibility("hidden")));

__attribute__((visibility("hidden"))) int pthread_atfork(handler *prepare, handler *parent, handler *child)
{
    return __register_atfork(prepare, parent, child, __dso_handle);
}
