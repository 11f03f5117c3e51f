// name: glog
// kind: C++, a log
// need: /usr/include/glog/logging.h libgoogle-glog-dev
// need: pkg-config pkg-config
// flags: `echo -DVERSION='"'$(pkg-config --modversion libglog)'"' -lglog`
// forks: 400
// bare: hangs
#include "gallery.h"

#include <glog/logging.h>

static struct : google::LogSink {
    std::string text;
    void send(google::LogSeverity, const char *, const char *, int, const google::LogMessageTime &,
              const char *message, size_t length) override { text.assign(message, length); }
} kept;

static bool logs() {
    LOG_TO_SINK(&kept, INFO) << getpid() << " is a child";
    return kept.text == std::to_string(getpid()) + " is a child";
}

static void log() { LOG(INFO) << pthread_self() << " is a thread"; }

int main(int, char **argv) {
    google::InitGoogleLogging(argv[0]);
    google::SetLogDestination(google::INFO, "/dev/null");
    return play(argv, VERSION, logs, log, HAMMERS);
}
