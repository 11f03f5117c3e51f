// A std::mutex inside of a global of C++.

#include "keeper.h"
#include <mutex>
#include <string>

class Registry {
public:
    void hold() {
        std::lock_guard<std::mutex> held(mutex);
        kept();
    }
    void look() {
        std::lock_guard<std::mutex> held(mutex);
        ++looks;
    }

private:
    std::string name = "registry";
    long looks = 0;
    std::mutex mutex;
};

Registry registry;

void keep() { registry.hold(); }

void need() { registry.look(); }

int main() { return run_keeper(); }
