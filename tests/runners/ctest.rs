//! CTest, with GoogleTest's suites.

use crate::common::need;
use crate::{Suite, has, outcome, repository};

const PROJECT: &str = "
cmake_minimum_required(VERSION 3.22)
project(suite CXX)
enable_testing()
find_package(GTest REQUIRED)
add_executable(tests tests.cc)
target_link_libraries(tests GTest::gtest_main)
include(GoogleTest)
gtest_discover_tests(tests)
";

/// A child that waits for a lock which a thread of the parent held, in a test and in a death test.
const TESTS: &str = r#"
#include <gtest/gtest.h>
#include <mutex>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>
static std::mutex lock;
static void hold() {
    std::mutex held;
    held.lock();
    std::thread([&held] { lock.lock(); held.unlock(); for (;;) pause(); }).detach();
    held.lock();
}
static int child(void (*work)()) {
    pid_t pid = fork();
    if (pid == 0) { work(); _exit(0); }
    int status = -1;
    waitpid(pid, &status, 0);
    return status;
}
TEST(Fork, Hangs) { hold(); EXPECT_EQ(child([] { lock.lock(); }), 0); }
TEST(Fork, Works) { EXPECT_EQ(child([] {}), 0); }
TEST(FastDeathTest, Hangs) { hold(); EXPECT_EXIT({ lock.lock(); _exit(7); }, testing::ExitedWithCode(7), ""); }
"#;

/// Builds the suite with these definitions more, and runs it.
fn ctest(suite: &Suite, definitions: &[String]) -> (String, Option<i32>) {
    need("ctest", "cmake");
    need("c++", "g++");
    need("/usr/include/gtest/gtest.h", "libgtest-dev");
    suite.file("CMakeLists.txt", PROJECT);
    suite.file("tests.cc", TESTS);
    for (arguments, definitions) in [(["-B", "build"], definitions), (["--build", "build"], &[])] {
        let (text, status) = outcome(suite.command("cmake").args(arguments).args(definitions));
        assert_eq!(status, Some(0), "{text}");
    }
    let mut command = suite.command("ctest");
    command.args(["--test-dir", "build", "--output-on-failure", "-j2"]);
    outcome(command.env("FORKFIX_OPTIONS", "orphans=report"))
}

#[test]
fn the_test_whose_child_hung_fails() {
    let suite = Suite::new();
    let module = repository().join("runners/ctest/forkfix.cmake");
    let watch = "-DFORKFIX_WATCH=--on-hang=kill;--error-exitcode=99;--hang-after=1";
    let definitions = [format!("-DCMAKE_PROJECT_INCLUDE={}", module.display()), watch.to_owned()];
    let (text, status) = ctest(&suite, &definitions);
    assert_eq!(status, Some(8), "{text}");
    has(&text, &["Fork.Hangs (Failed)", "FastDeathTest.Hangs (Failed)", "33% tests passed"]);
    assert_eq!(text.matches("==forkfix== FORK HANG").count(), 2, "{text}");
    assert_eq!(text.matches("SUMMARY: forkfix: fork hang").count(), 2, "{text}");
}

#[test]
fn without_the_command_nothing_is_built() {
    let suite = Suite::new();
    suite.file("CMakeLists.txt", PROJECT);
    let module = repository().join("runners/ctest/forkfix.cmake");
    let mut command = suite.command("cmake");
    command.args(["-B", "build"]).arg(format!("-DCMAKE_PROJECT_INCLUDE={}", module.display()));
    let (text, status) = outcome(command.env("PATH", "/usr/bin:/bin"));
    assert_eq!(status, Some(1), "{text}");
    has(&text, &["There is no command forkfix in PATH"]);
}
