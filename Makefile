# vrrpd. `make help` lists the targets. Needs GNU make and a POSIX shell.
# `make demo`, `make test` and `make bench` check for the packages they need: as root on Debian they install
# what is missing, otherwise they print what to install. Running them needs no root.

CARGO   ?= cargo
PREFIX  ?= /usr/local
DESTDIR ?=
TARGET  ?= x86_64-unknown-linux-musl
DIST    := $(CURDIR)/target/dist
LAB     := --manifest-path tests/lab/Cargo.toml --locked

FLAVOR  ?= small
ARMV7   := armv7-unknown-linux-musleabihf
MIPS    := mips-unknown-linux-musl

.DEFAULT_GOAL := help
.PHONY: help build static small source dist cross cross-all cross-tools ci-lane-a ci-lane-b sizes size reproducible check \
        test test-features test-guest hostile test-arm test-emulated test-bigendian test-openwrt bench soak demo deps man install \
        clean fmt lint flavors flavors-1 flavors-2 test-flavors

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-14s %s\n", $$1, $$2 }' Makefile

build: ## build for this machine: target/release/vrrpd
	@tests/deps/ensure build
	$(CARGO) build --release --locked

static: ## build the full flavor, static, in target/dist (TARGET=... of cross/targets for another machine)
	@tests/deps/ensure build cross
	cross/build.sh $(TARGET) full $(DIST)

# Packs the binaries for other machines that are in target/dist as well.
dist: man static ## pack each binary in target/dist as tarball and Debian package: target/dist/packages
	configs/dist $(DIST) target/man $(DIST)/packages

source: ## pack the last commit as the source of a release, and print its hash for OpenWrt: target/dist
	@configs/source $(DIST)

small: ## build the small flavor, static, in target/dist
	@tests/deps/ensure build cross
	cross/build.sh $(TARGET) small $(DIST)

cross: static small ## build both flavors for TARGET=...

cross-all: ## build both flavors for all targets and list their sizes (half an hour)
	@for target in $$(sed 's/#.*//; s/ .*//' cross/targets); do \
	    $(MAKE) --no-print-directory cross TARGET=$$target || exit; \
	done
	@$(MAKE) --no-print-directory sizes

sizes: ## list the sizes of the binaries in target/dist
	@cross/sizes.sh $(DIST)

# Binaries that CI tests, by lane (cross/lanes.sh). Each lane has a target directory of its own, and link-time
# optimization keeps one processor busy: with -j2 both lanes build at the same time.
cross-tools:
	@tests/deps/ensure build cross
	@for tool in zig rust; do cross/tools.sh $$tool $${CROSS_TOOLS:-target/cross-tools} || exit; done

ci-lane-a: cross-tools
	@cross/build.sh x86_64-unknown-linux-musl full $(DIST)
	@cross/build.sh x86_64-unknown-linux-musl small $(DIST)
	@cross/build.sh $(ARMV7) full $(DIST)
	@cross/openwrt test --no-run
	@cross/openwrt size abort

ci-lane-b: cross-tools
	@LANE=B cross/build.sh $(ARMV7) small $(DIST)
	@LANE=B cross/build.sh $(MIPS) small $(DIST)
	@tests/emulated/units $(MIPS) --no-run

size: ## compare binary sizes with their budgets
	@$(MAKE) --no-print-directory cross
	@LANE=B $(MAKE) --no-print-directory small TARGET=$(ARMV7)
	@cross/sizes.sh $(DIST) x86_64-unknown-linux-musl-small x86_64-unknown-linux-musl-full $(ARMV7)-small

reproducible: ## build TARGET in FLAVOR (small) twice in different directories and compare the bytes
	@tests/deps/ensure build cross
	@cross/reproduce.sh $(TARGET) $(FLAVOR)

# Lints and tests of the default features only, without the lab: the cycle while editing.
check: ## format, clippy, library and engine tests (under a minute)
	$(CARGO) fmt --check
	$(CARGO) fmt --manifest-path tests/lab/Cargo.toml --check
	$(CARGO) clippy -q --locked --all-targets -- -D warnings
	$(CARGO) test -q --locked --lib --test engine

test: deps ## library tests in three feature sets; lab tests in namespaces and emulated machines (about 10 minutes)
	$(CARGO) test --locked
	$(CARGO) build --locked
	@mkdir -p target/lab && cp target/debug/vrrpd target/lab/vrrpd
	$(CARGO) test $(LAB) --no-run
	@echo "feature sets and emulated machines, side by side; the output of each follows when it ends"
	@$(MAKE) --no-print-directory --output-sync=target -j2 test-guest test-features
	VRRPD_BIN=$(CURDIR)/target/lab/vrrpd $(CARGO) test $(LAB) --lib --bins --test netns --test hostile

test-features:
	$(CARGO) test --locked --no-default-features --lib --test cli --test conf --test conf_lang --test conf_small
	$(CARGO) test --locked --no-default-features --features json,uci --lib --test cli --test conf --test uci

# A copy of the binary: test-features builds others at the same path.
test-guest:
	VRRPD_BIN=$(CURDIR)/target/lab/vrrpd $(CARGO) test $(LAB) --test guest --test thin

hostile: ## try what attackers on the segment, on the machine and behind it can do (VRRPD_BIN=...: to another vrrpd)
	@tests/deps/ensure build lab peers
	@$(CARGO) build --locked
	VRRPD_BIN=$(or $(VRRPD_BIN),$(CURDIR)/target/debug/vrrpd) $(CARGO) test $(LAB) --test hostile

