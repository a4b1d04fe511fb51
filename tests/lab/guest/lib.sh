# What prepare and boot share.

here=$(cd "$(dirname "$0")" && pwd)
guest=${here%/tests/lab/guest}/target/guest
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
