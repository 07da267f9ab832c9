#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# The artifact run: bad input; Ctrl-C in the middle of a step, then the same command again; a step that fails.
# Usage: full_interrupt.sh TOOLS_FULL BUILD
full=$1 build=$2
dir=$(mktemp -d) || exit 1
trap 'rm -rf "$dir"' EXIT
failures=0

fail() {
	echo "FAILED: $1"
	failures=$((failures + 1))
}

# expect CODE PATTERN ARGUMENT...
expect() {
	local code=$1 pattern=$2 got
	shift 2
	"$full" --build "$build" "$@" >"$dir/out" 2>&1
	got=$?
	((got == code)) || fail "full $*: exit code $got, not $code: $(cat "$dir/out")"
	grep -q -e "$pattern" "$dir/out" || fail "full $*: no '$pattern' in: $(cat "$dir/out")"
}

expect 0 'usage' --help
expect 2 "unknown argument 'stray'" stray
expect 2 'needs an argument' --into
expect 2 'needs an argument' --only ''
expect 2 'unknown step .nonsense.; known: limit' --only nonsense --list
expect 2 'no run of quickstart full lies there' --resume "$dir"
expect 2 "can't be read" --steps "$dir/none"
expect 2 'no programs in' --build "$dir"
echo 'a step | soon | hvsim inflate | - | -' >"$dir/bad"
expect 2 'not a step' --steps "$dir/bad"
mkdir "$dir/full-of-things" && : >"$dir/full-of-things/a"
expect 2 'not empty' --into "$dir/full-of-things"
[[ $(ls "$dir/full-of-things") == a ]] || fail "a refused folder was changed"
expect 0 'reclaim.*inflate' --list --quick --into "$dir/new"
[[ ! -e $dir/new ]] || fail "--list makes a folder"

# table FILE ITERATIONS: the second step runs for very long, or not
table() {
	cat >"$1" <<-TEXT
		# a comment
		first  | 1 | llfree-bench limit | - | --orders 0
		middle | 1 | hvsim inflate | - | --technique llfree-manual --memory 64M --target 40M --vcpus 1 --iterations $2
		wrong  | 1 | hvsim inflate | - | --technique nonsense
		absent | 1 | hvsim nonsense | - | -
		last   | 1 | llfree-bench limit | - | -
	TEXT
}
table "$dir/long" 100000
table "$dir/short" 1

# wait_for TEST...: at most two minutes
wait_for() {
	local count
	for ((count = 0; count < 1200; count++)); do
		"$@" && return
		sleep 0.1
	done
	fail "waited in vain for: $*"
}

set -m # a process group of its own, and SIGINT not ignored, whatever started this test: as in a terminal
env --default-signal=INT "$full" --quick --build "$build" --steps "$dir/long" --into "$dir/run" >"$dir/out" 2>&1 &
run=$!
set +m
wait_for test -s "$dir/run/running/middle.json"
children=$(cat "/proc/$run/task/$run/children")
expect 2 'another run is at work' --quick --steps "$dir/long" --into "$dir/run"
kill -INT -- "-$run"
is_over() { [[ ! -d /proc/$run || $(awk '/^State/ { print $2 }' "/proc/$run/status") == Z ]]; }
wait_for is_over
is_over || kill -KILL -- "-$run" # its child ends with it
wait "$run"
got=$?
((got == 130)) || fail "interrupted: exit code $got, not 130: $(cat "$dir/out")"
[[ -n $children ]] || fail "no child was seen"
for child in $children; do
	[[ ! -d /proc/$child ]] || fail "process $child is left: $(tr '\0' ' ' <"/proc/$child/cmdline")"
done
[[ -s $dir/run/first.json && ! -e $dir/run/middle.json && ! -e $dir/run/last.json ]] || fail "results: $(ls "$dir/run")"
grep -q '"interrupted":.*true' "$dir/run/partial/"*-middle.json || fail "no partial result: $(ls "$dir/run/partial")"
[[ ! -e $dir/run/finished ]] || fail "an interrupted run calls itself finished"
cp -p "$dir/run/first.json" "$dir/before"

# again: the rest, whatever fails; the first step stays as it is
expect 1 'skipped: absent' --quick --steps "$dir/short" --into "$dir/run"
cmp -s "$dir/run/first.json" "$dir/before" || fail "a complete result was made anew"
[[ -s $dir/run/middle.json && -s $dir/run/last.json && ! -e $dir/run/wrong.json ]] || fail "results: $(ls "$dir/run")"
grep -q "wrong  *exit code 2" "$dir/run/summary.txt" || fail "the failure is not in: $(cat "$dir/run/summary.txt")"
grep -q "middle  *ok" "$dir/run/summary.txt" || fail "no success in: $(cat "$dir/run/summary.txt")"
grep -q "unknown technique" "$dir/out" || fail "no reason for the failure in: $(cat "$dir/out")"

# and again: only what failed
expect 1 'wrong' --quick --steps "$dir/short" --resume "$dir/run"
[[ $(grep -c '^\[' "$dir/out") == 1 ]] || fail "more than the failed step ran: $(cat "$dir/out")"
expect 0 'first' --quick --steps "$dir/short" --resume "$dir/run" --only first
expect 2 'results of two builds never mix' --steps "$dir/short" --resume "$dir/run"

((failures > 0)) || echo "all passed"
exit $((failures > 0))
