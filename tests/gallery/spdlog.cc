// name: spdlog
// kind: C++, a log
// need: /usr/include/spdlog/spdlog.h libspdlog-dev
// flags: `pkg-config --cflags --libs spdlog`
// need: pkg-config pkg-config
// forks: 400
// bare: hangs
#include "gallery.h"

#include <spdlog/sinks/ringbuffer_sink.h>
#include <spdlog/spdlog.h>

static auto last_lines = std::make_shared<spdlog::sinks::ringbuffer_sink_mt>(16);

static bool logs() {
    spdlog::info("{} is a child", getpid());
    return last_lines->last_formatted(1).at(0) == fmt::format("{} is a child\n", getpid());
}

static void log() { spdlog::info("{} is a thread", pthread_self()); }

int main(int, char **argv) {
    auto logger = std::make_shared<spdlog::logger>("gallery", last_lines);
    logger->set_pattern("%v");
    spdlog::set_default_logger(logger);
    auto version = fmt::format("{}.{}.{}", SPDLOG_VER_MAJOR, SPDLOG_VER_MINOR, SPDLOG_VER_PATCH);
    return play(argv, version.c_str(), logs, log, HAMMERS);
}
