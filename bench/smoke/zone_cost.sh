#!/bin/sh
# SPDX-License-Identifier: MIT
#
# zone-cost.sh: a table of every column with exit code 0, exit code 1 above the bound, 2 for wrong usage.
# Usage: zone_cost.sh ZONE_COST LLFREE_BENCH
set -eu
script=$1 bench=$2
export ZONE_COST_ROUNDS=2 ZONE_COST_MEMORY=64M ZONE_COST_SECONDS=0.001 ZONE_COST_INSTRUCTIONS=0

# run EXPECTED ARGUMENTS...
run() {
	expected=$1
	shift
	code=0
	out=$("$script" "$@" 2>&1) || code=$?
	[ "$code" = "$expected" ] || { echo "$* ended with $code, expected $expected: $out"; exit 1; }
}
ZONE_COST_BOUND=0 run 0 "$bench" 0 9
cells=$(echo "$out" | grep -Eo '[0-9]+\.[0-9]{3} \(' | wc -l)
[ "$cells" = 8 ] || { echo "two orders have $cells cells, expected 8: $out"; exit 1; }
ZONE_COST_BOUND=0.001 run 1 "$bench" 3
case $out in *"above the bound of 0.001"*) ;; *) echo "does not name the bound: $out"; exit 1 ;; esac
run 2 "$bench" 11
run 2 /nonexistent
echo "tables and exit codes as they should be"
