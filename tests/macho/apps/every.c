// every.c: calls each function that the library interposes once, with harmless arguments.
//
//   every          all of them; ends with exit(0)
#include <fcntl.h>
#include <grp.h>
#include <locale.h>
#include <netdb.h>
#include <pthread.h>
#include <pwd.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <syslog.h>
#include <time.h>
#include <unistd.h>
#include <utmpx.h>
#include <uuid/uuid.h>
#include <wchar.h>
#include <xlocale.h>

extern char **environ;

// Other versions of some functions, and functions that no header has.
FILE *fopen_extsn(const char *, const char *) __asm("_fopen$DARWIN_EXTSN");
FILE *fdopen_extsn(int, const char *) __asm("_fdopen$DARWIN_EXTSN");
FILE *popen_extsn(const char *, const char *) __asm("_popen$DARWIN_EXTSN");
int system_nocancel(const char *) __asm("_system$NOCANCEL");
void syslog_extsn(int, const char *, ...) __asm("_syslog$DARWIN_EXTSN");
FILE *plain_fopen(const char *, const char *) __asm("_fopen");
FILE *plain_fdopen(int, const char *) __asm("_fdopen");
FILE *plain_popen(const char *, const char *) __asm("_popen");
int plain_system(const char *) __asm("_system");
void plain_syslog(int, const char *, ...) __asm("_syslog");
char *gets(char *);
time_t timeoff(struct tm *, long);

static FILE *out; // a scratch file

static void times(void) {
    time_t now = 1000000000;
    char text[100];
    wchar_t wide[100];
    struct tm tm;
    localtime(&now);
    localtime_r(&now, &tm);
    gmtime(&now);
    gmtime_r(&now, &tm);
    mktime(&tm);
    timelocal(&tm);
    timegm(&tm);
    timeoff(&tm, 0);
    time2posix(now);
    posix2time(now);
    ctime(&now);
    ctime_r(&now, text);
    tzset();
    tzsetwall();
    strftime(text, sizeof text, "%Y", &tm);
    strftime_l(text, sizeof text, "%Y", &tm, NULL);
    wcsftime(wide, 100, L"%Y", &tm);
    wcsftime_l(wide, 100, L"%Y", &tm, NULL);
    strptime("2001", "%Y", &tm);
    strptime_l("2001", "%Y", &tm, NULL);
    getdate("2001");
}

static void environment_and_locales(void) {
    static char entry[] = "EVERY=2";
    setenv("EVERY", "1", 1);
    putenv(entry);
    unsetenv("EVERY");
    setlocale(LC_ALL, "C");
    locale_t locale = newlocale(LC_ALL_MASK, "C", NULL);
    freelocale(duplocale(locale));
    localeconv();
    localeconv_l(locale);
}

static void list_syslog(int priority, const char *format, ...) {
    va_list list;
    va_start(list, format);
    vsyslog(priority, format, list);
    va_end(list);
}

static void logs_and_logins(void) {
    char text[100];
    struct utmpx entry = {0};
    openlog("every", 0, LOG_USER);
    plain_syslog(LOG_DEBUG, "%d", 1);
    syslog_extsn(LOG_DEBUG, "%d", 2);
    list_syslog(LOG_DEBUG, "%d", 3);
    setlogmask(0xff);
    closelog();
    getlogin();
    getlogin_r(text, sizeof text);
    ttyname(0);
    ttyname_r(0, text, sizeof text);
    setutxent();
    getutxent();
    getutxid(&entry);
    getutxline(&entry);
    pututxline(&entry);
    endutxent();
}

