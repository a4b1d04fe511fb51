#!/bin/sh
# Stand-in for OpenWrt's functions.sh: config_load and what reads its result. uci prints a file as a script of three
# commands, in which each section without a name has one (cfg, its number, four digits of a hash), and functions.sh runs
# that script. A file with quoted values is such a script already.
# shellcheck shell=dash

# The output of `uci export` is run as a script, in which `package` is a command.
package() { return 0; }

config() {
	CONFIG_COUNT=$((CONFIG_COUNT + 1))
	CONFIG_SECTION="${2:-$(printf 'cfg%02x%04x' "$CONFIG_COUNT" $((CONFIG_COUNT * 9973 % 65536)))}"
	CONFIG_SECTIONS="$CONFIG_SECTIONS $CONFIG_SECTION"
	eval "CONFIG_${CONFIG_SECTION}_TYPE=\$1"
}
option() { eval "CONFIG_${CONFIG_SECTION}_$1=\$2"; }
list() { eval "CONFIG_${CONFIG_SECTION}_$1=\"\${CONFIG_${CONFIG_SECTION}_$1:+\$CONFIG_${CONFIG_SECTION}_$1 }\$2\""; }

config_load() {
	[ -f "/etc/config/$1" ] || { echo 'uci: Entry not found' >&2; return 1; }
	package "$1"
	CONFIG_SECTIONS=
	CONFIG_COUNT=0
	# shellcheck disable=SC1090
	. "/etc/config/$1"
}

config_get() {
	eval "$1=\"\${CONFIG_$2_$3:-\$4}\""
}

config_get_bool() {
	local word
	config_get word "$2" "$3" "$4"
	case "$word" in
	1 | on | true | yes | enabled) word=1 ;;
	0 | off | false | no | disabled) word=0 ;;
	*) word="$4" ;;
	esac
	eval "$1=\$word"
}

config_foreach() {
	local function="$1" type="$2" section found
	shift 2
	for section in $CONFIG_SECTIONS; do
		eval "found=\$CONFIG_${section}_TYPE"
		[ "$found" != "$type" ] || "$function" "$section" "$@"
	done
}

# Of packages: $pkgname is the package. Packages of an image are installed into $IPKG_INSTROOT, where nothing runs.
# shellcheck disable=SC2154 # of the caller
init_scripts() {
	cat "$IPKG_INSTROOT/usr/lib/opkg/info/$pkgname.list" "$IPKG_INSTROOT/lib/apk/packages/$pkgname.list" 2>/dev/null |
		grep '^/etc/init.d/'
}

default_postinst() {
	local script result=0 own
	own="$IPKG_INSTROOT/usr/lib/opkg/info/$pkgname.postinst-pkg"
	# shellcheck disable=SC1090
	[ ! -f "$own" ] || (. "$own") || result=$?
	for script in $(init_scripts); do
		if [ -n "$IPKG_INSTROOT" ]; then
			/bin/sh "$IPKG_INSTROOT/etc/rc.common" "$IPKG_INSTROOT$script" enable
			continue
		fi
		"$script" enable
		"$script" start
	done
	return "$result"
}

default_prerm() {
	local script result=0 own
	own="$IPKG_INSTROOT/usr/lib/opkg/info/$pkgname.prerm-pkg"
	# shellcheck disable=SC1090
	[ ! -f "$own" ] || (. "$own") || result=$?
	for script in $(init_scripts); do
		"$script" disable
		"$script" stop
	done
	return "$result"
}