test-arm: ## test on two emulated ARM routers: election, kill and respawn, power failure, virtual servers
	@tests/deps/ensure build cross lab arm
	@tests/lab/guest/arm/prepare
	cross/build.sh $(ARMV7) full $(DIST)
	LANE=B cross/build.sh $(ARMV7) small $(DIST)
	VRRPD_BIN=$(DIST)/vrrpd-$(ARMV7)-full VRRPD_SMALL=$(DIST)/vrrpd-$(ARMV7)-small $(CARGO) test $(LAB) --test arm

test-emulated: ## test each binary in target/dist under the user-mode emulator: output, exit codes, failover
	@tests/deps/ensure build lab emulators
	@tests/emulated/run $(DIST)
	VRRPD_BIN=$(DIST)/vrrpd-x86_64-unknown-linux-musl-full VRRPD_DIST=$(DIST) $(CARGO) test $(LAB) --test emulated

test-bigendian: ## library tests on big-endian MIPS under the user-mode emulator
	@tests/deps/ensure build cross emulators
	tests/emulated/units $(MIPS)

test-openwrt: ## library tests as OpenWrt builds packages: linked dynamically with musl, panics unwind
	@tests/deps/ensure build cross openwrt
	cross/openwrt test

demo: ## show a master being killed and the backup taking over (8 seconds)
	@tests/deps/ensure build lab
	@$(CARGO) build --release --locked
	@$(CARGO) build $(LAB) --bin demo
	@echo
	@VRRPD_BIN=$(CURDIR)/target/release/vrrpd $(CARGO) run -q $(LAB) --bin demo </dev/null

bench: deps ## measure vrrpd and Debian's keepalived (20 minutes; QUICK=1: 4 minutes; ROW=NAME: rows named so)
	@$(MAKE) --no-print-directory static
	@$(CARGO) build --release $(LAB) --bin bench --bin bench-lvs
	@VRRPD_BIN=$(DIST)/vrrpd-$(TARGET)-full QUICK=$(QUICK) $(CARGO) run -q --release $(LAB) --bin bench -- $(if $(ROW),"$(ROW)") </dev/null

soak: ## everything hostile at once for ten minutes (or SOAK_SECONDS=...), then everything must be as before
	@tests/deps/ensure build lab peers
	@$(CARGO) build --locked
	@$(CARGO) build $(LAB) --bin soak
	@VRRPD_BIN=$(CURDIR)/target/debug/vrrpd $(CARGO) run -q $(LAB) --bin soak </dev/null

deps: ## install what building, testing and measuring need
	@tests/deps/ensure build lab peers kernel
	@tests/lab/guest/prepare

man: ## generate manual pages and bash completion from the tables of options, commands, keywords: target/man
	@mkdir -p target/man
	$(CARGO) run -q --locked --features reference --example man 8 >target/man/vrrpd.8
	$(CARGO) run -q --locked --features reference --example man >target/man/vrrpd.conf.5
	$(CARGO) run -q --locked --features reference --example man bash >target/man/vrrpd.bash

install: build man ## install below $(DESTDIR)$(PREFIX)
	install -D -m 755 target/release/vrrpd $(DESTDIR)$(PREFIX)/sbin/vrrpd
	install -D -m 644 target/man/vrrpd.8 $(DESTDIR)$(PREFIX)/share/man/man8/vrrpd.8
	install -D -m 644 target/man/vrrpd.conf.5 $(DESTDIR)$(PREFIX)/share/man/man5/vrrpd.conf.5
	install -D -m 644 target/man/vrrpd.bash $(DESTDIR)$(PREFIX)/share/bash-completion/completions/vrrpd
	install -d $(DESTDIR)$(PREFIX)/share/doc/vrrpd
	install -m 644 configs/*.conf $(DESTDIR)$(PREFIX)/share/doc/vrrpd/

fmt: ## format the source code
	$(CARGO) fmt
	$(CARGO) fmt --manifest-path tests/lab/Cargo.toml

lint: ## format check and clippy in all feature sets; warnings are errors
	$(CARGO) fmt --check
	$(CARGO) fmt --manifest-path tests/lab/Cargo.toml --check
	$(CARGO) clippy --locked --all-targets --features reference -- -D warnings
	$(CARGO) clippy --locked --all-targets --no-default-features -- -D warnings
	@$(MAKE) --no-print-directory flavors
	$(CARGO) clippy $(LAB) --all-targets -- -D warnings

# Each feature alone, and all but one (`regex` and `tls` need `lvs`). `lint` checks all and none, with their
# tests. Two lists with a target directory each: cargo builds one thing at a time in a directory.
FLAVORS_1 := json lvs mail seccomp lvs,mail,regex,seccomp,sniff,tls,uci json,lvs,mail,seccomp,sniff,tls,uci json,lvs,mail,regex,seccomp,sniff,uci
FLAVORS_2 := uci json,mail,seccomp,sniff,uci regex tls sniff json,lvs,regex,seccomp,sniff,tls,uci json,lvs,mail,regex,seccomp,sniff,tls json,lvs,mail,regex,sniff,tls,uci \
	json,lvs,mail,regex,seccomp,tls,uci

flavors: ## clippy in the other feature sets
	@$(MAKE) --no-print-directory --output-sync=target -j2 flavors-1 flavors-2

flavors-1 flavors-2: flavors-%:
	@for features in $(FLAVORS_$*); do \
	    echo "features: $$features"; \
	    CARGO_TARGET_DIR=target/lint-$* $(CARGO) clippy -q --locked --no-default-features --features "$$features" \
	        -- -D warnings || exit; \
	done

test-flavors: ## library tests in all feature sets (an hour)
	@for features in "" $(FLAVORS_1) $(FLAVORS_2); do \
	    echo "features: $$features"; \
	    $(CARGO) test -q --locked --no-default-features --features "$$features" || exit; \
	done

clean: ## remove everything that was built
	$(CARGO) clean
	$(CARGO) clean --manifest-path tests/lab/Cargo.toml
