// semantics.c: makes generated calls of variadic functions, each by its own name, and reports all that
// can be seen of them. The file CASES has the calls, one a line; see tests/semantics.rs.
//
//   semantics calls LOCALE         the generated calls
//   semantics echo ...             what a program that was started sees: arguments and environment
#include "semantics.h"

#include <argp.h>
#include <err.h>
#include <error.h>
#include <locale.h>
#include <obstack.h>
#include <sys/wait.h>
#include <syslog.h>

#define obstack_chunk_alloc malloc
#define obstack_chunk_free free

extern char **environ;

// Functions that headers declare for some settings of the compiler only.
extern int __printf_chk(int, const char *, ...);
extern int __fprintf_chk(FILE *, int, const char *, ...);
extern int __dprintf_chk(int, int, const char *, ...);
extern int __wprintf_chk(int, const wchar_t *, ...);
extern int __fwprintf_chk(FILE *, int, const wchar_t *, ...);
extern int __sprintf_chk(char *, int, size_t, const char *, ...);
extern int __snprintf_chk(char *, size_t, int, size_t, const char *, ...);
extern int __asprintf_chk(char **, int, const char *, ...);
extern int __asprintf(char **, const char *, ...);
extern int __obstack_printf_chk(struct obstack *, int, const char *, ...);
extern int __swprintf_chk(wchar_t *, size_t, int, size_t, const wchar_t *, ...);
extern void __syslog_chk(int, int, const char *, ...);

// The headers make one generation of scanf of another.
#define SCANF_FORMS(prefix, symbol)                                                  \
    extern int prefix##scanf(const char *, ...) __asm__(symbol "scanf");             \
    extern int prefix##fscanf(FILE *, const char *, ...) __asm__(symbol "fscanf");   \
    extern int prefix##sscanf(const char *, const char *, ...) __asm__(symbol "sscanf"); \
    extern int prefix##wscanf(const wchar_t *, ...) __asm__(symbol "wscanf");        \
    extern int prefix##fwscanf(FILE *, const wchar_t *, ...) __asm__(symbol "fwscanf"); \
    extern int prefix##swscanf(const wchar_t *, const wchar_t *, ...) __asm__(symbol "swscanf");
SCANF_FORMS(gnu_, "")
SCANF_FORMS(c99_, "__isoc99_")
SCANF_FORMS(c23_, "__isoc23_")

// Old names that no header declares.
extern int io_printf(const char *, ...) __asm__("_IO_printf");
extern int io_fprintf(FILE *, const char *, ...) __asm__("_IO_fprintf");
extern int io_sprintf(char *, const char *, ...) __asm__("_IO_sprintf");
extern int io_sscanf(const char *, const char *, ...) __asm__("_IO_sscanf");

static char *made;
static struct obstack stack;
static const char *input;
static wchar_t wide_input[ROOM];