static void users(void) {
    char text[1000];
    struct passwd user, *found_user;
    struct group group, *found_group;
    uuid_t uuid = {0};
    int groups[10], count = 10;
    getpwnam("root");
    getpwuid(0);
    getpwuuid(uuid);
    getpwnam_r("root", &user, text, sizeof text, &found_user);
    getpwuid_r(0, &user, text, sizeof text, &found_user);
    setpwent();
    getpwent();
    endpwent();
    getgrnam("wheel");
    getgrgid(0);
    getgruuid(uuid);
    getgrnam_r("wheel", &group, text, sizeof text, &found_group);
    getgrgid_r(0, &group, text, sizeof text, &found_group);
    setgrent();
    getgrent();
    endgrent();
    getgrouplist("root", 0, groups, &count);
    initgroups("root", 0);
}

static void hosts_and_names(void) {
    struct addrinfo *found;
    struct sockaddr address = {.sa_len = 16, .sa_family = 2};
    char text[100], bytes[4] = {127, 0, 0, 1}, *host, *user, *domain;
    int error;
    if (getaddrinfo("localhost", NULL, NULL, &found) == 0) freeaddrinfo(found);
    getnameinfo(&address, sizeof address, text, sizeof text, NULL, 0, 0);
    gethostbyname("localhost");
    gethostbyname2("localhost", 2);
    gethostbyaddr(bytes, 4, 2);
    getipnodebyname("localhost", 2, 0, &error);
    getipnodebyaddr(bytes, 4, 2, &error);
    sethostent(0);
    gethostent();
    endhostent();
    setnetent(0);
    getnetbyname("loopback");
    getnetbyaddr(127, 2);
    getnetent();
    endnetent();
    setprotoent(0);
    getprotobyname("tcp");
    getprotobynumber(6);
    getprotoent();
    endprotoent();
    setservent(0);
    getservbyname("http", "tcp");
    getservbyport(80, "tcp");
    getservent();
    endservent();
    setnetgrent("every");
    getnetgrent(&host, &user, &domain);
    innetgr("every", NULL, NULL, NULL);
    endnetgrent();
}

static void lists(const char *format, ...) {
    va_list list;
    va_start(list, format);
    vprintf(format, list);
    va_start(list, format);
    vprintf_l(NULL, format, list);
    va_start(list, format);
    vfprintf(out, format, list);
    va_start(list, format);
    vfprintf_l(out, NULL, format, list);
    va_end(list);
}

static void wide_lists(const wchar_t *format, ...) {
    va_list list;
    va_start(list, format);
    vwprintf(format, list);
    va_start(list, format);
    vfwprintf(out, format, list);
    va_end(list);
}

static void scan_lists(const char *format, ...) {
    va_list list;
    va_start(list, format);
    vscanf(format, list);
    va_start(list, format);
    vfscanf(stdin, format, list);
    va_end(list);
}

static void wide_scan_lists(const wchar_t *format, ...) {
    va_list list;
    va_start(list, format);
    vwscanf(format, list);
    va_start(list, format);
    vfwscanf(stdin, format, list);
    va_end(list);
}

static void opened_streams(void) {
    static char memory[100], *grown;
    static wchar_t *wide;
    size_t size;
    fclose(plain_fopen("/dev/null", "r"));
    fclose(fopen_extsn("/dev/null", "r"));
    fclose(plain_fdopen(open("/dev/null", O_RDONLY), "r"));
    fclose(fdopen_extsn(open("/dev/null", O_RDONLY), "r"));
    fclose(freopen("/dev/null", "r", plain_fopen("/dev/null", "r")));
    fclose(fmemopen(memory, sizeof memory, "w"));
    fclose(open_memstream(&grown, &size));
    fclose(open_wmemstream(&wide, &size));
    fclose(funopen(NULL, NULL, NULL, NULL, NULL));
}

static void output(void) {
    out = tmpfile();
    setvbuf(out, NULL, _IOFBF, 4096);
    putc('a', out);
    fputc('b', out);
    putchar('c');
    puts("d");
    fputs("e", out);
    fwrite("f", 1, 1, out);
    putw(1, out);
    printf("%d", 1);
    printf_l(NULL, "%d", 1);
    fprintf(out, "%d", 1);
    fprintf_l(out, NULL, "%d", 1);
    lists("%d", 1);
    perror("every");
    psignal(1, "every");
    fflush(out);
}

