// commands.c: forks while other threads run commands.
//
//   commands popen FORKS MAX_HANGS      threads and children call popen
//   commands system FORKS MAX_HANGS     threads call system; children look at their signals
//   commands waiting FORKS MAX_HANGS    the same while one thread's command goes on and on
//
// system() has SIGINT and SIGQUIT ignored until the command ends. A child that is forked meanwhile is no
// part of that and must not ignore them: if it does, it counts as crashed.
#include "storm.h"

static const int SIGNALS[] = {SIGINT, SIGQUIT};
static int to_command[2], from_command[2];

static void on_signal(int number) {}

static void call_popen(void) {
    FILE *output = popen("echo x", "r");
    if (output == NULL || getc(output) != 'x' || pclose(output) != 0) die("popen");
}

static void call_system(void) {
    if (system("exit 3") >> 8 != 3) die("system");
}

static bool have_handlers(void) {
    for (int i = 0; i < 2; i++) {
        struct sigaction now;
        if (sigaction(SIGNALS[i], NULL, &now) != 0 || now.sa_handler != on_signal) return false;
    }
    return true;
}

// The signals are as they were before anybody called system(), also after the child called it.
static void look_at_signals(void) {
    if (!have_handlers()) _exit(1);
    call_system();
    if (!have_handlers()) _exit(2);
}

static void *run_long_command(void *unused) {
    char command[64];
    snprintf(command, sizeof command, "echo >&%d; read line <&%d", from_command[1], to_command[0]);
    system(command);
    return NULL;
}

static struct tally beside_long_command(int forks, int max_hangs) {
    pthread_t thread;
    char byte;
    if (pipe(to_command) != 0 || pipe(from_command) != 0) die("pipe");
    start_thread(&thread, run_long_command, NULL);
    if (read(from_command[0], &byte, 1) != 1) die("the command does not start");
    struct tally tally = storm((struct storm){forks, max_hangs, 0, NULL, look_at_signals, NULL});
    if (write(to_command[1], "\n", 1) != 1) die("the command does not end");
    pthread_join(thread, NULL);
    return tally;
}

int main(int argc, char **argv) {
    if (argc != 4) die("usage: commands popen|system|waiting FORKS MAX_HANGS");
    int forks = atoi(argv[2]), max_hangs = atoi(argv[3]);
    for (int i = 0; i < 2; i++) signal(SIGNALS[i], on_signal);
    struct tally tally;
    if (strcmp(argv[1], "popen") == 0)
        tally = storm((struct storm){forks, max_hangs, 2, call_popen, call_popen, NULL});
    else if (strcmp(argv[1], "system") == 0)
        tally = storm((struct storm){forks, max_hangs, 2, call_system, look_at_signals, NULL});
    else
        tally = beside_long_command(forks, max_hangs);
    if (!have_handlers()) die("the signals of the parent are not what they were");
    return report(tally);
}
