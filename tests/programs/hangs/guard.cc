// The guard of a static variable inside of a function.

#include "keeper.h"

struct Slow {
    Slow() { kept(); }
    int value = 0;
};

static Slow &slow() {
    static Slow instance;
    return instance;
}

void keep() { slow(); }

void need() { slow(); }

int main() { return run_keeper(); }
