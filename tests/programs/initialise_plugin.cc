// initialise_plugin.cc: variables that are initialised when they are first used, in both ways that C++
// has: as static variables of functions, and by std::call_once.
#include <array>
#include <mutex>
#include <stdexcept>
#include <utility>

namespace {

constexpr int VARIABLES = 1000;

// Gives the value of variable `number`, or a negative number if that failed.
using Initialiser = int(int number);

int initialised(int number, Initialiser *initialise) {
    int value = initialise(number);
    if (value < 0) throw std::runtime_error("not now");
    return value;
}

template <int number> int local(Initialiser *initialise) {
    static const int value = initialised(number, initialise);
    return value;
}

using Use = int(Initialiser *);

template <int... numbers>
constexpr std::array<Use *, VARIABLES> locals(std::integer_sequence<int, numbers...>) {
    return {local<numbers>...};
}

constexpr auto LOCALS = locals(std::make_integer_sequence<int, VARIABLES>());

std::once_flag flags[VARIABLES];
int values[VARIABLES];

}  // namespace

// The value of variable `number`, or -1 if its initialiser threw an exception.
extern "C" int use_static(int number, Initialiser *initialise) {
    try {
        return LOCALS.at(number)(initialise);
    } catch (const std::runtime_error &) {
        return -1;
    }
}

extern "C" int use_call_once(int number, Initialiser *initialise) {
    std::call_once(flags[number], [=] { values[number] = initialised(number, initialise); });
    return values[number];
}
