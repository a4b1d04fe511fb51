#!/bin/sh
# Stand-in for libubox' jshn.sh: what rpcd plugins call to write JSON.
# shellcheck shell=dash

_separate() {
	JSON_OUT="$JSON_OUT$JSON_COMMA"
	JSON_COMMA=', '
}
_open() {
	_separate
	JSON_COMMA=
}
json_init() {
	JSON_OUT='{ '
	JSON_COMMA=
	JSON_END='}'
}
json_add_object() {
	_open
	JSON_OUT="$JSON_OUT\"$1\": { "
}
json_close_object() {
	JSON_OUT="$JSON_OUT }"
	JSON_COMMA=', '
}
json_add_string() {
	_separate
	JSON_OUT="$JSON_OUT\"$1\": \"$2\""
}
json_dump() { echo "$JSON_OUT $JSON_END"; }
