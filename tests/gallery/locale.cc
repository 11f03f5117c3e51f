// name: libstdc++
// kind: C++, locales and streams
// need: c++ g++
// forks: 600
// bare: hangs
#include "gallery.h"

#include <iomanip>
#include <locale>
#include <sstream>

static bool prints() {
    std::ostringstream out;
    out.imbue(std::locale("C.UTF-8"));
    tm new_year = {};
    new_year.tm_mday = 1, new_year.tm_year = 126;
    out << std::put_time(&new_year, "%x ") << std::fixed << std::setprecision(2) << 0.5;
    return out.str() == "01/01/26 0.50";
}

static void print() { prints(); }

int main(int, char **argv) { return play(argv, __VERSION__, prints, print, HAMMERS); }
