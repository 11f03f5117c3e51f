//! CTest, with GoogleTest's suites.

use std::path::Path;

use crate::common::need;
use crate::{Suite, has, outcome, programs, repository};

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

/// What has `cmake` put forkfix before the tests.
fn with_our_module() -> String {
    let module = repository().join("runners/ctest/forkfix.cmake");
    format!("-DCMAKE_PROJECT_INCLUDE={}", module.display())
}

/// Builds the suite with the `cmake` of a directory and runs it with its `ctest`: the tests whose child hung fail.
fn hung_tests_fail(bin: &Path) {
    need("c++", "g++");
    need("/usr/include/gtest/gtest.h", "libgtest-dev");
    let suite = Suite::new();
    suite.file("CMakeLists.txt", PROJECT);
    suite.file("tests.cc", TESTS);
    let module = with_our_module();
    let watch = "-DFORKFIX_WATCH=--on-hang=kill;--error-exitcode=99;--hang-after=1";
    for arguments in [["-B", "build", &module, watch].as_slice(), &["--build", "build"]] {
        let (text, status) = outcome(suite.command(bin.join("cmake")).args(arguments));
        assert_eq!(status, Some(0), "{text}");
    }
    let mut command = suite.command(bin.join("ctest"));
    command.args(["--test-dir", "build", "--output-on-failure", "-j2"]);
    let (text, status) = outcome(command.env("FORKFIX_OPTIONS", "orphans=report"));
    assert_eq!(status, Some(8), "{text}");
    has(&text, &["Fork.Hangs (Failed)", "FastDeathTest.Hangs (Failed)", "33% tests passed"]);
    assert_eq!(text.matches("==forkfix== FORK HANG").count(), 2, "{text}");
    assert_eq!(text.matches("SUMMARY: forkfix: fork hang").count(), 2, "{text}");
}

#[test]
fn the_test_whose_child_hung_fails() {
    need("/usr/bin/ctest", "cmake");
    hung_tests_fail(Path::new("/usr/bin"));
}

/// From 3.29 on, `CMake` has a launcher of tests.
#[test]
fn the_same_with_a_launcher() {
    hung_tests_fail(programs());
}

#[test]
fn without_the_command_nothing_is_built() {
    need("/usr/bin/cmake", "cmake");
    let suite = Suite::new();
    suite.file("CMakeLists.txt", PROJECT);
    let mut command = suite.command("cmake");
    command.args(["-B", "build"]).arg(with_our_module());
    let (text, status) = outcome(command.env("PATH", "/usr/bin:/bin"));
    assert_eq!(status, Some(1), "{text}");
    has(&text, &["There is no command forkfix in PATH"]);
}
