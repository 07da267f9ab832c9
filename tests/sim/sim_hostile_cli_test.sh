#!/bin/sh
# SPDX-License-Identifier: MIT
# hvsim hostile: bad usage ends with 2; every technique survives its bad inputs; results count them by kind, and a VM
# that was stopped is named; one input can be tried again.
hvsim=$1
# shellcheck source=tests/sim/cli_expect.sh
. "$(dirname "$0")/cli_expect.sh"

expect 2 "inputs is '0'; allowed: 1 to" hostile --inputs 0
expect 2 "input is '-1'; allowed: 0 to" hostile --input -1
expect 2 "bound is 'x'; allowed: 1 to" hostile --bound x
expect 2 'known: all' hostile --technique nonsense
expect 0 'bound=SECONDS' hostile --help

expect 0 'VM mallory was stopped: the guest asked to install a frame beyond its memory' hostile --inputs 16
for technique in base-manual huge-manual virtio-mem base-auto huge-auto llfree-manual llfree-auto; do
	grep -q "^$technique  *16 .* 0\$" "$dir/out" || fail "no line of $technique without host failures"
done
expect 0 'VM mallory was stopped: the guest wrote nonsense into a ring' hostile --technique huge-manual --inputs 62 \
	--json "$dir/result.json"
grep -q '"host-failures"' "$dir/result.json" || fail 'no host failures in the result'
grep -q '"ring: descriptor loop, racing"' "$dir/result.json" || fail 'no row by kind in the result'
expect 0 '^huge-manual  *1 ' hostile --technique huge-manual --input 41 --seed 7
well_formed "$dir/result.json"
finish
