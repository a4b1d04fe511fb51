# vrrpd. `make help` lists the targets; GNU make and a POSIX shell are assumed.
# `make demo`, `make test` and `make bench` do their own set-up (as root on Debian they install what is
# missing; otherwise they say what to install) and need no root to run.

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
.PHONY: help build static small dist cross cross-all sizes size reproducible test test-arm test-emulated test-bigendian \
        bench soak demo deps man install clean fmt lint flavors test-flavors

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-14s %s\n", $$1, $$2 }' Makefile

build: ## release build for this machine: target/release/vrrpd
	@tests/deps/ensure build
	$(CARGO) build --release --locked

static: ## static binary, full flavor, in target/dist (TARGET=... for another machine, cross/targets has all)
	@tests/deps/ensure build cross
	cross/build.sh $(TARGET) full $(DIST)

# Binaries of other machines that lie there are packed too.
dist: man static ## tarballs and a Debian package of every binary in target/dist, in target/dist/packages
	configs/dist $(DIST) target/man $(DIST)/packages

small: ## static binary, small flavor, in target/dist
	@tests/deps/ensure build cross
	cross/build.sh $(TARGET) small $(DIST)

cross: static small ## static binaries of both flavors for TARGET=...

cross-all: ## static binaries of both flavors for all targets, and the table of their sizes (half an hour)
	@for target in $$(sed 's/#.*//; s/ .*//' cross/targets); do \
	    $(MAKE) --no-print-directory cross TARGET=$$target || exit; \
	done
	@$(MAKE) --no-print-directory sizes

sizes: ## the table of the binaries in target/dist
	@cross/sizes.sh $(DIST)

size: ## those static sizes that have a budget, against it
	@$(MAKE) --no-print-directory cross
	@LANE=B $(MAKE) --no-print-directory small TARGET=$(ARMV7)
	@cross/sizes.sh $(DIST) x86_64-unknown-linux-musl-small x86_64-unknown-linux-musl-full $(ARMV7)-small

reproducible: ## TARGET in FLAVOR (small) built twice in different places: the same bytes?
	@tests/deps/ensure build cross
	@cross/reproduce.sh $(TARGET) $(FLAVOR)

test: deps ## all tests, those on a live kernel in private namespaces included
	$(CARGO) test --locked
	$(CARGO) test --locked --no-default-features --lib --test cli --test conf --test conf_lang --test conf_small
	$(CARGO) test --locked --no-default-features --features json,uci --lib --test cli --test conf --test uci
	$(CARGO) build --locked
	VRRPD_BIN=$(CURDIR)/target/debug/vrrpd $(CARGO) test $(LAB)

test-arm: ## two emulated ARM routers with BusyBox: election, kill and respawn, power failure, virtual servers
	@tests/deps/ensure build cross lab arm
	@tests/lab/guest/arm/prepare
	cross/build.sh $(ARMV7) full $(DIST)
	cross/build.sh $(ARMV7) small $(DIST)
	VRRPD_BIN=$(DIST)/vrrpd-$(ARMV7)-full VRRPD_SMALL=$(DIST)/vrrpd-$(ARMV7)-small $(CARGO) test $(LAB) --test arm

test-emulated: ## every binary in target/dist under the user-mode emulator: words, exit codes, failover
	@tests/deps/ensure build lab emulators
	@tests/emulated/run $(DIST)
	VRRPD_BIN=$(DIST)/vrrpd-x86_64-unknown-linux-musl-full VRRPD_DIST=$(DIST) $(CARGO) test $(LAB) --test emulated

test-bigendian: ## codecs, checksums, configuration: the tests of the library on an emulated big-endian MIPS
	@tests/deps/ensure build cross emulators
	tests/emulated/units $(MIPS)