// How each function is called: `result`, `text`, `wide`, `made` and the stream are reported. A function
// of the library's table that is missing here does not compile.
#define CALL_printf(...) printf(__VA_ARGS__)
#define CALL__IO_printf(...) io_printf(__VA_ARGS__)
#define CALL__IO_fprintf(...) io_fprintf(stream, __VA_ARGS__)
#define CALL__IO_sprintf(...) io_sprintf(text, __VA_ARGS__)
#define CALL__IO_sscanf(...) io_sscanf(input, __VA_ARGS__)
#define CALL___printf_chk(...) __printf_chk(1, __VA_ARGS__)
#define CALL_fprintf(...) fprintf(stream, __VA_ARGS__)
#define CALL___fprintf_chk(...) __fprintf_chk(stream, 1, __VA_ARGS__)
#define CALL_dprintf(...) dprintf(fileno(stream), __VA_ARGS__)
#define CALL___dprintf_chk(...) __dprintf_chk(fileno(stream), 1, __VA_ARGS__)
#define CALL_wprintf(...) wprintf(__VA_ARGS__)
#define CALL___wprintf_chk(...) __wprintf_chk(1, __VA_ARGS__)
#define CALL_fwprintf(...) fwprintf(stream, __VA_ARGS__)
#define CALL___fwprintf_chk(...) __fwprintf_chk(stream, 1, __VA_ARGS__)
#define CALL_sprintf(...) sprintf(text, __VA_ARGS__)
#define CALL___sprintf_chk(...) __sprintf_chk(text, 1, sizeof text, __VA_ARGS__)
#define CALL_snprintf(...) snprintf(text, size, __VA_ARGS__)
#define CALL___snprintf_chk(...) __snprintf_chk(text, size, 1, sizeof text, __VA_ARGS__)
#define CALL_asprintf(...) asprintf(&made, __VA_ARGS__)
#define CALL___asprintf(...) __asprintf(&made, __VA_ARGS__)
#define CALL___asprintf_chk(...) __asprintf_chk(&made, 1, __VA_ARGS__)
#define CALL_obstack_printf(...) obstack_printf(&stack, __VA_ARGS__)
#define CALL___obstack_printf_chk(...) __obstack_printf_chk(&stack, 1, __VA_ARGS__)
#define CALL_swprintf(...) swprintf(wide, size, __VA_ARGS__)
#define CALL___swprintf_chk(...) __swprintf_chk(wide, size, 1, ROOM, __VA_ARGS__)

#define CALL_scanf(...) gnu_scanf(__VA_ARGS__)
#define CALL_fscanf(...) gnu_fscanf(stream, __VA_ARGS__)
#define CALL_sscanf(...) gnu_sscanf(input, __VA_ARGS__)
#define CALL_wscanf(...) gnu_wscanf(__VA_ARGS__)
#define CALL_fwscanf(...) gnu_fwscanf(stream, __VA_ARGS__)
#define CALL_swscanf(...) gnu_swscanf(wide_input, __VA_ARGS__)
#define CALL___isoc99_scanf(...) c99_scanf(__VA_ARGS__)
#define CALL___isoc99_fscanf(...) c99_fscanf(stream, __VA_ARGS__)
#define CALL___isoc99_sscanf(...) c99_sscanf(input, __VA_ARGS__)
#define CALL___isoc99_wscanf(...) c99_wscanf(__VA_ARGS__)
#define CALL___isoc99_fwscanf(...) c99_fwscanf(stream, __VA_ARGS__)
#define CALL___isoc99_swscanf(...) c99_swscanf(wide_input, __VA_ARGS__)
#define CALL___isoc23_scanf(...) c23_scanf(__VA_ARGS__)
#define CALL___isoc23_fscanf(...) c23_fscanf(stream, __VA_ARGS__)
#define CALL___isoc23_sscanf(...) c23_sscanf(input, __VA_ARGS__)
#define CALL___isoc23_wscanf(...) c23_wscanf(__VA_ARGS__)
#define CALL___isoc23_fwscanf(...) c23_fwscanf(stream, __VA_ARGS__)
#define CALL___isoc23_swscanf(...) c23_swscanf(wide_input, __VA_ARGS__)

#define CALL_warn(...) (warn(__VA_ARGS__), 0)
#define CALL_warnx(...) (warnx(__VA_ARGS__), 0)
#define CALL_syslog(...) (syslog(size & 7, __VA_ARGS__), 0)
#define CALL___syslog_chk(...) (__syslog_chk(size & 7, 1, __VA_ARGS__), 0)

