#!/bin/sh
# SPDX-License-Identifier: MIT
#
# Ctrl-C in the middle: exit code 130, valid JSON with the rows that are done, no process left.
# Usage: interrupt.sh LLFREE_BENCH CMAKE FOLDER
set -eu
bench=$1 cmake=$2 folder=$3
mkdir -p "$folder"
out=$folder/interrupted.json
rm -f "$out"

"$bench" --memory 64M --allocators llfree --orders 0 --threads 1 --cases bulk --benchmark_repetitions=100000 \
	--benchmark_min_time=0.001 --json "$out" >"$folder/interrupted.txt" 2>&1 &
driver=$!
worker=
for _ in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do
	sleep 0.2
	worker=$(cat "/proc/$driver/task/$driver/children" 2>/dev/null || true)
	[ -z "$worker" ] || break
done
sleep 0.3
kill -TERM "$driver" # a background job of sh ignores SIGINT; both are handled alike
code=0
wait "$driver" || code=$?
[ "$code" = 130 ] || { echo "exit code $code, expected 130"; cat "$folder/interrupted.txt"; exit 1; }
for child in $worker; do
	if [ -d "/proc/$child" ] && ! grep -q '^State:[[:space:]]*Z' "/proc/$child/status"; then
		echo "process $child is left"
		exit 1
	fi
done
cat >"$folder/check.cmake" <<'CHECK'
file(READ "${FILE}" text)
string(JSON rows LENGTH "${text}" benchmarks)
CHECK
"$cmake" "-DFILE=$out" -P "$folder/check.cmake"
echo "interrupted as it should be"
