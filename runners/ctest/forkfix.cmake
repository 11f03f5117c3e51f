# Runs each test that is a target under `forkfix run --watch`:
#
#   include(path/to/forkfix.cmake)   # before add_executable
#
# or, without touching the project: cmake -DCMAKE_PROJECT_INCLUDE=path/to/forkfix.cmake …
#
# A child that hangs is killed, so that the test goes on, and the test fails. Variables:
#
#   FORKFIX_COMMAND  the forkfix command (default: that in PATH)
#   FORKFIX_WATCH    its options, a list (default: --on-hang=kill;--error-exitcode=99)

find_program(FORKFIX_COMMAND forkfix DOC "the forkfix command")
if(NOT FORKFIX_COMMAND)
  message(FATAL_ERROR "There is no command forkfix in PATH; install it, or set FORKFIX_COMMAND to its path.")
endif()
if(NOT DEFINED FORKFIX_WATCH)
  set(FORKFIX_WATCH --on-hang=kill --error-exitcode=99)
endif()

if(CMAKE_VERSION VERSION_LESS 3.29)
  # The property that targets get from it also goes before tests of this machine (policy CMP0158 ended that).
  set(CMAKE_CROSSCOMPILING_EMULATOR "${FORKFIX_COMMAND};run;--watch;${FORKFIX_WATCH};--")
else()
  set(CMAKE_TEST_LAUNCHER "${FORKFIX_COMMAND};run;--watch;${FORKFIX_WATCH};--")
endif()
