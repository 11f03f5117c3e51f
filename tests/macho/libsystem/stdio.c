// stdio.c: streams. Apple's stdio has a mutex in each FILE and one around the list of all files;
// no fork takes them. Here a table keeps the mutex for each of glibc's streams.
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <wchar.h>

#include "../loader/loader.h"
#include "libsystem.h"

enum { MAX_FILES = 256 };

static struct {
    _Atomic(FILE *) file;
    struct model_lock lock;
} files[MAX_FILES];

static struct model_lock list_lock = {.name = "the lock of the list of files"};

static FILE *standard_input, *standard_output, *standard_error;
EXPORT_DATA("___stdinp", standard_input)
EXPORT_DATA("___stdoutp", standard_output)
EXPORT_DATA("___stderrp", standard_error)

__attribute__((constructor)) static void start(void) {
    standard_input = stdin;
    standard_output = stdout;
    standard_error = stderr;
}

static struct model_lock *lock_of(FILE *file) {
    for (int i = 0; i < MAX_FILES; i++) {
        FILE *free_slot = NULL;
        if (atomic_load(&files[i].file) == file) return &files[i].lock;
        if (!atomic_compare_exchange_strong(&files[i].file, &free_slot, file)) continue;
        files[i].lock.name = "the lock of a file";
        return &files[i].lock;
    }
    refuse("more than %d files", MAX_FILES);
}

static void forget(FILE *file) {
    for (int i = 0; i < MAX_FILES; i++)
        if (atomic_load(&files[i].file) == file) atomic_store(&files[i].file, NULL);
}

