// A test suite as one finds it: fast-style death tests in a process with threads. GoogleTest forks
// for each of them, and the child takes a lock and calls libc while the threads of the parent were at it.
#include <gtest/gtest.h>

#include <netdb.h>
#include <time.h>
#include <unistd.h>

#include <atomic>
#include <cstdlib>
#include <mutex>
#include <thread>

namespace {

std::mutex log_lock;

void StampTheLog() {
    std::lock_guard<std::mutex> held(log_lock);
    time_t now = time(nullptr);
    tm parts;
    localtime_r(&now, &parts);
}

void ConfigureAChild() {
    setenv("SERVICE_MODE", "test", 1);
}

void ResolveTheServer() {
    addrinfo hints{}, *found = nullptr;
    hints.ai_flags = AI_ADDRCONFIG;
    if (getaddrinfo("localhost", "80", &hints, &found) == 0) freeaddrinfo(found);
}

// What the service under test does all the time.
class Service : public testing::TestWithParam<int> {
  protected:
    void SetUp() override {
        testing::GTEST_FLAG(death_test_style) = "fast";
        for (auto work : {StampTheLog, ConfigureAChild, ResolveTheServer})
            threads_.emplace_back([this, work] { while (!stop_) { StampTheLog(); work(); } });
    }
    void TearDown() override {
        stop_ = true;
        for (auto &thread : threads_) thread.join();
    }

  private:
    std::atomic<bool> stop_{false};
    std::vector<std::thread> threads_;
};

[[noreturn]] void RefuseBadConfiguration() {
    StampTheLog();
    ConfigureAChild();
    ResolveTheServer();
    _exit(3);
}

TEST_P(Service, EndsOnBadConfiguration) {
    EXPECT_EXIT(RefuseBadConfiguration(), testing::ExitedWithCode(3), "");
}

INSTANTIATE_TEST_SUITE_P(Rounds, Service, testing::Range(0, 100));

}  // namespace