demo: ## see a router die and the other take over (8 seconds)
	@tests/deps/ensure build lab
	@$(CARGO) build --release --locked
	@$(CARGO) build $(LAB) --bin demo
	@echo
	@VRRPD_BIN=$(CURDIR)/target/release/vrrpd $(CARGO) run -q $(LAB) --bin demo </dev/null

bench: deps ## measure against Debian's keepalived; QUICK=1 for 3 minutes instead of 12
	@$(MAKE) --no-print-directory static
	@$(CARGO) build --release $(LAB) --bin bench --bin bench-lvs
	@VRRPD_BIN=$(DIST)/vrrpd-$(TARGET)-full QUICK=$(QUICK) $(CARGO) run -q --release $(LAB) --bin bench </dev/null
	@VRRPD_BIN=$(DIST)/vrrpd-$(TARGET)-full $(CARGO) run -q --release $(LAB) --bin bench-lvs </dev/null

soak: ## ten minutes of flapping links, failing scripts, reloads and forgeries (SOAK_SECONDS=... for less)
	@tests/deps/ensure build lab peers
	@$(CARGO) build --locked
	@$(CARGO) build $(LAB) --bin soak
	@VRRPD_BIN=$(CURDIR)/target/debug/vrrpd $(CARGO) run -q $(LAB) --bin soak </dev/null

deps: ## what building, testing and measuring needs
	@tests/deps/ensure build lab peers kernel
	@tests/lab/guest/prepare

man: ## the manual pages, from the tables of options and keywords: target/man
	@mkdir -p target/man
	$(CARGO) run -q --locked --features reference --example man 8 >target/man/vrrpd.8
	$(CARGO) run -q --locked --features reference --example man >target/man/vrrpd.conf.5

install: build man ## into $(DESTDIR)$(PREFIX)/sbin
	install -D -m 755 target/release/vrrpd $(DESTDIR)$(PREFIX)/sbin/vrrpd
	install -D -m 644 target/man/vrrpd.8 $(DESTDIR)$(PREFIX)/share/man/man8/vrrpd.8
	install -D -m 644 target/man/vrrpd.conf.5 $(DESTDIR)$(PREFIX)/share/man/man5/vrrpd.conf.5
	install -d $(DESTDIR)$(PREFIX)/share/doc/vrrpd
	install -m 644 configs/*.conf $(DESTDIR)$(PREFIX)/share/doc/vrrpd/

fmt: ## format the sources
	$(CARGO) fmt
	$(CARGO) fmt --manifest-path tests/lab/Cargo.toml

lint: ## format check and lints, warnings are errors
	$(CARGO) fmt --check
	$(CARGO) fmt --manifest-path tests/lab/Cargo.toml --check
	$(CARGO) clippy --locked --all-targets --features reference -- -D warnings
	$(CARGO) clippy --locked --all-targets --no-default-features -- -D warnings
	@$(MAKE) --no-print-directory flavors
	$(CARGO) clippy $(LAB) --all-targets -- -D warnings

# Each part alone, and everything but one (without `lvs` there is neither `regex` nor `tls`). All and nothing are
# looked at by `lint`, with their tests.
FLAVORS := json lvs mail regex tls uci json,mail,uci \
    lvs,mail,regex,tls,uci json,lvs,regex,tls,uci json,lvs,mail,tls,uci json,lvs,mail,regex,uci json,lvs,mail,regex,tls

flavors: ## lints of the combinations of features
	@for parts in $(FLAVORS); do \
	    echo "features: $$parts"; \
	    $(CARGO) clippy -q --locked --no-default-features --features "$$parts" -- -D warnings || exit; \
	done

test-flavors: ## all tests of the library with each combination of features (an hour)
	@for parts in "" $(FLAVORS); do \
	    echo "features: $$parts"; \
	    $(CARGO) test -q --locked --no-default-features --features "$$parts" || exit; \
	done

clean: ## remove everything built
	$(CARGO) clean
	$(CARGO) clean --manifest-path tests/lab/Cargo.toml
