// name: GoogleTest
// kind: C++, death tests of the fast style
// need: /usr/include/gtest/gtest.h libgtest-dev
// need: pkg-config pkg-config
// flags: `echo -DVERSION='"'$(pkg-config --modversion gtest)'"' -lgtest`
// forks: 400
// bare: hangs
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <thread>

static int limit, most, forks, hangs, crashes, wrong;
static void work() { time_t epoch = 0; tm parts; localtime_r(&epoch, &parts); }

static bool counts(int status) {
    bool hung = status == SIGALRM, ended = WIFEXITED(status);
    forks++, hangs += hung, crashes += !ended && !hung, wrong += ended && WEXITSTATUS(status) != 7;
    return true;
}
// GoogleTest waits for a child without a limit, so the child has one.
TEST(Service, Ends) { while (forks < limit && hangs < most) EXPECT_EXIT({ alarm(5); work(); _exit(7); }, counts, ""); }

int main(int, char **argv) {
    limit = atoi(argv[1]), most = atoi(argv[2]);
    std::thread([] { for (;;) work(); }).detach();
    testing::InitGoogleTest();
    int status = RUN_ALL_TESTS();
    printf("version: %s\nforks=%d hangs=%d crashes=%d wrong=%d\n", VERSION, forks, hangs, crashes, wrong);
    _exit(fflush(stdout) + status);
}
