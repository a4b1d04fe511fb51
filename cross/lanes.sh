# shellcheck shell=sh disable=SC2154,SC2034 # variables set or used by the scripts that source this
# lanes.sh – the two ways ("lanes") to cross-compile. Source it after setting `top`, the project's
# directory, and `target`.
#
#   lane A  the prebuilt standard library of the installed Rust toolchain. Used if it is installed
#           or rustup can fetch it within a minute. Works offline once installed.
#   lane B  also builds the standard library, with Debian's rustc and library source, and zig as
#           linker and provider of musl: smaller, and the only way for targets without a prebuilt
#           library (see tools.sh).
#
# `choose_lane` sets `lane`. `enter_lane tls` exports the environment of `cargo build --target
# $target` and sets `lane_options`, further arguments for it. Environment variables: LANE=A or
# LANE=B forces a lane; CROSS_TOOLS is the directory for lane B's tools (default
# target/cross-tools, 1.1 GB); CARGO is the cargo to run.
#
# Builds are reproducible in any directory. So the output must not contain paths of this machine:
# --remap-path-prefix removes them from panic messages. Cargo also hashes the paths of packages into
# symbol names, but for packages below the project it hashes the relative path. Therefore the tools
# are always accessed below the project, through a symbolic link.

cross=$top/cross
cargo=${CARGO:-cargo}

log() { echo "cross: $*" >&2; }
fail() { log "$*"; exit 1; }

# ---- the target ----

# Sets zig's name of the target, and its spelling in environment variables for cargo (upper) and C
# compilers (lower).
look_up_target() {
    while read -r name zig_name processor; do
        [ "$name" = "$target" ] || continue
        zig_target="$zig_name -mcpu=$processor"
        upper=$(echo "$target" | tr 'a-z-' 'A-Z_')
        lower=$(echo "$target" | tr - _)
        return
    done <"$cross/targets"
    fail "unknown target $target: see cross/targets"
}

has_prebuilt_std() {
    for library in "$(rustc --print sysroot)/lib/rustlib/$target/lib"/libstd-*.rlib; do
        [ -e "$library" ] && return
    done
    return 1
}

choose_lane() {
    lane=${LANE:-}
    [ -z "$lane" ] || return 0
    lane=B
    if has_prebuilt_std || { timeout 60 rustup target add "$target" >/dev/null 2>&1 && has_prebuilt_std; }; then
        lane=A
    fi
}

# ---- tools ----

# provide_tool zig|rust
provide_tool() {
    dir=${CROSS_TOOLS:-$top/target/cross-tools}
    "$cross/tools.sh" "$1" "$dir"
    tools=$top/target/tools
    mkdir -p "$top/target"
    ln -sfn "$(cd "$dir" && pwd)" "$tools"
}

provide_zig() {
    provide_tool zig
    export ZIG="$tools/zig/ziglang/zig" ZIG_TARGET="$zig_target" ZIG_GLOBAL_CACHE_DIR="$tools/zig-cache"
}

# TLS (ring) contains C and assembler. It needs a compiler for the target, but no libc: for the
# host's own architecture `cc`, for others zig.
c_compiler() {
    eval "[ -z \"\${CC_$lower:-}\" ]" || return 0
    if [ "$lane" = A ] && [ "${target%%-*}" = "$(uname -m)" ]; then
        eval "export CC_$lower=cc"
    else
        provide_zig
        eval "export CC_$lower='$cross/zigcc' AR_$lower='$cross/zigar'"
    fi
}

# ---- flags ----

