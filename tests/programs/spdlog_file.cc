// spdlog_file.cc: forks while three threads log to a file with spdlog.
//
//   spdlog_file FILE FORKS MAX_HANGS
//
// Each record is a line, "t NUMBER" of a thread or "c NUMBER" of a child. Prints threads=N, how many of the
// former there are, and the tally. The file's stream writes each line out: spdlog gives its lock back between a
// record and its flush, and a child would inherit a record that is in the buffer then.
#include "storm.h"

#include <spdlog/sinks/basic_file_sink.h>
#include <spdlog/spdlog.h>

static atomic_int written, child;

static void log_in_a_thread() {
    spdlog::info("t {}", atomic_fetch_add(&written, 1));
}

static void log_in_a_child() {
    spdlog::info("c {}", atomic_load(&child));
}

static pid_t numbered_fork() {
    atomic_fetch_add(&child, 1);
    return fork();
}

int main(int argc, char **argv) {
    if (argc != 4) die("usage: spdlog_file FILE FORKS MAX_HANGS");
    spdlog::file_event_handlers handlers;
    handlers.after_open = [](const spdlog::filename_t &, FILE *file) {
        if (setvbuf(file, NULL, _IOLBF, BUFSIZ) != 0) die("setvbuf");
    };
    auto logger = spdlog::basic_logger_mt("file", argv[1], false, handlers);
    logger->set_pattern("%v");
    spdlog::set_default_logger(logger);
    struct storm what = {};
    what.forks = atoi(argv[2]);
    what.max_hangs = atoi(argv[3]);
    what.hammers = 3;
    what.hammer = log_in_a_thread;
    what.child = log_in_a_child;
    what.fork = numbered_fork;
    struct tally tally = storm(what);
    printf("threads=%d\n", atomic_load(&written));
    return report(tally);
}
