// name: C++ exceptions
// kind: C++, no lock that fork leaves alone
// need: c++ g++
// forks: 400
// bare: works
#include "gallery.h"

#include <stdexcept>

static bool catches() {
    try {
        throw std::runtime_error(std::string(100, 'x'));
    } catch (const std::exception &thrown) {
        return strlen(thrown.what()) == 100;
    }
}

static void throw_and_catch() { catches(); }

int main(int, char **argv) { return play(argv, __VERSION__, catches, throw_and_catch, HAMMERS); }
