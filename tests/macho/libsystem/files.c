// files.c: descriptors, files and memory, with Apple's flags and struct stat.
#define _GNU_SOURCE
#include <fcntl.h>
#include <poll.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include "libsystem.h"

static const struct {
    int apple, host;
} open_flags[] = {
    {0x0004, O_NONBLOCK}, {0x0008, O_APPEND},  {0x0100, O_NOFOLLOW},     {0x0200, O_CREAT},
    {0x0400, O_TRUNC},    {0x0800, O_EXCL},    {0x20000, O_NOCTTY},      {0x100000, O_DIRECTORY},
    {0x1000000, O_CLOEXEC},
};

static int flags_from_apple(int flags) {
    int result = flags & O_ACCMODE;
    for (size_t i = 0; i < sizeof open_flags / sizeof *open_flags; i++)
        if (flags & open_flags[i].apple) result |= open_flags[i].host;
    return result;
}

static int flags_to_apple(int flags) {
    int result = flags & O_ACCMODE;
    for (size_t i = 0; i < sizeof open_flags / sizeof *open_flags; i++)
        if (flags & open_flags[i].host) result |= open_flags[i].apple;
    return result;
}

int standin_open(const char *path, int flags, REST) {
    OPEN_REST(list, flags);
    int mode = flags & 0x200 ? va_arg(list, int) : 0;
    return CALL(open(path, flags_from_apple(flags), mode));
}
EXPORT_VARIADIC("_open", standin_open, 2)

int standin_openat(int directory, const char *path, int flags, REST) {
    OPEN_REST(list, flags);
    int mode = flags & 0x200 ? va_arg(list, int) : 0;
    int from = directory == -2 ? AT_FDCWD : directory;
    return CALL(openat(from, path, flags_from_apple(flags), mode));
}
EXPORT_VARIADIC("_openat", standin_openat, 3)

int standin_fcntl(int fd, int command, REST) {
    OPEN_REST(list, command);
    switch (command) {
    case 0: return CALL(fcntl(fd, F_DUPFD, va_arg(list, int)));
    case 1: return CALL(fcntl(fd, F_GETFD));
    case 2: return CALL(fcntl(fd, F_SETFD, va_arg(list, int)));
    case 3: return flags_to_apple(CALL(fcntl(fd, F_GETFL)));
    case 4: return CALL(fcntl(fd, F_SETFL, flags_from_apple(va_arg(list, int))));
    case 67: return CALL(fcntl(fd, F_DUPFD_CLOEXEC, va_arg(list, int)));
    default: return FAIL(EINVAL, -1);
    }
}
EXPORT_VARIADIC("_fcntl", standin_fcntl, 2)

// Commands of ioctl have other numbers, and none is needed.
static int standin_ioctl(int fd, unsigned long request) {
    (void)fd, (void)request;
    return FAIL(25, -1); // ENOTTY
}
EXPORT("_ioctl", standin_ioctl)

TRANSLATE(ssize_t, read, (int fd, void *to, size_t size), (fd, to, size))
TRANSLATE(ssize_t, write, (int fd, const void *from, size_t size), (fd, from, size))
TRANSLATE(ssize_t, pread, (int fd, void *to, size_t size, off_t at), (fd, to, size, at))
TRANSLATE(ssize_t, writev, (int fd, const struct iovec *from, int count), (fd, from, count))
TRANSLATE(ssize_t, readv, (int fd, const struct iovec *to, int count), (fd, to, count))
TRANSLATE(off_t, lseek, (int fd, off_t offset, int whence), (fd, offset, whence))
TRANSLATE(int, close, (int fd), (fd))
TRANSLATE(int, pipe, (int fds[2]), (fds))
TRANSLATE(int, dup, (int fd), (fd))
TRANSLATE(int, dup2, (int fd, int to), (fd, to))
TRANSLATE(int, unlink, (const char *path), (path))
TRANSLATE(int, access, (const char *path, int mode), (path, mode))
TRANSLATE(int, chdir, (const char *path), (path))
TRANSLATE(int, isatty, (int fd), (fd))
TRANSLATE(int, mkstemp, (char *template), (template))
TRANSLATE(int, poll, (struct pollfd * fds, unsigned count, int timeout), (fds, count, timeout))
TRANSLATE(char *, getcwd, (char *to, size_t size), (to, size))
TRANSLATE(char *, realpath, (const char *path, char *to), (path, to))
TRANSLATE(ssize_t, readlink, (const char *path, char *to, size_t size), (path, to, size))

