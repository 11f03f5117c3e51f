# name: cargo nextest
# kind: a runner of tests, here of Rust's, each in a process of its own
# cargo: cargo-nextest 0.9.151
# forks: 100
# bare: hangs
# when: full
set -eu
directory=$(mktemp -d)
trap 'rm -rf "$directory"' EXIT && cd "$directory"
cargo nextest --version | sed -n 's/release: /version: /p'
printf '[profile.default]\nslow-timeout = { period = "10s", terminate-after = 1 }\n' >nextest.toml
printf '[package]\nname = "suite"\nedition = "2024"\n[lib]\npath = "lib.rs"\n[workspace]\n' >Cargo.toml
cat >lib.rs <<'END'
unsafe extern "C" { safe fn tzset(); safe fn fork() -> i32; safe fn _exit(code: i32) -> !; fn waitpid(child: i32, status: *mut i32, flags: i32) -> i32; }
#[test]
fn ends() {
    for _ in 0..3 { std::thread::spawn(|| loop { tzset() }); }
    for _ in 0..5 {
        let (child, mut status) = (fork(), 0);
        if child == 0 { tzset(); _exit(7) }
        assert!(unsafe { waitpid(child, &mut status, 0) } == child && status == 7 << 8, "{status}");
    }
}
END
hangs=0 crashes=0 done=0
while [ $done -lt "$1" ] && [ $hangs -lt "$2" ]; do
    done=$((done + 5))
    cargo nextest run --config-file nextest.toml >out 2>&1 || if grep -q TIMEOUT out; then hangs=$((hangs + 1)); else crashes=$((crashes + 1)); fi
done
echo "forks=$done hangs=$hangs crashes=$crashes wrong=0"