static void wide_output(void) {
    out = tmpfile();
    fwide(out, 1);
    putwc(L'a', out);
    fputwc(L'b', out);
    putwchar(L'c');
    fputws(L"d", out);
    wprintf(L"%d", 1);
    fwprintf(out, L"%d", 1);
    wide_lists(L"%d", 1);
}

static void input(void) {
    char text[100], *line = NULL;
    wchar_t wide[100];
    size_t size = 0;
    int number;
    fpos_t position;
    getc(stdin);
    fgetc(stdin);
    getchar();
    gets(text);
    fgets(text, sizeof text, stdin);
    fgetln(stdin, &size);
    size = 0;
    getline(&line, &size, stdin);
    getdelim(&line, &size, 'x', stdin);
    fread(text, 1, 1, stdin);
    getw(stdin);
    scanf("%d", &number);
    fscanf(stdin, "%d", &number);
    scan_lists("%d", &number);
    ungetc('x', stdin);
    getwc(stdin);
    fgetwc(stdin);
    getwchar();
    fgetws(wide, 100, stdin);
    ungetwc(L'x', stdin);
    wscanf(L"%d", &number);
    fwscanf(stdin, L"%d", &number);
    wide_scan_lists(L"%d", &number);
    fseek(out, 0, SEEK_SET);
    fseeko(out, 0, SEEK_SET);
    ftell(out);
    ftello(out);
    fgetpos(out, &position);
    fsetpos(out, &position);
    rewind(out);
    clearerr(out);
    feof(out);
    ferror(out);
    fileno(out);
    fpurge(out);
    FILE *unused = tmpfile();
    setbuf(unused, NULL);
    setbuffer(unused, NULL, 0);
    setlinebuf(unused);
    fclose(unused);
}

static void at_exit(void) {}

static void at_exit_with(void *unused) {
    (void)unused;
}

int own_atexit_b(void *) __asm("_atexit_b");
extern int __cxa_atexit(void (*)(void *), void *, void *);

static void exits(void) {
    static void *block[] = {NULL, NULL, (void *)at_exit_with, NULL};
    atexit(at_exit);
    own_atexit_b(block);
    __cxa_atexit(at_exit_with, NULL, NULL);
}

static void wait_for(pid_t pid) {
    if (pid > 0) waitpid(pid, NULL, 0);
}

static void processes(void) {
    char *argv[] = {"true", NULL}, *env[] = {NULL};
    const char *program = "/bin/true";
    pid_t pid;
    pthread_atfork(at_exit, at_exit, at_exit);
    if ((pid = vfork()) == 0) _exit(0);
    wait_for(pid);
    plain_system("true");
    system_nocancel("true");
    pclose(plain_popen("true", "r"));
    pclose(popen_extsn("true", "r"));
    if (posix_spawn(&pid, program, NULL, NULL, argv, env) == 0) wait_for(pid);
    if (posix_spawnp(&pid, "true", NULL, NULL, argv, env) == 0) wait_for(pid);
    for (int i = 0; i < 7; i++) {
        if ((pid = fork()) == 0) {
            switch (i) {
            case 0: execve(program, argv, env); break;
            case 1: execv(program, argv); break;
            case 2: execvp("true", argv); break;
            case 3: execvP("true", "/usr/bin:/bin", argv); break;
            case 4: execl(program, "true", NULL); break;
            case 5: execlp("true", "true", NULL); break;
            case 6: execle(program, "true", NULL, env); break;
            }
            _exit(1);
        }
        wait_for(pid);
    }
}

int main(void) {
    times();
    environment_and_locales();
    logs_and_logins();
    users();
    hosts_and_names();
    exits();
    opened_streams();
    output();
    input();
    wide_output();
    processes();
    exit(0);
}
