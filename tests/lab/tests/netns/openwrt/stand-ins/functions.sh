#!/bin/sh
# Stand-in for OpenWrt's functions.sh: config_load and config_get, for files with one quoted value per line.
# shellcheck shell=dash

# The output of `uci export` is run as a script, in which `package` is a command.
package() { return 0; }

config_load() {
	local verb name value section='' count=0
	[ -f "/etc/config/$1" ] || return 1
	package "$1"
	CONFIG_SECTIONS=
	while read -r verb name value; do
		value="${value#\'}"
		value="${value%\'}"
		case "$verb" in
		config)
			section="${value:-cfg$count}"
			count=$((count + 1))
			CONFIG_SECTIONS="$CONFIG_SECTIONS $section"
			eval "CONFIG_${section}_TYPE=\$name"
			;;
		option) eval "CONFIG_${section}_$name=\$value" ;;
		list) eval "CONFIG_${section}_$name=\"\${CONFIG_${section}_$name:+\$CONFIG_${section}_$name }\$value\"" ;;
		esac
	done <"/etc/config/$1"
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
