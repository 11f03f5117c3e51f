# name: CTest
# kind: a runner of tests, here of GoogleTest's
# need: ctest cmake
# need: c++ g++
# need: /usr/include/gtest/gtest.h libgtest-dev
# forks: 100
# bare: hangs
# when: full
set -eu
directory=$(mktemp -d)
trap 'rm -rf "$directory"' EXIT
cd "$directory"
ctest --version | sed -n 's/ctest version/version:/p'
c++ -O1 -pthread -x c++ -o suite - -lgtest_main -lgtest <<'END'
#include <gtest/gtest.h>
#include <thread>
static void work() { time_t epoch = 0; tm parts; localtime_r(&epoch, &parts); }
TEST(Service, Ends) {
    for (int i = 0; i < 3; i++) std::thread([] { for (;;) work(); }).detach();
    for (int i = 0; i < 5; i++) EXPECT_EXIT({ alarm(20); work(); _exit(7); }, testing::ExitedWithCode(7), "");
}
END
echo "add_test(service suite)" >CTestTestfile.cmake
hangs=0 crashes=0 done=0
while [ $done -lt "$1" ] && [ $hangs -lt "$2" ]; do
    done=$((done + 5))
    ctest --timeout 10 >out || if grep -q Timeout out; then hangs=$((hangs + 1)); else crashes=$((crashes + 1)); fi
done
echo "forks=$done hangs=$hangs crashes=$crashes wrong=0"
