#!/bin/sh
# SPDX-License-Identifier: MIT
#
# Instructions per operation, counted by callgrind inside the loops of llfree-bench (bench_loop_OPERATION_ALLOCATOR).
# Exact and independent of the machine's load: evidence beside times. A loop's own two or three instructions count.
# Usage: bench/instructions.sh LLFREE_BENCH [ALLOCATOR...]     default: llfree llfree-handle llfree-exact buddy
#        bench/instructions.sh LLFREE_BENCH --count CASE ALLOCATOR LOOP ORDER     one number
set -eu

if [ $# -lt 1 ] || [ ! -x "$1" ]; then
	echo "usage: $0 LLFREE_BENCH [ALLOCATOR...]; LLFREE_BENCH is the built program" >&2
	exit 2
fi
bench=$1
shift
if ! command -v valgrind >/dev/null 2>&1; then
	echo "skipped: instructions per operation: valgrind is not installed"
	exit 0
fi
memory=${BENCH_CALLGRIND_MEMORY:-256M}
log=$(mktemp)
trap 'rm -f "$log"' EXIT INT TERM

# count CASE ALLOCATOR LOOP ORDER: instructions per operation of one loop in one row
count() {
	id=$(echo "$2" | tr - _)
	row="$1/$2/order:$4/threads:1"
	ops=$(valgrind --tool=callgrind --callgrind-out-file=/dev/null "--toggle-collect=bench_loop_$3_$id*" \
		"$bench" --memory "$memory" --orders "$4" --threads 1 --pin --callgrind "$row" 2>"$log" |
		awk -v loop="$3" '$1 == loop { print $2 }') || true
	events=$(sed -n 's/.*Collected : *\([0-9]*\).*/\1/p' "$log")
	if [ -z "$ops" ] || [ "$ops" = 0 ] || [ -z "$events" ]; then
		echo -
	else
		awk -v e="$events" -v o="$ops" 'BEGIN { printf "%.1f", e / o }'
	fi
}

if [ "${1:-}" = --count ]; then
	count "$2" "$3" "$4" "$5"
	echo
	exit 0
fi
[ $# -gt 0 ] || set -- llfree llfree-handle llfree-exact buddy
echo "instructions per operation (callgrind, $memory, one pinned thread)"
printf '%-16s %10s %10s %12s %10s %12s\n' "" "bulk get" "bulk put" "repeat pair" "rand pair" "bulk get o9"
for allocator in "$@"; do
	printf '%-16s %10s %10s %12s %10s %12s\n' "$allocator" "$(count bulk "$allocator" get 0)" \
		"$(count bulk "$allocator" put 0)" "$(count repeat "$allocator" pair 0)" \
		"$(count rand "$allocator" swap 0)" "$(count bulk "$allocator" get 9)"
done
