// errors.c: errno in Apple's numbering (<sys/errno.h>).
#include "libsystem.h"

static __thread int error;

int *standin_error(void) {
    return &error;
}
EXPORT("___error", standin_error)

// Pairs {Linux, Apple}; what is not here has the same number.
static const short pairs[][2] = {
    {EAGAIN, APPLE_EAGAIN}, {EDEADLK, APPLE_EDEADLK}, {ENAMETOOLONG, 63}, {ENOLCK, 77},
    {ENOSYS, APPLE_ENOSYS}, {ENOTEMPTY, 66}, {ELOOP, 62}, {EOVERFLOW, 84}, {EILSEQ, 92},
    {EUSERS, 68}, {ENOTSOCK, 38}, {EDESTADDRREQ, 39}, {EMSGSIZE, 40}, {EPROTOTYPE, 41},
    {ENOPROTOOPT, 42}, {EPROTONOSUPPORT, 43}, {ESOCKTNOSUPPORT, 44}, {EOPNOTSUPP, 102},
    {EPFNOSUPPORT, 46}, {EAFNOSUPPORT, 47}, {EADDRINUSE, 48}, {EADDRNOTAVAIL, 49}, {ENETDOWN, 50},
    {ENETUNREACH, 51}, {ENETRESET, 52}, {ECONNABORTED, 53}, {ECONNRESET, 54}, {ENOBUFS, 55},
    {EISCONN, 56}, {ENOTCONN, 57}, {ESHUTDOWN, 58}, {ETIMEDOUT, APPLE_ETIMEDOUT},
    {ECONNREFUSED, 61}, {EHOSTDOWN, 64}, {EHOSTUNREACH, 65}, {EALREADY, 37}, {EINPROGRESS, 36},
    {ESTALE, 70}, {EDQUOT, 69}, {ECANCELED, 89}, {EPROTO, 100}, {EBADMSG, 94}, {EIDRM, 90},
    {ENOMSG, 91}, {EOWNERDEAD, 105}, {ENOTRECOVERABLE, 104},
};

int apple_error(int linux_error) {
    for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++)
        if (pairs[i][0] == linux_error) return pairs[i][1];
    return linux_error;
}

int error_from_apple(int apple) {
    for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++)
        if (pairs[i][1] == apple) return pairs[i][0];
    return apple;
}
