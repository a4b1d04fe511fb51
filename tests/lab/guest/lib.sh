# shellcheck shell=sh disable=SC2034 # read by others
# Functions of prepare and boot, here and in arm/.

here=$(cd "$(dirname "$0")" && pwd)
target=${here%/tests/lab/guest*}/target
PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin

# libraries FILE...: the shared libraries of these programs, including the loader.
libraries() {
    for file; do ldd "$file" 2>/dev/null || :; done | sed -n 's/[^/]*\(\/[^ ]*\) (0x.*/\1/p' | sort -u
}

# place DIR FILE...: copies files to the same paths below DIR, with links in directories (/bin, /lib) resolved.
place() {
    root=$1
    shift
    for file; do
        dir=$root$(readlink -f "$(dirname "$file")")
        mkdir -p "$dir"
        cp -L "$file" "$dir/"
    done
}

# archive DIR: a cpio archive of the tree. Not compressed, because decompression on an emulated processor is slow.
archive() {
    (cd "$1" && find . | busybox cpio -o -H newc -R 0:0 2>/dev/null)
}

# memory_disk BASE TREE: opens descriptor 9 on the archive BASE followed by an archive of TREE, which the kernel unpacks
# over it. The file is deleted while open, so that nothing is left.
memory_disk() {
    { cat "$1" && archive "$2"; } >"$2.cpio"
    exec 9<"$2.cpio"
    rm -rf "$2" "$2.cpio"
}

# todays META: the kernel package that a meta package depends on, `linux-image-6.1.0-56-cloud-amd64 (= 6.1.192-2)`.
todays() {
    apt-cache show --no-all-versions "$1" 2>/dev/null | sed -n 's/^Depends: \(linux-image-[0-9].*)\).*/\1/p'
}

# unpack PACKAGE DIR: downloads a package into DIR and unpacks it there.
unpack() {
    mkdir -p "$2"
    (cd "$2" && apt-get -o APT::Sandbox::User=root download "$1" </dev/null >/dev/null 2>&1) || return
    dpkg -x "$2/$1"_*.deb "$2"
}

# take_modules KERNEL ROOT LIST: copies the modules of the list and their dependencies from an unpacked kernel to ROOT.
take_modules() {
    version=$(ls "$1/lib/modules")
    depmod -b "$1" "$version"
    # shellcheck disable=SC2013 # they are words
    for module in $(sed 's/#.*//; s/boot\|later//' "$3"); do
        modprobe -d "$1" -S "$version" --show-depends "$module" 2>/dev/null || echo "no module $module in $version" >&2
    done | sed -n 's/^insmod \([^ ]*\).*/\1/p' | sort -u | while read -r file; do
        (cd "$1" && cp --parents "${file#"$1/"}" "$2")
    done
    cp "$1/lib/modules/$version"/modules.builtin* "$1/lib/modules/$version/modules.order" "$2/lib/modules/$version/"
    depmod -b "$2" "$version"
}
