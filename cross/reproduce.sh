#!/bin/sh
# reproduce.sh TARGET full|small – builds one binary twice with the same tools, the second time with
# source, output, tools and cargo's home in other directories, and compares byte for byte.
set -eu
target=$1 flavor=$2
top=$(cd "$(dirname "$0")/.." && pwd)
home=${CARGO_HOME:-$HOME/.cargo}
tools=${CROSS_TOOLS:-$top/target/cross-tools}
binary=vrrpd-$target-$flavor

"$top/cross/build.sh" "$target" "$flavor" "$top/target/dist"

other=$(mktemp -d "$top/target/reproduce.XXXXXX")
trap 'rm -rf "$other"' EXIT
trap 'exit 1' INT TERM

# copy DIR FILE... : copies those FILEs that exist in DIR to the current directory. Hard links
# suffice: only paths differ.
copy() {
    from=$1
    shift
    for file; do
        [ -e "$from/$file" ] || continue
        cp -al "$from/$file" "$file" 2>/dev/null || { rm -rf "$file" && cp -a "$from/$file" "$file"; }
    done
}

mkdir -p "$other/deeper/source/tests" "$other/home" "$other/tools-copy"
cd "$other/deeper/source"
copy "$top" Cargo.toml Cargo.lock README.md src cross tests/man
cd "$other/home"
copy "$home" config.toml registry
cd "$other/tools-copy"
copy "$tools" zig rust
CARGO_HOME=$other/home CARGO_NET_OFFLINE=true CROSS_TOOLS=$other/tools-copy \
    "$other/deeper/source/cross/build.sh" "$target" "$flavor" "$other/dist"

if ! cmp "$top/target/dist/$binary" "$other/dist/$binary"; then
    cp "$other/dist/$binary" "$top/target/$binary.other"
    echo "reproduce: $binary depends on the build directory; second build: target/$binary.other" >&2
    exit 1
fi
echo "reproduce: $binary is identical in two directories ($(wc -c <"$other/dist/$binary") bytes)"