# Makes file names in panic messages relative: `src/…` for vrrpd, `glob-0.3.3/src/…` for a crate,
# `library/…` for the standard library.
remap_paths() {
    (cd "$top" && "$cargo" fetch --quiet --locked --target "$target")
    flags="$flags --remap-path-prefix=$top="
    maps="-ffile-prefix-map=$top/="
    for index in "${CARGO_HOME:-$HOME/.cargo}"/registry/src/*; do
        flags="$flags --remap-path-prefix=$index="
        maps="$maps -ffile-prefix-map=$index/="
    done
    eval "export CFLAGS_$lower=\"\${CFLAGS_$lower:-} $maps\""
}

# Options of LLVM for smaller code. Sequences of instructions that occur often become functions;
# MIPS has no support for that and would not compile. On x86_64, a `match` is compiled to comparisons
# instead of a table of addresses, and functions with many local variables are not inlined: addressing
# the variables of a large stack frame takes longer instructions.
compact_code() {
    case $target in
    mips*) ;;
    *) flags="$flags -Cllvm-args=-enable-machine-outliner=always" ;;
    esac
    case $target in
    x86_64-*) flags="$flags -Cllvm-args=-min-jump-table-entries=100000 -Cllvm-args=-inline-max-stacksize=512" ;;
    esac
}

# enter_lane [tls]
enter_lane() {
    look_up_target
    [ -z "$1" ] || c_compiler
    flags="-Ctarget-feature=+crt-static -Crelocation-model=static"
    remap_paths
    compact_code
    case $lane in
    A) lane_a ;;
    B) lane_b ;;
    *) fail "unknown LANE '$lane': A or B" ;;
    esac
    # SHA-256 signs at most a hundred adverts a second: saving 10 KB matters more than speed.
    flags="$flags --cfg sha2_backend=\"soft\" --cfg sha2_backend_soft=\"compact\""
    eval "export CARGO_TARGET_${upper}_LINKER='$linker' CARGO_TARGET_${upper}_RUSTFLAGS='$flags'"
}

# Exports the environment of OpenWrt's Rust packages (lang/rust/rust-values.mk of its packages feed),
# but with several codegen units and no link-time optimization unless $1 is `release`: linked
# dynamically with musl, and panics unwind. With zig instead of OpenWrt's GCC as linker the unwinder
# is linked statically.
enter_openwrt() {
    look_up_target
    provide_zig
    export ZIG_UNWINDS=yes ZIG_OPTIONS=-dynamic
    flags=-Ctarget-feature=-crt-static
    case $lane in
    A) linker=$cross/zigcc lane_options= ;;
    B) lane_b && lane_options=-Zbuild-std=std ;;
    esac
    export CARGO_TARGET_DIR="$top/target/openwrt-$lane" RUSTFLAGS="$flags"
    export CARGO_PROFILE_RELEASE_OPT_LEVEL=z CARGO_PROFILE_RELEASE_OVERFLOW_CHECKS=true
    export CARGO_PROFILE_RELEASE_PANIC="${OPENWRT_PANIC:-unwind}"
    if [ "$1" = release ]; then
        export CARGO_PROFILE_RELEASE_CODEGEN_UNITS=1 CARGO_PROFILE_RELEASE_LTO=true
    else
        export CARGO_PROFILE_RELEASE_CODEGEN_UNITS=16 CARGO_PROFILE_RELEASE_LTO=false
    fi
    eval "export CARGO_TARGET_${upper}_LINKER='$linker'"
}

lane_a() {
    # Rust's own linker: links for every target and merges identical functions.
    linker=rust-lld
    flags="$flags -Clink-arg=--icf=all -Clink-arg=-O2 -Clink-arg=-T$cross/no-unwind.ld -Clink-arg=-T$cross/order.ld"
    export CARGO_TARGET_DIR="$top/target/lane-a"
    lane_options=
}

lane_b() {
    provide_zig
    provide_tool rust
    linker=$cross/zigcc
    # For rustc the path of the library source is relative to the project.
    flags="$flags -Clink-self-contained=no --remap-path-prefix=${tools#"$top/"}/rust/usr/lib/rustlib/src/rust="
    # A program that aborts on panic does not unwind, see no_unwinder in src/sys.rs. Tests do.
    [ -n "${ZIG_UNWINDS:-}" ] || flags="$flags -Cforce-unwind-tables=no -Clink-arg=-T$cross/no-unwind.ld"
    case $target in
    armv7-*) flags="$flags -Ctarget-feature=+thumb-mode" ;; # a sixth smaller
    esac
    # -Zbuild-std and the standard library need unstable features.
    export RUSTC="$cross/debian-rustc" DEBIAN_RUST="$tools/rust" RUSTC_BOOTSTRAP=1
    # 64-bit time_t on 32-bit targets, as in musl 1.2.
    export RUST_LIBC_UNSTABLE_MUSL_V1_2_3=1
    export CARGO_TARGET_DIR="$top/target/lane-b"
    lane_options="-Zbuild-std=std,panic_abort -Zbuild-std-features=optimize_for_size"
}
