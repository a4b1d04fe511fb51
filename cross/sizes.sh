#!/bin/sh
# sizes.sh DIR [NAME...] – prints the sizes of the binaries in DIR (all, or vrrpd-NAME...): bytes,
# budget, compressed. A NAME is TARGET-FLAVOR. Fails if one is missing or exceeds its budget.
set -eu
dir=$1
shift
[ $# -gt 0 ] || for file in "$dir"/vrrpd-*-small "$dir"/vrrpd-*-openwrt "$dir"/vrrpd-*-full; do
    [ ! -e "$file" ] || set -- "$@" "${file##*/vrrpd-}"
done

# In bytes.
budget() {
    case $1 in
    x86_64-unknown-linux-musl-small) echo 958464 ;;       # 936 KiB
    x86_64-unknown-linux-musl-full) echo 1996800 ;;       # 1,950 KiB
    armv7-unknown-linux-musleabihf-small) echo 663552 ;;  # 648 KiB, with lane B
    *) echo - ;;
    esac
}

failed=0
printf '%-40s %9s %9s %9s %9s\n' 'binary' bytes budget gzip xz
for name; do
    file=$dir/vrrpd-$name max=$(budget "$name") verdict=
    if [ ! -e "$file" ]; then
        printf '%-40s %9s %9s   not built\n' "$name" - "$max"
        failed=1
        continue
    fi
    bytes=$(wc -c <"$file")
    if [ "$max" != - ] && [ "$bytes" -gt "$max" ]; then
        verdict=" OVER BUDGET by $((bytes - max))"
        failed=1
    fi
    printf '%-40s %9d %9s %9d %9d%s\n' "$name" "$bytes" "$max" \
        "$(gzip -9nc "$file" | wc -c)" "$(xz -9ec "$file" | wc -c)" "$verdict"
done
exit $failed
