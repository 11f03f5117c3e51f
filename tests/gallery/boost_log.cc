// name: Boost.Log
// kind: C++, a log
// need: /usr/include/boost/log/trivial.hpp libboost-log-dev
// flags: -DBOOST_LOG_DYN_LINK -lboost_log -lboost_thread -lboost_system
// forks: 400
// bare: hangs
#include "gallery.h"

#include <boost/log/trivial.hpp>
#include <boost/log/utility/setup/console.hpp>
#include <boost/version.hpp>
#include <sstream>

static std::ostringstream lines;

static bool logs() {
    lines.str("");
    BOOST_LOG_TRIVIAL(info) << getpid() << " is a child";
    return lines.str() == std::to_string(getpid()) + " is a child\n";
}

static void log() { BOOST_LOG_TRIVIAL(info) << pthread_self() << " is a thread"; }

int main(int, char **argv) {
    boost::log::add_console_log(lines);
    std::string version = BOOST_LIB_VERSION;
    std::replace(version.begin(), version.end(), '_', '.');
    return play(argv, version.c_str(), logs, log, HAMMERS);
}
