# Thin calls; what they do stands in the files they name.

CARGO ?= cargo
PREFIX ?= /usr/local
DESTDIR ?=
OUT := $(or $(CARGO_TARGET_DIR),target)/release
LIBRARY := libforkfix.$(if $(filter Darwin,$(shell uname)),dylib,so)

# What `make musl` made, if it was called.
MUSL := $(addprefix $(or $(CARGO_TARGET_DIR),target)/musl/,libforkfix-musl.so forkfix-musl)

# Link-time optimisation is for the library, each of whose instructions counts; it makes the command no faster, and its
# build takes twice as long.
COMMAND_PROFILE := CARGO_PROFILE_RELEASE_LTO=off CARGO_PROFILE_RELEASE_CODEGEN_UNITS=16

.DEFAULT_GOAL := help
.PHONY: help build demo test census darwin test-darwin arm64 baseline matrix musl gallery soak lint bench install uninstall

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / { printf "make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

build: ## the command and the library, in target/release
	$(CARGO) build --release --package forkfix-interpose
	$(COMMAND_PROFILE) $(CARGO) build --release --package forkfix

demo: build ## a real test suite that hangs without forkfix and passes with it
	tests/demo.sh $(OUT)

# Of the four Debian releases, the oldest and the newest; `make matrix` has those between.
test: build ## every test; installs the programs it needs (apt, pip) when run by root
	$(CARGO) test --workspace --no-fail-fast -- --skip bookworm:: --skip trixie::

census: ## glibc's locks against the hook table; FORKFIX_CENSUS_LIBC=…/libc.so.6 FORKFIX_CENSUS_DEBUG=…/usr/lib/debug for another glibc
	$(CARGO) test --test census -- --show-output

darwin: ## library and command for macOS, both architectures, in target/darwin; builds on Linux too
	interpose/darwin/build

test-darwin: darwin ## runs the library for macOS on Linux, in a loader of the tests' own
	$(CARGO) test --test darwin

arm64: ## library and command for Linux on arm64, in target/arm64, and their tests in an emulator
	interpose/arm64/build
	$(CARGO) test --test arm64 -- --show-output

baseline: ## library and command for every glibc from 2.28 on, in target/baseline
	interpose/baseline/build

matrix: ## that library with the libcs of four Debian releases, at full length; writes docs/libcs.md
	FORKFIX_FRESH=1 FORKFIX_MATRIX=full FORKFIX_BLESS=1 $(CARGO) test --test matrix -- --test-threads 1 --show-output

musl: ## library and command for programs of musl, in target/musl, and their tests
	interpose/musl/build
	$(CARGO) test --test musl -- --show-output

gallery: ## programs of others, bare and protected, at full length; writes the table in README.md
	FORKFIX_GALLERY=full FORKFIX_BLESS=1 $(CARGO) test --test gallery -- --nocapture --test-threads 1

soak: ## everything at once, for ten minutes, and again several times beside itself; FORKFIX_SOAK_SEED=N repeats the random choices
	FORKFIX_SOAK_SECONDS=600 $(CARGO) test --release --test soak -- --show-output --test-threads 1

lint: ## formatting, clippy and documentation, warnings as errors
	$(CARGO) fmt --all --check
	$(CARGO) clippy --workspace --all-targets -- -D warnings
	RUSTDOCFLAGS="-D warnings" $(CARGO) doc --workspace --no-deps --document-private-items

bench: build ## what it costs, side by side with the bare program and with other ways to do it
	$(CARGO) bench --bench sidebyside

install: build ## PREFIX=/usr/local, DESTDIR=
	install -d $(addprefix $(DESTDIR)$(PREFIX)/,bin lib/forkfix $(addprefix share/,man/man1 bash-completion/completions zsh/site-functions fish/vendor_completions.d))
	install -m755 $(OUT)/forkfix $(DESTDIR)$(PREFIX)/bin/forkfix
	install -m755 $(OUT)/$(LIBRARY) $(DESTDIR)$(PREFIX)/lib/forkfix/$(LIBRARY)
	$(if $(wildcard $(MUSL)),install -m755 $(MUSL) $(DESTDIR)$(PREFIX)/lib/forkfix)
	install -m755 runners/nextest/forkfix-nextest $(DESTDIR)$(PREFIX)/bin
	install -m644 runners/ctest/forkfix.cmake $(DESTDIR)$(PREFIX)/lib/forkfix
	$(OUT)/forkfix generate man > $(DESTDIR)$(PREFIX)/share/man/man1/forkfix.1
	$(OUT)/forkfix generate bash > $(DESTDIR)$(PREFIX)/share/bash-completion/completions/forkfix
	$(OUT)/forkfix generate zsh > $(DESTDIR)$(PREFIX)/share/zsh/site-functions/_forkfix
	$(OUT)/forkfix generate fish > $(DESTDIR)$(PREFIX)/share/fish/vendor_completions.d/forkfix.fish

uninstall: ## the same PREFIX and DESTDIR
	$(RM) $(addprefix $(DESTDIR)$(PREFIX)/,bin/forkfix bin/forkfix-nextest lib/forkfix/forkfix.cmake lib/forkfix/$(LIBRARY) lib/forkfix/libforkfix-musl.so lib/forkfix/forkfix-musl share/man/man1/forkfix.1 share/bash-completion/completions/forkfix share/zsh/site-functions/_forkfix share/fish/vendor_completions.d/forkfix.fish)
