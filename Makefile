# vrrpd. `make help` lists the targets; GNU make and a POSIX shell are assumed.
# `make demo`, `make test` and `make bench` do their own set-up (as root on Debian they install what is
# missing; otherwise they say what to install) and need no root to run.

CARGO   ?= cargo
PREFIX  ?= /usr/local
DESTDIR ?=
TARGET  ?= x86_64-unknown-linux-musl
DIST    := $(CURDIR)/target/dist
LAB     := --manifest-path tests/lab/Cargo.toml --locked

# Size budgets in bytes (1 KB = 1024): 750 KB and 1.6 MB.
SMALL_MAX := 768000
FULL_MAX  := 1677721

.DEFAULT_GOAL := help
.PHONY: help build static small test bench soak size demo deps man install clean fmt lint flavors

help: ## this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-9s %s\n", $$1, $$2 }' Makefile

build: ## release build for this machine: target/release/vrrpd
	@tests/deps/ensure build
	$(CARGO) build --release --locked

static: ## static binary, full flavour, in target/dist (TARGET=... for another machine)
	@tests/deps/ensure build
	cross/build.sh $(TARGET) full $(DIST)

small: ## static binary, small flavour, in target/dist
	@tests/deps/ensure build
	cross/build.sh $(TARGET) small $(DIST)

test: deps ## all tests, those on a live kernel in private namespaces included
	$(CARGO) test --locked
	$(CARGO) test --locked --no-default-features --test cli --test conf --test conf_lang --test conf_small
	$(CARGO) build --locked
	VRRPD_BIN=$(CURDIR)/target/debug/vrrpd $(CARGO) test $(LAB)

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

size: static small ## static sizes against the budgets
	@fail=0; for f in "small $(SMALL_MAX)" "full $(FULL_MAX)"; do \
	    set -- $$f; n=$$(wc -c <$(DIST)/vrrpd-$(TARGET)-$$1); verdict=ok; \
	    [ $$n -le $$2 ] || { verdict='OVER BUDGET'; fail=1; }; \
	    printf '%-5s %8d bytes, budget %8d: %s\n' $$1 $$n $$2 "$$verdict"; \
	done; exit $$fail

deps: ## what building, testing and measuring needs
	@tests/deps/ensure build lab peers kernel
	@tests/lab/guest/prepare

man: ## the manual page of the configuration, from the keyword table: target/vrrpd.conf.5
	$(CARGO) run -q --locked --features reference --example man >target/vrrpd.conf.5

install: build man ## into $(DESTDIR)$(PREFIX)/sbin
	install -D -m 755 target/release/vrrpd $(DESTDIR)$(PREFIX)/sbin/vrrpd
	install -D -m 644 target/vrrpd.conf.5 $(DESTDIR)$(PREFIX)/share/man/man5/vrrpd.conf.5
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
FLAVORS := json lvs mail regex tls json,mail \
    lvs,mail,regex,tls json,lvs,regex,tls json,lvs,mail,tls json,lvs,mail,regex

flavors: ## lints of the combinations of features
	@for parts in $(FLAVORS); do \
	    echo "features: $$parts"; \
	    $(CARGO) clippy -q --locked --no-default-features --features "$$parts" -- -D warnings || exit; \
	done

clean: ## remove everything built
	$(CARGO) clean
	$(CARGO) clean --manifest-path tests/lab/Cargo.toml
