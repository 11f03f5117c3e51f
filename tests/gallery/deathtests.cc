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

static int forks, hangs, crashes, wrong;

static void work() { time_t epoch = 0; tm parts; localtime_r(&epoch, &parts); }

static bool counts(int status) {
    bool hung = status == SIGALRM, ended = WIFEXITED(status);
    forks++, hangs += hung, crashes += !ended && !hung, wrong += ended && WEXITSTATUS(status) != 7;
    return true;
}

int main(int, char **argv) {
    testing::InitGoogleTest();
    std::thread([] { for (;;) work(); }).detach();
    // GoogleTest waits for a child without a limit, so the child has one.
    while (forks < atoi(argv[1]) && hangs < atoi(argv[2]))
        EXPECT_EXIT({ alarm(5); work(); _exit(7); }, counts, "");
    printf("version: %s\nforks=%d hangs=%d crashes=%d wrong=%d\n", VERSION, forks, hangs, crashes, wrong);
    fflush(stdout);
    _exit(0);
}
