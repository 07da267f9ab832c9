#!/bin/sh
# SPDX-License-Identifier: MIT
# shellcheck disable=SC2034,SC2154
# llfree-qemu validate on given results: the tables, an order that differs is a failed check, bad input ends with 2.
# Usage: validate_cli_test.sh LLFREE_QEMU DATA_FOLDER
hvsim=$1 # the program, by the name that cli_expect.sh knows
data=$2
# shellcheck source=tests/sim/cli_expect.sh disable=SC1091
. "$(dirname "$0")/../sim/cli_expect.sh"

expect 0 'all passed' validate --sim "$data/validate_sim.json" --vm "$data/validate_vm.json" --json "$dir/result.json"
grep -q 'error of HyperAlloc' "$dir/out" || fail "no error per technique"
grep -q 'same order' "$dir/out" || fail "no order of pairs"
grep -q '"prediction-error"' "$dir/result.json" || fail "no prediction in the result"
well_formed "$dir/result.json"
expect 2 'never overwritten' validate --sim "$data/validate_sim.json" --vm "$data/validate_vm.json" --json "$dir/result.json"

# in these VMs what was called base-manual is llfree-manual, and the other way round
sed 's/"base-manual"/"x"/; s/"llfree-manual"/"base-manual"/; s/"x"/"llfree-manual"/' "$data/validate_vm.json" >"$dir/swapped.json"
expect 1 'OTHER ORDER' validate --part compare --sim "$data/validate_sim.json" --vm "$dir/swapped.json"
sed 's/"target_bytes": 536870912/"target_bytes": 1073741824/' "$data/validate_vm.json" >"$dir/smaller.json"
expect 1 'different sizes' validate --part compare --sim "$data/validate_sim.json" --vm "$dir/smaller.json"

expect 0 'error of virtio-mem' validate --part predict --model "$data/validate_sim.json"
expect 2 'allowed: compare, predict, all' validate --part nonsense
expect 2 'No such file' validate --part predict --model "$dir/none.json"
expect 2 'not a result file' validate --part predict --model "$0"
expect 2 'hvsim list' validate --sim-backing nonsense
expect 2 'not an option' validate stray
finish
