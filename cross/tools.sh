#!/bin/sh
# tools.sh zig|rust DIR – unpacks a tool into DIR. Needs no root and installs nothing.
#
#   zig   a C compiler, linker and musl for every target, in one Python wheel
#   rust  Debian's newer rustc with the matching source of the standard library
#
# rust: a compiler can only build the standard library it was released with, and rustup cannot fetch
# that source everywhere; Debian packages both. Their version changes, so it is looked up, not
# pinned.
set -eu

what=$1
mkdir -p "$2"
dir=$(cd "$2" && pwd)

fail() {
    echo "cross/tools.sh: $*" >&2
    exit 1
}

fetch_zig() {
    [ -x "$dir/zig/ziglang/zig" ] && return
    python3 -m pip install -q --no-deps --target "$dir/zig.new" "ziglang==0.17.0" ||
        fail "pip could not install ziglang"
    rm -rf "$dir/zig"
    mv "$dir/zig.new" "$dir/zig"
}

fetch_rust() {
    [ -d "$dir/rust" ] && return
    needed=$(sed -n 's/^rust-version = "\(.*\)"/\1/p' "$(dirname "$0")/../Cargo.toml")
    version=$(candidate)
    # The package list may be older than the package.
    if ! is_new_enough && [ "$(id -u)" = 0 ]; then
        apt-get update </dev/null >/dev/null || :
        version=$(candidate)
    fi
    is_new_enough ||
        fail "rustc-web $needed or later needed, apt offers ${version:-none} (Debian only; run apt-get update?)"
    rm -rf "$dir/deb" "$dir/rust.new"
    mkdir -p "$dir/deb" "$dir/rust.new"
    llvm=$(depends "libstd-rust-web-$version" | grep '^libllvm')
    download rustc-web "libstd-rust-web-$version" libstd-rust-web-dev rust-web-src "$llvm"
    # The libraries the compiler is linked with are usually installed.
    if missing_libraries | grep -q .; then
        # shellcheck disable=SC2046 # several packages
        download $(depends "$llvm" | grep -Evx "libc6|libgcc-s1|libstdc\+\+6|$llvm")
    fi
    if missing_libraries | grep -q .; then
        # shellcheck disable=SC2046 # several words
        fail "libraries of Debian's rustc not found:" $(missing_libraries)
    fi
    rm -rf "$dir/deb"
    # Last: the directory exists only if everything above succeeded.
    mv "$dir/rust.new" "$dir/rust"
}

# The version that apt would install: `1.96`.
candidate() {
    apt-cache policy rustc-web | sed -n 's/^  Candidate: \([0-9]*\.[0-9]*\)\..*/\1/p'
}

# Whether $version is at least $needed.
is_new_enough() {
    [ -n "$version" ] && [ "${version%%.*}" -ge "${needed%%.*}" ] &&
        { [ "${version%%.*}" -gt "${needed%%.*}" ] || [ "${version#*.}" -ge "${needed#*.}" ]; }
}

# depends PACKAGE: the libraries it needs, directly or indirectly
depends() {
    apt-cache depends --recurse --no-recommends --no-suggests --no-conflicts --no-breaks --no-replaces \
        --no-enhances "$1" | grep -E '^z?lib'
}

missing_libraries() {
    libraries=$(echo "$dir"/rust.new/usr/lib/*-linux-gnu)
    [ ! -d "$dir/rust.new/lib" ] || libraries=$libraries:$(echo "$dir"/rust.new/lib/*-linux-gnu)
    LD_LIBRARY_PATH=$libraries ldd "$dir/rust.new/usr/bin/rustc" | sed -n 's/ => not found//p'
}

# download PACKAGE... : downloads and unpacks into rust.new
download() {
    (cd "$dir/deb" && apt-get -o APT::Sandbox::User=root -qq download "$@") || fail "apt could not download $*"
    for deb in "$dir"/deb/*.deb; do
        case $deb in
        */rust-web-src_*) # 2 GB of compiler sources; only the library is needed
            dpkg-deb --fsys-tarfile "$deb" |
                tar -x -C "$dir/rust.new" --wildcards './usr/lib/rustlib/*' './usr/src/*/library' ;;
        *) dpkg-deb -x "$deb" "$dir/rust.new" ;;
        esac
        rm "$deb"
    done
}

case $what in
zig) fetch_zig ;;
rust) fetch_rust ;;
*) fail "unknown tool '$what': zig or rust" ;;
esac
