#!/bin/sh
# tools.sh zig|rust DIR – unpack a private copy of a cross tool under DIR. Needs no root, installs nothing.
#
#   zig   a C compiler, linker and musl for every target, in one Python wheel
#   rust  Debian's newer rustc with the matching source of the standard library
#
# rust: a compiler can only build the standard library it was released with, and rustup cannot fetch that
# source everywhere; Debian packages both. Their version rolls, so it is asked for, never pinned.
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
    [ -x "$dir/rustc" ] && return
    version=$(apt-cache policy rustc-web | sed -n 's/^  Candidate: \([0-9]*\.[0-9]*\)\..*/\1/p')
    [ -n "$version" ] || fail "apt knows no rustc-web (Debian only; is the package list up to date?)"
    llvm=$(apt-cache depends "libstd-rust-web-$version" | sed -n 's/.*Depends: \(libllvm[0-9]*\)$/\1/p')
    rm -rf "$dir/deb" "$dir/rust"
    mkdir -p "$dir/deb" "$dir/rust"
    (cd "$dir/deb" && apt-get -o APT::Sandbox::User=root -qq download \
        rustc-web "libstd-rust-web-$version" libstd-rust-web-dev rust-web-src "$llvm") ||
        fail "apt could not download rustc-web and its friends"
    for deb in "$dir"/deb/*.deb; do
        case $deb in
        */rust-web-src_*) # two gigabytes of compiler sources; only the library is wanted
            dpkg-deb --fsys-tarfile "$deb" |
                tar -x -C "$dir/rust" --wildcards './usr/lib/rustlib/*' './usr/src/*/library' ;;
        *) dpkg-deb -x "$deb" "$dir/rust" ;;
        esac
    done
    rm -rf "$dir/deb"
    libraries=$(echo "$dir"/rust/usr/lib/*-linux-gnu)
    missing=$(LD_LIBRARY_PATH=$libraries ldd "$dir/rust/usr/bin/rustc" | sed -n 's/ => not found//p')
    [ -z "$missing" ] || fail "Debian's rustc lacks$missing (usually libedit2 libffi8 libxml2 libz3-4 libzstd1)"
    # The wrapper comes last: its presence says that everything above went well.
    printf '#!/bin/sh\nLD_LIBRARY_PATH=%s exec %s "$@"\n' "$libraries" "$dir/rust/usr/bin/rustc" >"$dir/rustc.new"
    chmod +x "$dir/rustc.new"
    mv "$dir/rustc.new" "$dir/rustc"
}

case $what in
zig) fetch_zig ;;
rust) fetch_rust ;;
*) fail "zig or rust, not '$what'" ;;
esac
