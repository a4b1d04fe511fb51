#!/bin/sh
# build.sh TARGET FLAVOR OUTDIR – one static binary, OUTDIR/vrrpd-TARGET-FLAVOR. See lanes.sh for the
# environment, and for how it is built.
#
#   full     everything but UCI, which would not fit into the budget
#   small    VRRP with all that belongs to it: no virtual servers, no mails, no JSON
#   openwrt  small, and what the OpenWrt package needs: UCI, and JSON for LuCI
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
full) features='--no-default-features --features json,lvs,mail,regex,tls' tls=tls ;;
small) features=--no-default-features tls='' ;;
openwrt) features='--no-default-features --features json,uci' tls='' ;;
*) fail "full, small or openwrt, not '$flavor'" ;;
esac
# Level z takes a quarter more CPU than s, and 130 KB less: with s the full flavor is over its budget.
export CARGO_PROFILE_RELEASE_OPT_LEVEL=z

# 100 KB that nobody loads, and that stripping leaves behind.
strip_mips() {
    sysroot=$(rustc --print sysroot)
    objcopy=$(echo "$sysroot"/lib/rustlib/*/bin/rust-objcopy)
    [ ! -x "$objcopy" ] || LD_LIBRARY_PATH=$sysroot/lib "$objcopy" -R .pdr -R .mdebug.abi32 "$1"
}

# Static means: asks for no loader and for no library.
check_static() {
    if readelf -lW "$1" | grep -q INTERP || readelf -dW "$1" | grep -q NEEDED; then
        fail "$1 is not static"
    fi
}

choose_lane
say "$target, $flavor: lane $lane"
enter_lane "$tls"
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
say "$binary: $(wc -c <"$binary") bytes, static"
