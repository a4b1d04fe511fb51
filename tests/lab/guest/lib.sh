# shellcheck shell=sh disable=SC2034 # read by others
# What prepare and boot share, here and in arm/.

here=$(cd "$(dirname "$0")" && pwd)
target=${here%/tests/lab/guest*}/target
PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin

# libraries FILE...: what these programs load, the loader included; nothing for static ones.
libraries() {
    for file; do ldd "$file" 2>/dev/null || :; done | sed -n 's/[^/]*\(\/[^ ]*\) (0x.*/\1/p' | sort -u
}

# place DIR FILE...: copies files to their own paths below DIR. /bin, /lib and so on are links to /usr/bin, /usr/lib
# here as there; the files go to where these lead.
place() {
    root=$1
    shift
    for file; do
        dir=$root$(readlink -f "$(dirname "$file")")
        mkdir -p "$dir"
        cp -L "$file" "$dir/"
    done
}

# archive DIR: the tree as the kernel unpacks it. Not compressed: it would be the emulated processor that unpacks it.
archive() {
    (cd "$1" && find . | busybox cpio -o -H newc -R 0:0 2>/dev/null)
}

# memory_disk BASE TREE: opens descriptor 9 on the archive BASE with the tree TREE after it, which is unpacked over it.
# Open and already deleted, nothing of it stays behind.
memory_disk() {
    { cat "$1" && archive "$2"; } >"$2.cpio"
    exec 9<"$2.cpio"
    rm -rf "$2" "$2.cpio"
}

# todays META: the package a meta package of kernels names, `linux-image-6.1.0-56-cloud-amd64 (= 6.1.192-2)`.
todays() {
    apt-cache show --no-all-versions "$1" 2>/dev/null | sed -n 's/^Depends: \(linux-image-[0-9].*)\).*/\1/p'
}

# unpack PACKAGE DIR: fetches a package from the package source and unpacks it there, beside itself.
unpack() {
    mkdir -p "$2"
    (cd "$2" && apt-get -o APT::Sandbox::User=root download "$1" </dev/null >/dev/null 2>&1) || return
    dpkg -x "$2/$1"_*.deb "$2"
}

# take_modules KERNEL ROOT LIST: copies the modules of the list, and those they need, from an unpacked kernel to a root.
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
