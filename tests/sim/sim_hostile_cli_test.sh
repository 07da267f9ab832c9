#!/bin/sh
# SPDX-License-Identifier: MIT
# hvsim hostile: bad usage ends with 2; every technique survives its bad inputs; results count them by kind, and a VM
# that was stopped is named; one input can be tried again.
hvsim=$1
dir=$(mktemp -d) || exit 1
trap 'rm -rf "$dir"' EXIT
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
	"$hvsim" hostile "$@" >"$dir/out" 2>&1
	got=$?
	[ "$got" -eq "$code" ] || fail "hvsim hostile $*: exit code $got, not $code: $(cat "$dir/out")"
	grep -q -e "$pattern" "$dir/out" || fail "hvsim hostile $*: no '$pattern' in: $(cat "$dir/out")"
}

expect 2 "inputs is '0'; allowed: 1 to" --inputs 0
expect 2 "input is '-1'; allowed: 0 to" --input -1
expect 2 "bound is 'x'; allowed: 1 to" --bound x
expect 2 'known: all' --technique nonsense
expect 0 'bound=SECONDS' --help

expect 0 'VM mallory was stopped: the guest asked to install a frame beyond its memory' --inputs 16
for technique in base-manual huge-manual virtio-mem base-auto huge-auto llfree-manual llfree-auto; do
	grep -q "^$technique  *16 .* 0\$" "$dir/out" || fail "no line of $technique without host failures"
done
expect 0 'VM mallory was stopped: the guest wrote nonsense into a ring' --technique huge-manual --inputs 62 \
	--json "$dir/result.json"
grep -q '"host-failures"' "$dir/result.json" || fail 'no host failures in the result'
grep -q '"ring: descriptor loop, racing"' "$dir/result.json" || fail 'no row by kind in the result'
expect 0 '^huge-manual  *1 ' --technique huge-manual --input 41 --seed 7
exit "$failures"
