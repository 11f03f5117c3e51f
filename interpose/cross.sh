# Sourced by the `build` of each directory beside it: what building for another system takes.
#
# $root is this repository, $target cargo's target directory; both are absolute. Cargo works in
# $target/cross, whatever it builds for, since the build scripts and macros of this machine are the same.

set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
target=${CARGO_TARGET_DIR:-$root/target}
mkdir -p "$target"
target=$(cd "$target" && pwd)
# A test that `cargo test` runs has it set to libraries of another compiler.
unset LD_LIBRARY_PATH

die() {
    echo "$(basename "$(dirname "$0")")/$(basename "$0"): $*" >&2
    exit 1
}

# packages NAME…: installs Debian's packages, or says how.
packages() {
    local install="apt-get install -y --no-install-recommends $*"
    [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null || die "something is missing; as root: $install"
    echo "installing $*" >&2
    { apt-get update -q && DEBIAN_FRONTEND=noninteractive $install -o DPkg::Lock::Timeout=300; } >&2
}

# serialise FILE: waits until no other run has FILE; then it is this one's until it ends.
serialise() {
    mkdir -p "$(dirname "$1")"
    # A Mac has no flock(1). Two builds there at once are made twice and not torn, see `put`.
    ! command -v flock >/dev/null || { exec 9>"$1"; flock 9; }
}

# install_zig: from PyPI, into the target directory, where `zig` beside this file finds it. It is a C
# compiler and linker that brings the headers and the symbols of other systems.
install_zig() {
    local version=0.17.1 tools=$target/tools
    if [ -z "${FORKFIX_ZIG:-}" ]; then
        (
            # A Mac has no flock(1), and needs no zig.
            flock 8
            if [ ! -x "$tools/ziglang/zig" ]; then
                python3 -m pip --version >/dev/null 2>&1 || packages python3 python3-pip
                rm -rf "$tools" "$tools.new"
                python3 -m pip install -q --root-user-action=ignore --disable-pip-version-check --no-deps \
                    --target "$tools.new" "ziglang==$version"
                mv "$tools.new" "$tools"
            fi
        ) 8>"$target/tools.lock"
        FORKFIX_ZIG=$tools/ziglang/zig
    fi
    export FORKFIX_ZIG
}

# put FILE AS: FILE becomes AS in one step; if nothing changed, AS keeps its time.
put() {
    mkdir -p "$(dirname "$2")"
    cmp -s "$1" "$2" || { cp "$1" "$2.$$" && mv "$2.$$" "$2"; }
}

# has_target RUSTC TRIPLE: the compiler comes with a standard library for it.
has_target() {
    [ -d "$("$1" --print target-libdir --target "$2" 2>/dev/null)" ]
}

# has_sources RUSTC: it comes with the sources of its standard library.
has_sources() {
    [ -x "$1" ] && [ -d "$("$1" --print sysroot)/lib/rustlib/src/rust/library" ]
}

# cross_build TRIPLE…: builds library and command as they are released. $flags are rustc's. The standard
# library is built too if the compiler comes without one, or if $standard says of what.
cross_build() {
    local rustc=rustc cargo=cargo options=() triple
    for triple; do
        options+=(--target "$triple")
        [ -z "${standard:-}" ] && has_target "$rustc" "$triple" || rustc=/usr/bin/rustc cargo=/usr/bin/cargo
    done
    if [ $rustc != rustc ]; then
        has_sources $rustc && [ -x $cargo ] || packages rustc-web cargo-web rust-web-src
        # Stable Rust builds its own standard library only if told to be unstable.
        export RUSTC=$rustc RUSTC_BOOTSTRAP=1
        options+=(${standard:--Zbuild-std=std,panic_unwind})
    fi
    # No path of this machine is to stay in the result.
    export RUSTFLAGS="${flags:-} --remap-path-prefix=$root=. \
        --remap-path-prefix=${CARGO_HOME:-$HOME/.cargo}=cargo \
        --remap-path-prefix=$("$rustc" --print sysroot)/lib/rustlib/src=rust"
    # On a Mac, debug information is a list of such paths.
    export CARGO_PROFILE_RELEASE_DEBUG=false CARGO_PROFILE_RELEASE_STRIP=none
    options=(build --release --locked --target-dir "$target/cross" "${options[@]}")
    (cd "$root" && $cargo "${options[@]}" --package forkfix-interpose)
    # As in the Makefile.
    (cd "$root" && CARGO_PROFILE_RELEASE_LTO=off CARGO_PROFILE_RELEASE_CODEGEN_UNITS=16 \
        $cargo "${options[@]}" --package forkfix)
}
