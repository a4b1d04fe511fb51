# shellcheck shell=sh disable=SC2154,SC2034 # from and for those who read this
# lanes.sh – the two ways to build for another machine, for scripts that have set `top`, the project's directory,
# and `target`.
#
#   lane A  the prebuilt standard library of the Rust toolchain that is installed. Used where there is one,
#           or where rustup can fetch it within a minute. Works offline once it is there.
#   lane B  builds the standard library too, from Debian's rustc and its source, with zig as linker and musl:
#           smaller, and the only way to the targets without a prebuilt library (see tools.sh).
#
# `choose_lane` sets `lane`; `enter_lane tls` exports what cargo needs for `--target $target`, and sets `lane_options`,
# what it must be told besides. Environment: LANE=A or LANE=B insists on one; CROSS_TOOLS is where lane B keeps
# its tools (default target/cross-tools, 1.1 GB); CARGO is the cargo to call.
#
# The same tools give the same bytes wherever they are. For that no path of this machine may reach what the compilers
# write: --remap-path-prefix takes them out of messages. Cargo hashes the places of packages into the names of
# symbols, but those below the project by their relative place only: there the tools are always reached.

cross=$top/cross
cargo=${CARGO:-cargo}

say() { echo "cross: $*" >&2; }
fail() { say "$*"; exit 1; }

# ---- the target ----

# What it is called by zig, and by the variables of cargo and of C compilers.
known_target() {
    while read -r name zig_name processor; do
        [ "$name" = "$target" ] || continue
        zig_target="$zig_name -mcpu=$processor"
        upper=$(echo "$target" | tr 'a-z-' 'A-Z_')
        lower=$(echo "$target" | tr - _)
        return
    done <"$cross/targets"
    fail "unknown target $target; cross/targets has all"
}

prebuilt() {
    for library in "$(rustc --print sysroot)/lib/rustlib/$target/lib"/libstd-*.rlib; do
        [ -e "$library" ] && return
    done
    return 1
}

choose_lane() {
    lane=${LANE:-}
    [ -z "$lane" ] || return 0
    lane=B
    if prebuilt || { timeout 60 rustup target add "$target" >/dev/null 2>&1 && prebuilt; }; then
        lane=A
    fi
}

# ---- tools ----

# tool zig|rust
tool() {
    kept=${CROSS_TOOLS:-$top/target/cross-tools}
    "$cross/tools.sh" "$1" "$kept"
    tools=$top/target/tools
    mkdir -p "$top/target"
    ln -sfn "$(cd "$kept" && pwd)" "$tools"
}

zig() {
    tool zig
    export ZIG="$tools/zig/ziglang/zig" ZIG_TARGET="$zig_target" ZIG_GLOBAL_CACHE_DIR="$tools/zig-cache"
}

# TLS has parts in C and assembler. They need a compiler that knows the machine, but no libc: for this machine's own
# processor the one of the house will do, for others zig has one.
c_compiler() {
    eval "[ -z \"\${CC_$lower:-}\" ]" || return 0
    if [ "$lane" = A ] && [ "${target%%-*}" = "$(uname -m)" ]; then
        eval "export CC_$lower=cc"
    else
        zig
        eval "export CC_$lower='$cross/zigcc' AR_$lower='$cross/zigar'"
    fi
}

# ---- flags ----

# Messages of panics name the file: `src/…` of ours, `glob-0.3.3/src/…` of a crate, `library/…` of the standard library.
without_paths() {
    (cd "$top" && "$cargo" fetch --quiet --locked --target "$target")
    flags="$flags --remap-path-prefix=$top="
    maps="-ffile-prefix-map=$top/="
    for index in "${CARGO_HOME:-$HOME/.cargo}"/registry/src/*; do
        flags="$flags --remap-path-prefix=$index="
        maps="$maps -ffile-prefix-map=$index/="
    done
    eval "export CFLAGS_$lower=\"\${CFLAGS_$lower:-} $maps\""
}

# enter_lane [tls]
enter_lane() {
    known_target
    [ -z "$1" ] || c_compiler
    flags="-Ctarget-feature=+crt-static -Crelocation-model=static"
    without_paths
    case $lane in
    A) lane_a ;;
    B) lane_b ;;
    *) fail "LANE is A or B, not '$lane'" ;;
    esac
    # An advert is signed with SHA-256 at most a hundred times a second: 10 KB less matter more than speed.
    flags="$flags --cfg sha2_backend=\"soft\" --cfg sha2_backend_soft=\"compact\""
    eval "export CARGO_TARGET_${upper}_LINKER='$linker' CARGO_TARGET_${upper}_RUSTFLAGS='$flags'"
}

lane_a() {
    # The linker that comes with Rust: it links for other machines too, and folds equal functions.
    linker=rust-lld
    flags="$flags -Clink-arg=--icf=all -Clink-arg=-T$cross/no-unwind.ld -Clink-arg=-T$cross/order.ld"
    export CARGO_TARGET_DIR="$top/target/lane-a"
    lane_options=
}

lane_b() {
    zig
    tool rust
    linker=$cross/zigcc
    # Cargo names what is below the project by its relative place.
    flags="$flags -Clink-self-contained=no --remap-path-prefix=${tools#"$top/"}/rust/usr/lib/rustlib/src/rust="
    # Nothing unwinds in a program that aborts on panic, see no_unwinder in src/sys.rs. Tests do.
    [ -n "${ZIG_UNWINDS:-}" ] || flags="$flags -Cforce-unwind-tables=no -Clink-arg=-T$cross/no-unwind.ld"
    case $target in
    armv7-*) flags="$flags -Ctarget-feature=+thumb-mode" ;; # a sixth smaller
    esac
    # Its features are for the compiler that belongs to its source.
    export RUSTC="$cross/debian-rustc" DEBIAN_RUST="$tools/rust" RUSTC_BOOTSTRAP=1
    # 64-bit time on 32-bit machines, as musl has it.
    export RUST_LIBC_UNSTABLE_MUSL_V1_2_3=1
    export CARGO_TARGET_DIR="$top/target/lane-b"
    lane_options="-Zbuild-std=std,panic_abort -Zbuild-std-features=optimize_for_size"
}
