# bash completion of vrrpd(8), generated from the tables of its options and commands.
# shellcheck shell=bash

# The names that the running daemon has, one a line. Nothing if none runs.
# $1: program, $2: NAME, VS or RS, $3: options that say which daemon.
_vrrpd_names() {
    local pattern='s/^ VRRP Instance = //p; s/^ VRRP Sync Group = \(.*\), [A-Z]*$/\1/p' address
    # As ADDRESS:PORT, or [ADDRESS]:PORT with colons in it.
    address='s/IP = \([^,]*:[^,]*\), R\{0,1\}V\{0,1\}PORT/IP = [\1], PORT/
        s/IP = \([^,]*\), R\{0,1\}V\{0,1\}PORT = \([0-9]*\).*/IP = \1:\2/'
    case $2 in
    VS) pattern="$address; s/^ VS GROUP = //p; s/^ VS VIP = //p" ;;
    RS) pattern="$address; s/^   RIP = //p" ;;
    esac
    # shellcheck disable=SC2086 # options
    command "$1" dump data $3 2>/dev/null </dev/null | sed -n "$pattern"
}

# Adds the lines of standard input that start with $1. Nothing in them is expanded.
_vrrpd_add() {
    local line
    while IFS= read -r line; do
        [[ $line != "$1"* ]] || COMPREPLY+=("$(printf %q "$line")")
    done
}

_vrrpd() {
    local cur last line word before options values words kind which colons
    COMPREPLY=()
    line=${COMP_LINE:0:COMP_POINT}
    # Not of COMP_WORDS: those are split at colons and equals signs too.
    cur=${line##*[[:blank:]]}
    read -ra before <<<"${line%"$cur"}"
    last=${before[-1]-}
    case ${before[1]-} in
    # @commands@
    esac
    [[ ${#before[@]} -gt 1 ]] || words='@names@'
    if [[ $cur == --*=* ]]; then
        last=${cur%%=*} cur=${cur#*=}
    fi
    kind=
    for word in $values; do
        [[ $word != "$last="* ]] || kind=${word#*=}
    done
    for ((word = 2; word < ${#before[@]}; word++)); do
        case ${before[word]} in
        -p | --pid | --socket) which+=" ${before[word]} ${before[word + 1]-}" ;;
        --pid=* | --socket=*) which+=" ${before[word]}" ;;
        esac
    done
    if [[ -n $kind ]]; then
        case $kind in
        FILE | PATH)
            compopt -o filenames 2>/dev/null
            mapfile -t COMPREPLY < <(compgen -f -- "$cur")
            ;;
        DURATION) _vrrpd_add "$cur" <<<$'10m\n30m\n1h\n2h\n1d' ;;
        *[A-Z0-9]*) ;;
        *) _vrrpd_add "$cur" <<<"${kind//|/$'\n'}" ;;
        esac
    elif [[ $cur == -* ]]; then
        _vrrpd_add "$cur" <<<"${options// /$'\n'}"
        [[ ${COMPREPLY[*]-} != *= ]] || compopt -o nospace 2>/dev/null
    else
        for word in $words; do
            case $word in
            NAME | VS | RS) _vrrpd_add "${cur//\\/}" < <(_vrrpd_names "${before[0]-vrrpd}" "$word" "${which-}") ;;
            *) _vrrpd_add "$cur" <<<"$word" ;;
            esac
        done
    fi
    # Readline replaces what follows the last colon or equals sign only.
    colons=${cur//[^:]/}
    while [[ -n $colons && ${COMP_WORDBREAKS-} == *:* ]]; do
        COMPREPLY=("${COMPREPLY[@]#*:}")
        colons=${colons#:}
    done
}

complete -F _vrrpd vrrpd
