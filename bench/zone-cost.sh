#!/bin/sh
# SPDX-License-Identifier: MIT
#
# What zones cost: get and put through llfree-zones (a zone per NUMA node) over those of one allocator, llfree, as the
# ratio of times, and of instructions where valgrind is installed. For each order both are measured in turn ROUNDS times;
# the ratio is the median of the rounds' ratios, so that what else the machine does meets both.
# Usage: bench/zone-cost.sh LLFREE_BENCH [ORDERS...]           default: 0 to 10
# Exit code: 0 no ratio is above the bound, 1 one is, 2 wrong usage or nothing was measured
# Environment: ZONE_COST_ROUNDS (5), ZONE_COST_MEMORY (2G), ZONE_COST_SECONDS a row (0.05), ZONE_COST_BOUND (1.15; 0: none),
# ZONE_COST_INSTRUCTIONS (1; 0: times only)
set -eu

if [ $# -lt 1 ] || [ ! -x "$1" ]; then
	echo "usage: $0 LLFREE_BENCH [ORDERS...]; LLFREE_BENCH is the built program" >&2
	exit 2
fi
bench=$1
shift
[ $# -gt 0 ] || set -- 0 1 2 3 4 5 6 7 8 9 10
rounds=${ZONE_COST_ROUNDS:-5} memory=${ZONE_COST_MEMORY:-2G} bound=${ZONE_COST_BOUND:-1.15}
here=$(dirname "$0")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT INT TERM
columns="bulk:get bulk:put repeat:pair rand:swap"

instructions=${ZONE_COST_INSTRUCTIONS:-1}
if [ "$instructions" != 0 ] && ! command -v valgrind >/dev/null 2>&1; then
	echo "skipped: ratios of instructions: valgrind is not installed"
	instructions=0
fi

# One order: a line "CASE:OPERATION RATIO LLFREE_NS ZONES_NS" for each column, medians over the rounds.
order_times() {
	round=0
	rm -f "$work"/round-*
	while [ "$round" -lt "$rounds" ]; do
		if ! "$bench" --cases bulk,repeat,rand --allocators llfree,llfree-zones --orders "$1" --threads 1 \
			--memory "$memory" --benchmark_min_time="${ZONE_COST_SECONDS:-0.05}" \
			--json "$work/round-$round" >/dev/null 2>"$work/log"; then
			cat "$work/log" >&2
			return 1
		fi
		round=$((round + 1))
	done
	cat "$work"/round-* | awk '
		function median(list, n,   i, j, swap) {
			for (i = 2; i <= n; i++)
				for (j = i; j > 1 && list[j - 1] > list[j]; j--) {
					swap = list[j]; list[j] = list[j - 1]; list[j - 1] = swap
				}
			return n % 2 ? list[(n + 1) / 2] : (list[n / 2] + list[n / 2 + 1]) / 2
		}
		$1 == "\"name\":" { gsub(/[",]/, "", $2); split($2, name, "/"); seen[name[1], name[2]]++ }
		$1 ~ /^"(get|put|pair)_ns":/ {
			operation = substr($1, 2, index($1, "_") - 2)
			if (name[1] == "rand") operation = "swap"
			ns[name[1] ":" operation, name[2], seen[name[1], name[2]]] = $2 + 0
			count[name[1] ":" operation] = seen[name[1], name[2]]
		}
		END {
			for (column in count) {
				n = count[column]
				for (i = 1; i <= n; i++) {
					one[i] = ns[column, "llfree", i]
					zones[i] = ns[column, "llfree-zones", i]
					ratio[i] = zones[i] / one[i]
				}
				printf "%s %.3f %.1f %.1f\n", column, median(ratio, n), median(one, n), median(zones, n)
			}
		}'
}

# The same line from callgrind.
column_counts() {
	one=$("$here/instructions.sh" "$bench" --count "${2%:*}" llfree "${2#*:}" "$1")
	zones=$("$here/instructions.sh" "$bench" --count "${2%:*}" llfree-zones "${2#*:}" "$1")
	awk -v column="$2" -v one="$one" -v zones="$zones" 'BEGIN {
		if (one + 0 > 0) printf "%s %.3f %.1f %.1f\n", column, zones / one, one, zones
	}'
}

# table UNIT FILE: what is in FILE, lines "ORDER CASE:OPERATION RATIO LLFREE ZONES", as a table
table() {
	awk -v unit="$1" -v columns="$columns" -v bound="$bound" '
		{ cell[$1, $2] = sprintf("%.3f (%s, %s)", $3, $4, $5); if (!($1 in known)) { known[$1]; order[++n] = $1 } }
		$3 > largest { largest = $3; where = $2 " of order " $1 }
		END {
			if (!n)
				exit 2
			missing = 0
			k = split(columns, column, " ")
			printf "llfree-zones / llfree, %s: ratio (llfree, llfree-zones)\norder", unit
			for (i = 1; i <= k; i++)
				printf " %24s", column[i]
			print ""
			for (o = 1; o <= n; o++) {
				printf "%5s", order[o]
				for (i = 1; i <= k; i++) {
					missing += !((order[o], column[i]) in cell)
					printf " %24s", (order[o], column[i]) in cell ? cell[order[o], column[i]] : "-"
				}
				print ""
			}
			printf "largest: %.3f, %s\n", largest, where
			exit missing ? 2 : bound > 0 && largest > bound
		}' "$2"
}

: >"$work/times"
: >"$work/counts"
for order in "$@"; do
	order_times "$order" >"$work/lines" || exit 2
	sed "s/^/$order /" "$work/lines" >>"$work/times"
	[ "$instructions" != 0 ] || continue
	for column in $columns; do
		column_counts "$order" "$column" | sed "s/^/$order /" >>"$work/counts"
	done
done
code=0
table "ns an operation, medians of $rounds rounds" "$work/times" || code=$?
if [ "$instructions" != 0 ]; then
	echo
	table "instructions an operation" "$work/counts" || code=$((code > $? ? code : $?))
fi
[ "$code" != 1 ] || echo "above the bound of $bound"
exit "$code"
