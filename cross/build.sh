#!/bin/sh
# build.sh TARGET full|small OUTDIR – one static binary, OUTDIR/vrrpd-TARGET-FLAVOUR.
#
#   lane A  the prebuilt standard library of the Rust toolchain that is installed. Used where there is one,
#           or where rustup can fetch it within a minute. Works offline once it is there.
#   lane B  builds the standard library too, from Debian's rustc and its source, with zig as linker and musl:
#           smaller, and the only way to the targets without a prebuilt library (see tools.sh).
#
# Environment: LANE=A or LANE=B insists on one. CROSS_TOOLS is where lane B keeps its tools
# (default target/cross-tools, 1.1 GB). CARGO is the cargo to call.
set -eu

if [ $# -ne 3 ]; then
    echo "usage: cross/build.sh TARGET full|small OUTDIR" >&2
    exit 1
fi
target=$1 flavour=$2 out=$3
here=$(cd "$(dirname "$0")" && pwd)
top=$(dirname "$here")
tools=${CROSS_TOOLS:-$top/target/cross-tools}
cargo=${CARGO:-cargo}
lane=${LANE:-}

say() { echo "cross/build.sh: $*" >&2; }
fail() { say "$*"; exit 1; }

# Level z takes a quarter more CPU than s, and 130 KB less: with s the full flavour is over its budget.
case $flavour in
full) features= level=z tls=yes ;;
small) features=--no-default-features level=z tls= ;;
*) fail "full or small, not '$flavour'" ;;
esac

# The C name of each target, and the instructions its oldest machines have.
case $target in
x86_64-unknown-linux-musl)      zig="x86_64-linux-musl -mcpu=x86_64" ;;
aarch64-unknown-linux-musl)     zig="aarch64-linux-musl -mcpu=generic" ;;
armv7-unknown-linux-musleabihf) zig="arm-linux-musleabihf -mcpu=generic+v7a+vfp3-d32+thumb2-neon" ;;
arm-unknown-linux-musleabihf)   zig="arm-linux-musleabihf -mcpu=generic+v6+strict_align+vfp2-d32" ;;
arm-unknown-linux-musleabi)     zig="arm-linux-musleabi -mcpu=generic+v6+strict_align" ;;
mips-unknown-linux-musl)        zig="mips-linux-musleabi -mcpu=mips32r2+soft_float" ;;
mipsel-unknown-linux-musl)      zig="mipsel-linux-musleabi -mcpu=mips32r2+soft_float" ;;
riscv64gc-unknown-linux-musl)   zig="riscv64-linux-musl -mcpu=generic_rv64+m+a+f+d+c" ;;
*) fail "unknown target $target" ;;
esac

# CARGO_TARGET_<this>_LINKER and so on.
upper=$(echo "$target" | tr 'a-z-' 'A-Z_')

prebuilt() {
    for library in "$(rustc --print sysroot)/lib/rustlib/$target/lib"/libstd-*.rlib; do
        [ -e "$library" ] && return
    done
    return 1
}

export CARGO_PROFILE_RELEASE_OPT_LEVEL="$level"
# An advert is signed with SHA-256 at most a hundred times a second: 10 KB less matter more than speed.
compact='--cfg sha2_backend="soft" --cfg sha2_backend_soft="compact"'

build() {
    (cd "$top" && "$cargo" build --locked --release --bin vrrpd --target "$target" $features "$@")
}

# TLS has parts in C and assembler. They need a compiler that knows the machine, but no libc: for this machine's own
# processor the one of the house will do, for others zig has one.
c_compiler() {
    name=$(echo "$target" | tr - _)
    [ -n "$tls" ] || return 0
    eval "[ -z \"\${CC_$name:-}\" ]" || return 0
    if [ "$1" = house ] && [ "${target%%-*}" = "$(uname -m)" ]; then
        eval "export CC_$name=cc"
    else
        "$here/tools.sh" zig "$tools"
        export ZIG="$tools/zig/ziglang/zig" ZIG_TARGET="$zig" ZIG_GLOBAL_CACHE_DIR="$tools/zig-cache"
        eval "export CC_$name='$here/zigcc' AR_$name='$here/zigar'"
    fi
}

lane_a() {
    c_compiler house
    # The linker that comes with Rust: it links for other machines too, and folds equal functions.
    flags="-Ctarget-feature=+crt-static -Crelocation-model=static"
    flags="$flags -Clink-arg=--icf=all -Clink-arg=$here/no-unwind.ld $compact"
    eval "export CARGO_TARGET_${upper}_LINKER=rust-lld"
    eval "export CARGO_TARGET_${upper}_RUSTFLAGS='$flags'"
    export CARGO_TARGET_DIR="$top/target/lane-a"
    build
}

lane_b() {
    "$here/tools.sh" zig "$tools"
    "$here/tools.sh" rust "$tools"
    c_compiler zig
    flags="-Clink-self-contained=no -Ctarget-feature=+crt-static -Crelocation-model=static"
    # Nothing unwinds in a program that aborts on panic, see no_unwinder in src/sys.rs.
    flags="$flags -Cforce-unwind-tables=no $compact"
    case $target in
    armv7-*) flags="$flags -Ctarget-feature=+thumb-mode" ;; # a sixth smaller
    esac
    eval "export CARGO_TARGET_${upper}_LINKER='$here/zigcc'"
    eval "export CARGO_TARGET_${upper}_RUSTFLAGS='$flags'"
    export ZIG="$tools/zig/ziglang/zig" ZIG_TARGET="$zig" ZIG_GLOBAL_CACHE_DIR="$tools/zig-cache"
    export RUSTC="$tools/rustc" RUSTC_BOOTSTRAP=1
    # 64-bit time on 32-bit machines, as musl has it.
    export RUST_LIBC_UNSTABLE_MUSL_V1_2_3=1
    export CARGO_TARGET_DIR="$top/target/lane-b"
    build -Zbuild-std=std,panic_abort -Zbuild-std-features=optimize_for_size
}

# Static means: asks for no loader and for no library.
check_static() {
    if readelf -lW "$1" | grep -q INTERP || readelf -dW "$1" | grep -q NEEDED; then
        fail "$1 is not static"
    fi
}

if [ -z "$lane" ]; then
    if prebuilt || timeout 60 rustup target add "$target" >/dev/null 2>&1 && prebuilt; then
        lane=A
    else
        lane=B
    fi
fi
case $lane in
A) say "$target ($flavour): lane A, prebuilt standard library"; lane_a ;;
B) say "$target ($flavour): lane B, standard library built here"; lane_b ;;
*) fail "LANE is A or B, not '$lane'" ;;
esac

mkdir -p "$out"
binary=$out/vrrpd-$target-$flavour
cp "$CARGO_TARGET_DIR/$target/release/vrrpd" "$binary"
case $target in
mips*) # 100 KB that nobody loads, and that stripping leaves behind
    sysroot=$(rustc --print sysroot)
    objcopy=$(echo "$sysroot"/lib/rustlib/*/bin/rust-objcopy)
    [ ! -x "$objcopy" ] || LD_LIBRARY_PATH=$sysroot/lib "$objcopy" -R .pdr -R .mdebug.abi32 "$binary" ;;
esac
check_static "$binary"
say "$binary: $(wc -c <"$binary") bytes, static"
