#!/bin/sh
# A GoogleTest suite of fast-style death tests: it hangs on its own and passes under forkfix.
# Usage: tests/demo.sh DIRECTORY-OF-THE-BUILD
set -eu

out=$1
here=$(dirname "$0")
limit=20

need() {
    missing=
    for package in "$@"; do
        dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null | grep -qx installed ||
            missing="$missing $package"
    done
    [ -z "$missing" ] && return
    install="apt-get install -y --no-install-recommends$missing"
    if [ "$(id -u)" != 0 ]; then
        echo "demo: this needs$missing; install them with: sudo $install" >&2
        exit 1
    fi
    echo "demo: installing$missing"
    apt-get update -qq
    DEBIAN_FRONTEND=noninteractive $install >/dev/null
}

need g++ libgtest-dev

suite=$out/demo-deathtests
c++ -O1 -g -pthread -o "$suite" "$here/programs/deathtests.cc" -lgtest -lgtest_main

log=$out/demo.log

printf '\n$ timeout %s %s\n' "$limit" "$suite"
status=0
timeout --kill-after=1 "$limit" "$suite" >"$log" 2>&1 || status=$?
if [ "$status" != 124 ] && [ "$status" != 137 ]; then
    echo "demo: the bare suite ended with status $status instead of hanging; run it again" >&2
    exit 1
fi
tail -n 1 "$log"
printf '… no end after %s s: a child waits for a lock whose owner does not exist in it.\n' "$limit"

printf '\n$ forkfix run --stats -- %s --gtest_brief=1\n' "$suite"
status=0
"$out/forkfix" run --stats -- "$suite" --gtest_brief=1 >"$log" 2>&1 || status=$?
tail -n 3 "$log"
[ "$status" = 0 ] || exit "$status"

printf '\n$ forkfix prove --forks 200\n'
"$out/forkfix" prove --forks 200
