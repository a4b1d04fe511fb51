#!/bin/sh
# build.sh TARGET FLAVOR OUTDIR – builds one static binary, OUTDIR/vrrpd-TARGET-FLAVOR. lanes.sh
# documents the environment variables and the two ways to build.
#
#   full     every feature except UCI, which would exceed the size budget
#   small    VRRP only: no virtual servers, no mail, no JSON
#   openwrt  small plus the needs of the OpenWrt package: UCI, and JSON for LuCI
set -eu

if [ $# -ne 3 ]; then
    echo "usage: cross/build.sh TARGET full|small|openwrt OUTDIR" >&2
    exit 1
fi
target=$1 flavor=$2 out=$3
top=$(cd "$(dirname "$0")/.." && pwd)
# shellcheck source=cross/lanes.sh
. "$top/cross/lanes.sh"

case $flavor in
full) features='--no-default-features --features json,lvs,mail,regex,seccomp,sniff,tls' tls=tls ;;
small) features=--no-default-features tls='' ;;
openwrt) features='--no-default-features --features json,uci' tls='' ;;
*) fail "unknown flavor '$flavor': full, small or openwrt" ;;
esac
# Level z costs a quarter more CPU than s and saves 130 KB: with s the full flavor exceeds its
# budget.
export CARGO_PROFILE_RELEASE_OPT_LEVEL=z

# Removes 100 KB of MIPS debug sections that are not loaded and that `strip` keeps.
strip_mips() {
    sysroot=$(rustc --print sysroot)
    objcopy=$(echo "$sysroot"/lib/rustlib/*/bin/rust-objcopy)
    [ ! -x "$objcopy" ] || LD_LIBRARY_PATH=$sysroot/lib "$objcopy" -R .pdr -R .mdebug.abi32 "$1"
}

# A static binary has no program interpreter and no shared libraries.
check_static() {
    if readelf -lW "$1" | grep -q INTERP || readelf -dW "$1" | grep -q NEEDED; then
        fail "$1 is not static"
    fi
}

choose_lane
log "$target, $flavor: lane $lane"
enter_lane "$tls"
# Both flavors of a target are built at the same path: until it is copied the other must wait.
mkdir -p "$CARGO_TARGET_DIR"
exec 9>"$CARGO_TARGET_DIR/$target.lock"
flock 9
# shellcheck disable=SC2086 # options
(cd "$top" && "$cargo" build --locked --release --bin vrrpd --target "$target" $features $lane_options)

mkdir -p "$out"
binary=$out/vrrpd-$target-$flavor
cp "$CARGO_TARGET_DIR/$target/release/vrrpd" "$binary.new"
case $target in
mips*) strip_mips "$binary.new" ;;
esac
check_static "$binary.new"
mv "$binary.new" "$binary"
log "$binary: $(wc -c <"$binary") bytes, static"