#define ON_FILE(type, name, parameters, arguments)                                                 \
    static type standin_##name parameters {                                                        \
        model_enter(lock_of(file));                                                                \
        type result = CALL(name arguments);                                                        \
        model_leave(lock_of(file));                                                                \
        return result;                                                                             \
    }                                                                                              \
    EXPORT("_" #name, standin_##name)

ON_FILE(int, fputs, (const char *text, FILE *file), (text, file))
ON_FILE(int, fputc, (int c, FILE *file), (c, file))
ON_FILE(int, putc, (int c, FILE *file), (c, file))
ON_FILE(int, ungetc, (int c, FILE *file), (c, file))
ON_FILE(int, fgetc, (FILE * file), (file))
ON_FILE(int, getc, (FILE * file), (file))
ON_FILE(int, getw, (FILE * file), (file))
ON_FILE(int, putw, (int word, FILE *file), (word, file))
ON_FILE(char *, fgets, (char *to, int size, FILE *file), (to, size, file))
ON_FILE(size_t, fread, (void *to, size_t size, size_t n, FILE *file), (to, size, n, file))
ON_FILE(size_t, fwrite, (const void *from, size_t size, size_t n, FILE *file),
        (from, size, n, file))
ON_FILE(ssize_t, getline, (char **to, size_t *size, FILE *file), (to, size, file))
ON_FILE(ssize_t, getdelim, (char **to, size_t *size, int end, FILE *file), (to, size, end, file))
ON_FILE(int, fseek, (FILE * file, long offset, int whence), (file, offset, whence))
ON_FILE(int, fseeko, (FILE * file, off_t offset, int whence), (file, offset, whence))
ON_FILE(long, ftell, (FILE * file), (file))
ON_FILE(off_t, ftello, (FILE * file), (file))
ON_FILE(int, setvbuf, (FILE * file, char *buffer, int mode, size_t size),
        (file, buffer, mode, size))
ON_FILE(int, fileno, (FILE * file), (file))
ON_FILE(int, feof, (FILE * file), (file))
ON_FILE(int, ferror, (FILE * file), (file))
ON_FILE(wint_t, fputwc, (wchar_t c, FILE *file), (c, file))
ON_FILE(wint_t, fgetwc, (FILE * file), (file))
ON_FILE(int, fputws, (const wchar_t *text, FILE *file), (text, file))

static void standin_rewind(FILE *file) {
    model_enter(lock_of(file));
    rewind(file);
    model_leave(lock_of(file));
}
EXPORT("_rewind", standin_rewind)

static void standin_clearerr(FILE *file) {
    model_enter(lock_of(file));
    clearerr(file);
    model_leave(lock_of(file));
}
EXPORT("_clearerr", standin_clearerr)

static void standin_setbuf(FILE *file, char *buffer) {
    standin_setvbuf(file, buffer, buffer != NULL ? 0 : 2, BUFSIZ);
}
EXPORT("_setbuf", standin_setbuf)

static int standin_puts(const char *text) {
    model_enter(lock_of(stdout));
    int result = CALL(puts(text));
    model_leave(lock_of(stdout));
    return result;
}
EXPORT("_puts", standin_puts)

static int standin_putchar(int c) {
    return standin_putc(c, stdout);
}
EXPORT("_putchar", standin_putchar)

static int standin_getchar(void) {
    return standin_getc(stdin);
}
EXPORT("_getchar", standin_getchar)

void *enlist_file(void *file) {
    model_enter(&list_lock);
    if (file != NULL) lock_of(file);
    model_leave(&list_lock);
    return file;
}

static FILE *standin_fopen(const char *path, const char *mode) {
    return enlist_file(CALL(fopen(path, mode)));
}
EXPORT("_fopen", standin_fopen)

static FILE *standin_fdopen(int fd, const char *mode) {
    return enlist_file(CALL(fdopen(fd, mode)));
}
EXPORT("_fdopen", standin_fdopen)

static FILE *standin_tmpfile(void) {
    return enlist_file(CALL(tmpfile()));
}
EXPORT("_tmpfile", standin_tmpfile)

static FILE *standin_freopen(const char *path, const char *mode, FILE *file) {
    model_enter(lock_of(file));
    FILE *result = CALL(freopen(path, mode, file));
    model_leave(lock_of(file));
    return result;
}
EXPORT("_freopen", standin_freopen)

int standin_fclose(void *file) {
    struct model_lock *lock = lock_of(file);
    model_enter(&list_lock);
    model_enter(lock);
    int result = CALL(fclose(file));
    forget(file);
    model_leave(lock);
    model_leave(&list_lock);
    return result;
}
EXPORT("_fclose", standin_fclose)

int standin_fflush(void *one) {
    if (one != NULL) {
        model_enter(lock_of(one));
        int result = CALL(fflush(one));
        model_leave(lock_of(one));
        return result;
    }
    model_enter(&list_lock);
    int result = 0;
    for (int i = 0; i < MAX_FILES; i++) {
        FILE *file = atomic_load(&files[i].file);
        if (file == NULL) continue;
        model_enter(&files[i].lock);
        if (fflush(file) != 0) result = -1;
        model_leave(&files[i].lock);
    }
    model_leave(&list_lock);
    return result;
}
EXPORT("_fflush", standin_fflush)

// At exit the list is locked, the files are not (_cleanup in stdio/FreeBSD/findfp.c).
void flush_at_exit(void) {
    model_enter(&list_lock);
    for (int i = 0; i < MAX_FILES; i++) {
        FILE *file = atomic_load(&files[i].file);
        if (file != NULL) fflush_unlocked(file);
    }
    model_leave(&list_lock);
}

void standin_flockfile(void *file) {
    model_enter(lock_of(file));
}
EXPORT("_flockfile", standin_flockfile)

static int standin_ftrylockfile(FILE *file) {
    return lock_try(&lock_of(file)->lock) ? 0 : -1;
}
EXPORT("_ftrylockfile", standin_ftrylockfile)

void standin_funlockfile(void *file) {
    model_leave(lock_of(file));
}
EXPORT("_funlockfile", standin_funlockfile)

static void standin_perror(const char *prefix) {
    int error = error_from_apple(*standin_error());
    model_enter(lock_of(stderr));
    errno = error;
    perror(prefix);
    model_leave(lock_of(stderr));
}
EXPORT("_perror", standin_perror)
EXPORT("_remove", remove)
