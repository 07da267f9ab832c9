# SPDX-License-Identifier: MIT
# shellcheck shell=sh disable=SC2034,SC2154
# What the command line tests of hvsim share: sourced with hvsim set; gives a folder that goes away at the end.
dir=$(mktemp -d) || exit 1
pid= # of a program in the background, ended at the end whatever happens
trap '[ -z "$pid" ] || kill -KILL "$pid" 2>/dev/null; rm -rf "$dir"' EXIT
failures=0

fail() {
	echo "FAILED: $1"
	failures=$((failures + 1))
}

# expect CODE PATTERN ARGUMENT...: exit code, and a pattern that the output holds
expect() {
	code=$1
	pattern=$2
	shift 2
	"$hvsim" "$@" >"$dir/out" 2>&1
	got=$?
	[ "$got" -eq "$code" ] || fail "hvsim $*: exit code $got, not $code: $(cat "$dir/out")"
	grep -q -e "$pattern" "$dir/out" || fail "hvsim $*: no '$pattern' in: $(cat "$dir/out")"
}

# well_formed FILE...: each is JSON (where there is something to read it with)
well_formed() {
	command -v python3 >/dev/null || return 0
	for file in "$@"; do
		python3 -c 'import json,sys; json.load(open(sys.argv[1]))' "$file" || fail "$file is not JSON"
	done
}

finish() {
	[ "$failures" -eq 0 ] && echo "all passed"
	exit $((failures > 0))
}
