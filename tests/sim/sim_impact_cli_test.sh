#!/bin/sh
# SPDX-License-Identifier: MIT
# Command lines of stream and ftq: bad input ends with 2 and says what is allowed; small runs write valid results with
# series and the instants of resizes; Ctrl-C leaves a valid file.
hvsim=$1
# shellcheck source=tests/sim/cli_expect.sh
. "$(dirname "$0")/cli_expect.sh"

for scenario in stream ftq; do
	expect 0 'quantum' $scenario --help
	expect 2 'unrecognized' $scenario --nonsense
	expect 2 'is not an option' $scenario nonsense
	expect 2 'allowed: 0.1 to 3600' $scenario --duration 0
	expect 2 'allowed: 0.1 to 3600' $scenario --duration nan
	expect 2 'allowed: 0.1 to 3600' $scenario --duration 1s
	expect 2 'allowed: 1 to 1000' $scenario --quantum 0
	expect 2 'longer than --duration' $scenario --quantum 500 --duration 0.2
	expect 2 'multiples of 2M' $scenario --buffer 3K
	expect 2 'above zero' $scenario --buffer 0
	expect 2 'does not fit; allowed' $scenario --memory 256M --vcpus 2 --buffer 64M
	expect 2 'too small for the buffers of 8 vCPUs' $scenario --memory 64M --vcpus 8
	expect 2 'up to half of the target' $scenario --memory 256M --vcpus 1 --burst 64M
	expect 2 'unknown technique' $scenario --technique nonsense
	expect 2 'not below' $scenario --memory 64M --target 64M
	expect 0 'skipped: llfree-auto' $scenario --technique llfree-auto --allocator buddy
	small="--memory 128M --target 64M --vcpus 2 --duration 0.1 --iterations 1 --burst 4M --period 30 --slow-limit 8M"
	[ $scenario = stream ] || small="$small --technique llfree-auto,base-manual,virtio-mem"
	expect 0 'all passed' $scenario $small --json "$dir/$scenario.json"
	for word in '"interval_s"' '"baseline"' '"resized"' '"worst-second"' '"p1"' '"window-begin"' '"shrink"' '"grow"' \
		'"resize-begin"' '"resize-end"' '"resize-moved"' '"ns/2MiB"' '"llfree-auto"' '"base-manual"' 'slow: down to'; do
		grep -q "$word" "$dir/$scenario.json" || fail "no $word in the result of $scenario"
	done
	expect 2 'never overwritten' $scenario $small --json "$dir/$scenario.json"
done
grep -q '"bandwidth"' "$dir/stream.json" || fail "stream tells no bandwidth"
grep -q '"work"' "$dir/ftq.json" || fail "ftq tells no work"

# in the middle of a window that would take an hour
"$hvsim" ftq --memory 128M --vcpus 1 --duration 3600 --technique llfree-manual --json "$dir/cut.json" >"$dir/out" 2>&1 &
pid=$!
until grep -q '"quantum_ms"' "$dir/cut.json" 2>/dev/null || ! kill -0 "$pid" 2>/dev/null; do
	sleep 0.05
done
kill -INT "$pid"
wait "$pid"
got=$?
pid=
[ "$got" -eq 130 ] || fail "interrupted: exit code $got, not 130: $(cat "$dir/out")"

well_formed "$dir/stream.json" "$dir/ftq.json" "$dir/cut.json"
finish