// These may end the program, or not.
#define ENDED(call) in_child() && (call, print_number("errno", errno), exit(9), 0)
#define CALL_err(...) ENDED(err(size & 127, __VA_ARGS__))
#define CALL_errx(...) ENDED(errx(size & 127, __VA_ARGS__))
#define CALL_verr(...) ENDED(with_list(verr, size & 127, __VA_ARGS__))
#define CALL_verrx(...) ENDED(with_list(verrx, size & 127, __VA_ARGS__))
#define CALL_error(...) ENDED(error(size & 3, size & 63, __VA_ARGS__))
#define CALL_error_at_line(...) ENDED(error_at_line(size & 3, size & 63, "file", size, __VA_ARGS__))
#define CALL_argp_error(...) ENDED(argp_error(parser(), __VA_ARGS__))
#define CALL_argp_failure(...) ENDED(argp_failure(parser(), size & 3, size & 63, __VA_ARGS__))

// Whether the program is there or not, the result says; what it saw is in the stream.
#define PROGRAM (size & 1 ? "/proc/self/exe" : "/nonexistent/program")
#define STARTED(call) in_child() && (_exit(call == -1 ? errno : 0), 0)
#define CALL_execl(...) STARTED(execl(PROGRAM, "semantics", "echo", __VA_ARGS__, NULL))
#define CALL_execlp(...) STARTED(execlp(PROGRAM, "semantics", "echo", __VA_ARGS__, NULL))
#define CALL_execle(...) \
    STARTED(execle(PROGRAM, "semantics", "echo", __VA_ARGS__, NULL, (char *[]){"A=1", "B=2", NULL}))

// For calls that end the program or become another one: in the child.
static bool in_child(void) {
    fflush(report);
    pid_t child = fork();
    if (child < 0) broken("fork");
    if (child == 0) {
        int fd = fileno(stream);
        if (dup2(fd, 1) < 0 || dup2(fd, 2) < 0) broken("dup2");
        return true;
    }
    int status;
    if (waitpid(child, &status, 0) != child) broken("waitpid");
    print_number("child", status);
    return false;
}

static size_t size;

static void with_list(void (*call)(int, const char *, va_list), int status, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    call(status, format, arguments);
    va_end(arguments);
}

static const struct argp_state *parser(void) {
    static const struct argp nothing;
    static struct argp_state state;
    state = (struct argp_state){.root_argp = &nothing, .name = "parser", .err_stream = stream,
                                .out_stream = stream, .flags = size & 8 ? ARGP_NO_EXIT : 0};
    return &state;
}

static void begin_case(const char *name, size_t size_, int error, const char *input_) {
    size = size_;
    input = input_;
    made = NULL;
    size_t i = 0;
    do wide_input[i] = (unsigned char)input[i];
    while (input[i++] != '\0');
    obstack_init(&stack);
    begin(name, input, error);
}

static void end_case(long result) {
    int error = errno;
    if (made != NULL) strcpy(text, made);
    free(made);
    int grown = obstack_object_size(&stack);
    if (grown > 0) memcpy(text, obstack_base(&stack), grown);
    obstack_free(&stack, NULL);
    errno = error;
    end(result);
}

#define CASE(number, function, size, error, input, ...)                  \
    static void case_##number(void) {                                    \
        begin_case(#number " " #function, size, error, input);           \
        end_case(CALL_##function(__VA_ARGS__));                          \
    }

#include CASES

static int echo(char **argv) {
    for (; *argv != NULL; argv++) printf("<%s>", *argv);
    // Not those by which the library carries on, and the loader's own.
    for (char **entry = environ; *entry != NULL; entry++)
        if (strncmp(*entry, "LD_PRELOAD=", 11) != 0 && strncmp(*entry, "FORKFIX", 7) != 0)
            printf("[%s]", *entry);
    return 0;
}

int main(int argc, char **argv) {
    if (argc >= 2 && strcmp(argv[1], "echo") == 0) return echo(argv);
    if (argc != 3) broken("usage: semantics calls LOCALE");
    prepare_reports();
    if (setlocale(LC_ALL, argv[2]) == NULL) broken(argv[2]);
    openlog("semantics", LOG_PERROR | LOG_ODELAY, LOG_USER);
    for (size_t i = 0; i < sizeof ALL / sizeof ALL[0]; i++) ALL[i]();
    return fflush(report);
}