struct apple_stat {
    int32_t device;
    uint16_t mode, links;
    uint64_t inode;
    uint32_t user, group;
    int32_t special, padding;
    struct timespec accessed, modified, changed, born;
    int64_t size, blocks;
    int32_t block_size;
    uint32_t flags, generation, spare[5];
};

_Static_assert(sizeof(struct apple_stat) == 144, "Apple's size");

static int give_stat(int result, const struct stat *from, struct apple_stat *to) {
    if (result != 0) return result;
    *to = (struct apple_stat){
        .device = from->st_dev, .mode = from->st_mode, .links = from->st_nlink,
        .inode = from->st_ino, .user = from->st_uid, .group = from->st_gid,
        .special = from->st_rdev, .accessed = from->st_atim, .modified = from->st_mtim,
        .changed = from->st_ctim, .born = from->st_ctim, .size = from->st_size,
        .blocks = from->st_blocks, .block_size = from->st_blksize,
    };
    return 0;
}

#ifdef __x86_64__
#define STAT(name, function) EXPORT("_" #name "$INODE64", function)
#else
#define STAT(name, function) EXPORT("_" #name, function)
#endif

static int standin_stat(const char *path, struct apple_stat *to) {
    struct stat status;
    return give_stat(CALL(stat(path, &status)), &status, to);
}
STAT(stat, standin_stat)

static int standin_lstat(const char *path, struct apple_stat *to) {
    struct stat status;
    return give_stat(CALL(lstat(path, &status)), &status, to);
}
STAT(lstat, standin_lstat)

static int standin_fstat(int fd, struct apple_stat *to) {
    struct stat status;
    return give_stat(CALL(fstat(fd, &status)), &status, to);
}
STAT(fstat, standin_fstat)

// No directory can be read: struct dirent is not translated, and who asks goes on without.
static void *standin_opendir(const char *path) {
    (void)path;
    return FAIL(ENOENT, NULL);
}
STAT(opendir, standin_opendir)

static int no_directory(void) {
    return FAIL(9, -1); // EBADF
}
EXPORT("_closedir", no_directory)
EXPORT("_dirfd", no_directory)
STAT(readdir_r, no_directory)

static void *standin_mmap(void *address, size_t size, int protection, int flags, int fd,
                          off_t offset) {
    int host = flags & (MAP_SHARED | MAP_PRIVATE | MAP_FIXED); // the same numbers
    if (flags & 0x1000) host |= MAP_ANONYMOUS;
    if (flags & 0x40) host |= MAP_NORESERVE;
    return CALL(mmap(address, size, protection, host, flags & 0x1000 ? -1 : fd, offset));
}
EXPORT("_mmap", standin_mmap)
TRANSLATE(int, munmap, (void *address, size_t size), (address, size))
TRANSLATE(int, mprotect, (void *address, size_t size, int protection), (address, size, protection))

static int standin_madvise(void *address, size_t size, int advice) {
    (void)address, (void)size, (void)advice; // advice may be ignored
    return 0;
}
EXPORT("_madvise", standin_madvise)
PASS(getpagesize)

static long standin_sysconf(int name) {
    switch (name) {
    case 3: return CALL(sysconf(_SC_CLK_TCK));
    case 5: return CALL(sysconf(_SC_OPEN_MAX));
    case 29: return CALL(sysconf(_SC_PAGESIZE));
    case 57: return CALL(sysconf(_SC_NPROCESSORS_CONF));
    case 58: return CALL(sysconf(_SC_NPROCESSORS_ONLN));
    case 70:
    case 71: return 4096; // buffers for users and groups
    default: return FAIL(EINVAL, -1);
    }
}
EXPORT("_sysconf", standin_sysconf)

TRANSLATE(void *, malloc, (size_t size), (size))
TRANSLATE(void *, calloc, (size_t count, size_t size), (count, size))
TRANSLATE(void *, realloc, (void *old, size_t size), (old, size))
PASS(free)
PASS(aligned_alloc)

static int standin_posix_memalign(void **to, size_t align, size_t size) {
    return apple_error(posix_memalign(to, align, size));
}
EXPORT("_posix_memalign", standin_posix_memalign)
